// The key schedules of AES-128 and AES-256 (FIPS 197 section 5.2) for several keys side by side, as
// the AES instructions take them for encryption.
//
// A schedule is eleven or fifteen times as long as its key. Where keys change with each packet, it
// costs less to make it anew (some 12 ns) than to fetch its lines from memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kernels {

struct alignas(64) AesKeySchedule {
  uint8_t round_keys[16 * 16];  // 11 of them of AES-128, 15 of AES-256
};

// schedules[i] of keys[i], of 16 resp. 32 bytes. The processor has AES and SSSE3.
void ExpandAes128(const uint8_t* const* keys, size_t count, AesKeySchedule* schedules);
void ExpandAes256(const uint8_t* const* keys, size_t count, AesKeySchedule* schedules);

}  // namespace kernels
