// From a master key to the keys of a session (RFC 3711 section 4.3, RFC 6188, RFC 7714 section 11).
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/abi/srtp.h"

namespace relay::stage {

inline constexpr size_t kSrtpAuthKeyLength = 20;

struct SrtpSessionKeys {
  uint8_t key[abi::kSrtpKeyLengthMax];
  uint8_t auth[kSrtpAuthKeyLength];  // not with GCM
  uint8_t salt[abi::kSrtpSaltLengthMax];

  ~SrtpSessionKeys();  // wipes
};

enum class SrtpUse : uint8_t { kRtp, kRtcp };

void DeriveSrtpKeys(abi::SrtpSuite suite, const abi::SrtpKey& master, SrtpUse use,
                    SrtpSessionKeys* keys);

// By which a key is known again that is not kept: of key and salt, never 0.
uint64_t PrintOf(const abi::SrtpKey& key);

// Overwrites what held a key.
void WipeKey(void* bytes, size_t count);
// Overwrites what functions that have returned left on this thread's stack below the caller: copies
// that compilers and libraries make of keys.
void WipeStack();
// In a time that does not depend on where they differ.
bool SameBytes(const uint8_t* a, const uint8_t* b, size_t count);

}  // namespace relay::stage
