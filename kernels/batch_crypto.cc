#include "kernels/batch_crypto.h"

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "kernels/hmac_sha1.h"

namespace kernels {
namespace {

// Where the library's data ends, and the padding of its own alignment to 64 begins.
static_assert(sizeof(gcm_key_data::expanded_keys) + sizeof(gcm_key_data::ghash_keys) ==
              offsetof(GcmContext, rest));
// Eleven round keys end before the salt, fifteen end where the other powers begin.
static_assert(11 * 16 <= GcmContext::SaltAt(16) &&
              GcmContext::SaltAt(16) + 12 <= sizeof(gcm_key_data::expanded_keys) &&
              GcmContext::SaltAt(32) == offsetof(GcmContext, rest));
static_assert(sizeof(gcm_key_data) <= sizeof(GcmContext));

constexpr size_t kSha1Block = 64;

// Overwritten in a way that no compiler may leave out.
void Wipe(void* bytes, size_t count) {
  std::memset(bytes, 0, count);
  asm volatile("" : : "r"(bytes) : "memory");
}

bool HasWideHashes() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}

// All lanes work as long as the longest of them. In telephony all are of one length, nearly always.
void OrderByLength(const CmJob* jobs, size_t count, const CmJob** order) {
  bool equal = true;
  for (size_t i = 0; i < count; ++i) {
    order[i] = &jobs[i];
    equal &= jobs[i].hash_length == jobs[0].hash_length;
  }
  if (equal || count <= kHmacSha1Lanes) return;  // who goes together is settled
  std::sort(order, order + count,
            [](const CmJob* a, const CmJob* b) { return a->hash_length < b->hash_length; });
}

class IpsecMb final : public BatchCrypto {
 public:
  // `ciphers` may be the same manager as `hashes`, which takes all but what `own_lanes_from` jobs
  // or more are.
  IpsecMb(IMB_MGR* hashes, IMB_MGR* ciphers, size_t own_lanes_from, AesKeySchedule* schedules)
      : own_lanes_from_(own_lanes_from),
        manager_(hashes),
        ciphers_(ciphers),
        schedules_(schedules) {
    for (IMB_JOB& job : jobs_) {
      std::memset(&job, 0, sizeof job);
      job.chain_order = IMB_ORDER_CIPHER_HASH;
      job.cipher_mode = IMB_CIPHER_CNTR;
      job.cipher_direction = IMB_DIR_ENCRYPT;
      job.iv_len_in_bytes = 16;
      job.hash_alg = IMB_AUTH_HMAC_SHA_1;
      job.auth_tag_output_len_in_bytes = kSha1Length;
    }
  }
  ~IpsecMb() override {
    if (ciphers_ != manager_) free_mb_mgr(ciphers_);
    free_mb_mgr(manager_);
  }

  void SetKeys(CmContext* context, const uint8_t* key, size_t key_length,
               const uint8_t* auth_key) override {
    std::memcpy(context->key, key, key_length);
    SetPad(auth_key, 0x36, context->inner);
    SetPad(auth_key, 0x5c, context->outer);
  }

  void SetKey(GcmContext* context, const uint8_t* key, size_t key_length) override {
    auto* data = reinterpret_cast<gcm_key_data*>(context);
    if (key_length == 16) {
      IMB_AES128_GCM_PRE(ciphers_, key, data);
    } else {
      IMB_AES256_GCM_PRE(ciphers_, key, data);
    }
  }

  void Cipher(const CmJob* jobs, size_t count, size_t key_length) override {
    assert(count <= kSchedules);
    std::array<const uint8_t*, kSchedules> keys{};
    for (size_t i = 0; i < count; ++i) keys[i] = jobs[i].context->key;
    if (key_length == 16) {
      ExpandAes128(keys.data(), count, schedules_);
    } else {
      ExpandAes256(keys.data(), count, schedules_);
    }
    for (size_t i = 0; i < count; ++i) {
      const CmJob& from = jobs[i];
      IMB_JOB& to = jobs_[i];
      to.enc_keys = schedules_[i].round_keys;
      to.key_len_in_bytes = key_length;
      to.src = from.data;
      to.dst = from.data + from.cipher_offset;
      to.cipher_start_src_offset_in_bytes = from.cipher_offset;
      to.msg_len_to_cipher_in_bytes = from.cipher_length;
      to.iv = from.iv;
    }
    IMB_SUBMIT_CIPHER_BURST_NOCHECK(ciphers_, jobs_.data(), static_cast<uint32_t>(count),
                                    IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                    key_length == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES);
  }

  void Hash(const CmJob* jobs, size_t count) override {
    std::array<const CmJob*, kBatchMax> order;
    OrderByLength(jobs, count, order.data());
    size_t done = 0;
    while (count - done >= own_lanes_from_) {
      const size_t some = std::min(kHmacSha1Lanes, count - done);
      HmacSha1Avx512(&order[done], some);
      done += some;
    }
    if (done != count) HashByLibrary(&order[done], count - done);
  }

  void HashByLibrary(const CmJob* const* jobs, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const CmJob& from = *jobs[i];
      IMB_JOB& to = jobs_[i];
      to.src = from.data;
      to.hash_start_src_offset_in_bytes = 0;
      to.msg_len_to_hash_in_bytes = from.hash_length;
      to.u.HMAC._hashed_auth_key_xor_ipad = from.context->inner;
      to.u.HMAC._hashed_auth_key_xor_opad = from.context->outer;
      to.auth_tag_output = from.tag;
    }
    IMB_SUBMIT_HASH_BURST_NOCHECK(manager_, jobs_.data(), static_cast<uint32_t>(count),
                                  IMB_AUTH_HMAC_SHA_1);
  }

  void Encrypt(const GcmJob& job, size_t key_length) override {
    const auto* key = reinterpret_cast<const gcm_key_data*>(job.context);
    if (key_length == 16) {
      IMB_AES128_GCM_ENC(ciphers_, key, &scratch_, job.text, job.text, job.text_length, job.iv,
                         job.associated, job.associated_length, job.tag, 16);
    } else {
      IMB_AES256_GCM_ENC(ciphers_, key, &scratch_, job.text, job.text, job.text_length, job.iv,
                         job.associated, job.associated_length, job.tag, 16);
    }
  }

  void Decrypt(const GcmJob& job, size_t key_length) override {
    const auto* key = reinterpret_cast<const gcm_key_data*>(job.context);
    if (key_length == 16) {
      IMB_AES128_GCM_DEC(ciphers_, key, &scratch_, job.text, job.text, job.text_length, job.iv,
                         job.associated, job.associated_length, job.tag, 16);
    } else {
      IMB_AES256_GCM_DEC(ciphers_, key, &scratch_, job.text, job.text, job.text_length, job.iv,
                         job.associated, job.associated_length, job.tag, 16);
    }
  }

 private:
  void SetPad(const uint8_t* key, uint8_t pad, uint8_t* state) {
    alignas(64) uint8_t block[kSha1Block];
    std::memset(block, pad, sizeof block);
    for (size_t i = 0; i < kSha1Length; ++i) block[i] ^= key[i];
    IMB_SHA1_ONE_BLOCK(manager_, block, state);
    Wipe(block, sizeof block);
  }

  const size_t own_lanes_from_;  // at least 1
  IMB_MGR* const manager_;       // hashes
  IMB_MGR* const ciphers_;
  AesKeySchedule* const schedules_;
  gcm_context_data scratch_;
  std::array<IMB_JOB, kBatchMax> jobs_;
};

// AES takes one block an instruction unless there is VAES. Without it the wide registers are of no
// use to ciphers but clock the core lower: 34 ns a packet with AVX2 against 40 with AVX-512, where
// SHA-1 is 104 against 134 (docs/tuning.md).
IMB_MGR* CiphersBeside(IMB_MGR* manager) {
  constexpr uint64_t kWide = IMB_FEATURE_AVX512F;
  if ((manager->features & kWide) == 0 || (manager->features & IMB_FEATURE_VAES) != 0) {
    return manager;
  }
  IMB_MGR* ciphers = alloc_mb_mgr(0);
  if (ciphers == nullptr) return manager;
  init_mb_mgr_avx2(ciphers);
  return ciphers;
}

// Our lanes take 560 ns whether one works or sixteen; the processor's own SHA-1 rounds, where it
// has them, 150 ns a packet. Without those, one lane is as good as the library's.
constexpr size_t kOwnLanesWorthIt = 4;

// Who hashes what is too little for our lanes; `manager` in any case where that is not settled.
IMB_MGR* HashesOfFew(IMB_MGR* manager) {
  if ((manager->features & IMB_FEATURE_SHANI) == 0) return manager;
  IMB_MGR* few = alloc_mb_mgr(0);
  if (few == nullptr) return manager;
  init_mb_mgr_sse(few);
  return few;
}

}  // namespace

std::unique_ptr<BatchCrypto> BatchCrypto::Make(AesKeySchedule* schedules, Hashes hashes) {
  constexpr uint64_t kNeeded = IMB_FEATURE_SSE4_2 | IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return nullptr;
  if ((manager->features & kNeeded) != kNeeded) {
    free_mb_mgr(manager);
    return nullptr;
  }
  init_mb_mgr_auto(manager, nullptr);
  IMB_MGR* const ciphers = CiphersBeside(manager);
  if (hashes == Hashes::kLibrary || !HasWideHashes()) {
    return std::make_unique<IpsecMb>(manager, ciphers, kBatchMax + 1, schedules);
  }
  IMB_MGR* const few = HashesOfFew(manager);
  // The first manager is not needed any more if both others are their own.
  if (few != manager && ciphers != manager) free_mb_mgr(manager);
  return std::make_unique<IpsecMb>(few, ciphers, few == manager ? 1 : kOwnLanesWorthIt, schedules);
}

}  // namespace kernels
