#include "relay/stage/srtp_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

namespace relay::stage {
namespace {

// AES in counter mode over zeros (section 4.3.3). The key derivation rate is 0, so the packet index
// plays no part: x is the salt with the label in its eighth byte. A salt of 96 bits is padded with
// zeros behind it (RFC 7714 section 11).
void Derive(const abi::SrtpSuiteFacts& facts, const abi::SrtpKey& master, uint8_t label,
            uint8_t* out, size_t length) {
  uint8_t iv[16] = {};
  std::memcpy(iv, master.salt, facts.salt_length);
  iv[7] ^= label;
  const EVP_CIPHER* cipher = facts.key_length == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr();
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  std::memset(out, 0, length);
  int written = 0;
  const bool done = context != nullptr &&
                    EVP_EncryptInit_ex(context, cipher, nullptr, master.key, iv) == 1 &&
                    EVP_EncryptUpdate(context, out, &written, out, static_cast<int>(length)) == 1;
  EVP_CIPHER_CTX_free(context);  // wipes
  // Without memory or without AES there is no secure way on.
  if (!done) std::abort();
}

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() {
  WipeKey(this, sizeof *this);
}

void DeriveSrtpKeys(abi::SrtpSuite suite, const abi::SrtpKey& master, SrtpUse use,
                    SrtpSessionKeys* keys) {
  const abi::SrtpSuiteFacts& facts = abi::FactsOf(suite);
  const uint8_t first = use == SrtpUse::kRtp ? 0 : 3;
  Derive(facts, master, first, keys->key, facts.key_length);
  Derive(facts, master, first + 2, keys->salt, facts.salt_length);
  if (!abi::IsGcm(suite)) Derive(facts, master, first + 1, keys->auth, kSrtpAuthKeyLength);
}

uint64_t PrintOf(const abi::SrtpKey& key) {
  uint8_t bytes[sizeof key.key + sizeof key.salt];
  std::memcpy(bytes, key.key, sizeof key.key);
  std::memcpy(bytes + sizeof key.key, key.salt, sizeof key.salt);
  uint8_t digest[EVP_MAX_MD_SIZE];
  const int done = EVP_Digest(bytes, sizeof bytes, digest, nullptr, EVP_sha256(), nullptr);
  WipeKey(bytes, sizeof bytes);
  if (done != 1) std::abort();  // without memory
  uint64_t print;
  std::memcpy(&print, digest, sizeof print);
  return print == 0 ? 1 : print;
}

namespace {

// What memcpy has left of a key in a vector register comes to lie on the stack with the next symbol
// that is bound late, which saves them all. The compiler itself knows the first 16 alone.
void WipeRegisters() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx")) {
    asm volatile("vzeroall"
                 :
                 :
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  }
  if (__builtin_cpu_supports("avx512f")) {
    asm volatile(
        ".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        "vpxorq %zmm\\n,%zmm\\n,%zmm\\n\n"
        ".endr");
  }
#endif
}

}  // namespace

// Not inline: its frame must lie where theirs lay.
[[gnu::noinline]] void WipeStack() {
  WipeRegisters();           // first, as the next call too may be bound late
  uint8_t below[32 * 1024];  // deeper than a key's derivation goes in any engine
  OPENSSL_cleanse(below, sizeof below);
}

void WipeKey(void* bytes, size_t count) {
  OPENSSL_cleanse(bytes, count);
}

bool SameBytes(const uint8_t* a, const uint8_t* b, size_t count) {
  return CRYPTO_memcmp(a, b, count) == 0;
}

}  // namespace relay::stage
