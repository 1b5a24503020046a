// AES-CM with HMAC-SHA1, and AES-GCM, over many buffers at once (intel-ipsec-mb, which is named in
// batch_crypto.cc alone).
//
// HMAC-SHA1 works on up to 16 buffers side by side, one a vector lane; so its speed comes from
// bursts of equal lengths. AES works on each buffer by itself, eight blocks at a time.
//
// One object a thread: it owns the library's manager. Contexts are plain bytes of the caller, 64
// aligned, without pointers; they hold keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/aes_key_schedule.h"

namespace kernels {

inline constexpr size_t kBatchMax = 64;
inline constexpr size_t kSha1Length = 20;

// Counter mode and HMAC-SHA1: a packet needs two lines, as the round keys are made anew for it. An
// odd number of lines: those of a leg are made in turn, one for each purpose, and with 128 bytes
// the ones that a burst needs would share a few sets of the first-level cache, and throw each other
// out before they are used.
struct alignas(64) CmContext {
  uint8_t inner[kSha1Length];  // SHA-1 after the key's block xor ipad
  uint8_t outer[kSha1Length];  // xor opad
  uint8_t salt[14];            // the caller's
  uint8_t reserved[10];
  uint8_t key[32];  // AES-128 uses 16 of them
  uint8_t reserved2[96];
};
static_assert(offsetof(CmContext, key) == 64);
static_assert(sizeof(CmContext) == 192 && sizeof(CmContext) / 64 % 2 == 1);

struct alignas(64) GcmContext {
  uint8_t library[1008];  // round keys, then powers of the hash key
  uint8_t rest[16];       // where the library has padding

  // The caller's salt, 12 bytes: where AES-256 has its last four round keys and AES-128 has none,
  // in a line that each packet needs anyway; else at the end.
  static constexpr size_t SaltAt(size_t key_length) { return key_length == 16 ? 224 : 1008; }
  const uint8_t* salt(size_t key_length) const {
    return reinterpret_cast<const uint8_t*>(this) + SaltAt(key_length);
  }
  uint8_t* salt(size_t key_length) { return reinterpret_cast<uint8_t*>(this) + SaltAt(key_length); }
};
static_assert(sizeof(GcmContext) == 1024);

struct CmJob {
  const CmContext* context;
  uint8_t* data;
  uint32_t cipher_offset;  // [cipher_offset, cipher_offset + cipher_length) is encrypted in place
  uint32_t cipher_length;
  uint32_t hash_length;  // [0, hash_length) is authenticated
  uint8_t iv[16];
  uint8_t* tag;  // kSha1Length bytes
};

struct GcmJob {
  const GcmContext* context;
  uint8_t* text;
  uint32_t text_length;
  const uint8_t* associated;
  uint32_t associated_length;
  const uint8_t* iv;  // 12 bytes
  uint8_t* tag;       // 16 bytes, written both ways
};

class BatchCrypto {
 public:
  // Who hashes: our lanes (hmac_sha1.h) where the processor has them, or the library in any case.
  enum class Hashes : uint8_t { kBest, kLibrary };
  static constexpr size_t kSchedules = 8;
  // `schedules`: kSchedules of them, of the caller, who outlives the object and keeps them out of
  // core dumps; round keys of the packets that were ciphered last stay there. Null where the
  // processor or the build has no batch engine.
  static std::unique_ptr<BatchCrypto> Make(AesKeySchedule* schedules,
                                           Hashes hashes = Hashes::kBest);
  virtual ~BatchCrypto() = default;

  // Key lengths are 16 and 32. Salts are left to the caller.
  virtual void SetKeys(CmContext* context, const uint8_t* key, size_t key_length,
                       const uint8_t* auth_key) = 0;  // of 20 bytes
  virtual void SetKey(GcmContext* context, const uint8_t* key, size_t key_length) = 0;

  // All jobs of one key length; at most kSchedules.
  virtual void Cipher(const CmJob* jobs, size_t count, size_t key_length) = 0;
  // At most kBatchMax jobs.
  virtual void Hash(const CmJob* jobs, size_t count) = 0;
  virtual void Encrypt(const GcmJob& job, size_t key_length) = 0;
  // The caller compares tags.
  virtual void Decrypt(const GcmJob& job, size_t key_length) = 0;
};

}  // namespace kernels
