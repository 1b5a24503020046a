#include "kernels/aes_key_schedule.h"

#ifdef __x86_64__

#include <gtest/gtest.h>
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

namespace kernels {
namespace {

constexpr size_t kKeys = 9;  // two groups of four, and one alone

bool HasInstructions() {
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("ssse3");
}

// FIPS 197 appendices A.1 and A.3: key, and its last round key.
TEST(AesKeySchedule, IsThatOfTheStandard) {
  if (!HasInstructions()) return;
  const uint8_t short_key[] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                               0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
  const uint8_t short_last[] = {0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89,
                                0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6};
  const uint8_t long_key[] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                              0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                              0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
  const uint8_t long_last[] = {0xfe, 0x48, 0x90, 0xd1, 0xe6, 0x18, 0x8d, 0x0b,
                               0x04, 0x6d, 0xf3, 0x44, 0x70, 0x6c, 0x63, 0x1e};
  const uint8_t* key = short_key;
  AesKeySchedule schedule;
  ExpandAes128(&key, 1, &schedule);
  EXPECT_TRUE(std::equal(short_last, short_last + 16, schedule.round_keys + 160));
  key = long_key;
  ExpandAes256(&key, 1, &schedule);
  EXPECT_TRUE(std::equal(long_last, long_last + 16, schedule.round_keys + 224));
}

// Every round key, as the library makes it; nothing is written behind the last one.
TEST(AesKeySchedule, IsTheLibrarysHoweverManyKeys) {
  if (!HasInstructions()) return;
  const std::unique_ptr<IMB_MGR, void (*)(IMB_MGR*)> manager(alloc_mb_mgr(0), free_mb_mgr);
  init_mb_mgr_auto(manager.get(), nullptr);
  std::mt19937 random(1);
  for (const size_t key_length : {16u, 32u}) {
    const size_t length = key_length == 16 ? 176 : 240;
    for (size_t count = 1; count <= kKeys; ++count) {
      std::array<std::array<uint8_t, 32>, kKeys> keys;
      std::array<const uint8_t*, kKeys> pointers;
      std::vector<AesKeySchedule> schedules(kKeys);
      for (size_t i = 0; i < kKeys; ++i) {
        for (uint8_t& byte : keys[i]) byte = static_cast<uint8_t>(random());
        pointers[i] = keys[i].data();
        std::fill_n(schedules[i].round_keys, sizeof schedules[i].round_keys, uint8_t{0xee});
      }
      (key_length == 16 ? ExpandAes128 : ExpandAes256)(pointers.data(), count, schedules.data());
      for (size_t i = 0; i < kKeys; ++i) {
        alignas(16) uint8_t expected[240], decrypt[240];
        if (key_length == 16) {
          IMB_AES_KEYEXP_128(manager.get(), pointers[i], expected, decrypt);
        } else {
          IMB_AES_KEYEXP_256(manager.get(), pointers[i], expected, decrypt);
        }
        const auto& made = schedules[i].round_keys;
        const size_t written = i < count ? length : 0;
        EXPECT_TRUE(std::equal(made, made + written, expected)) << i << " of " << count;
        EXPECT_TRUE(
            std::all_of(made + written, std::end(made), [](uint8_t byte) { return byte == 0xee; }));
      }
    }
  }
}

}  // namespace
}  // namespace kernels

#endif
