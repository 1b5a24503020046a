#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>

#include "relay/stage/srtp_engine.h"
#include "relay/wire/bytes.h"

namespace relay::stage {
namespace {

// OpenSSL keeps expanded keys in objects of its own; a packet changes the initialisation vector
// alone.
struct alignas(64) PortableContext {
  EVP_CIPHER_CTX* cipher;
  EVP_MAC_CTX* mac;  // null with GCM
  uint8_t salt[abi::kSrtpSaltLengthMax];
  uint8_t reserved[34];
};
static_assert(sizeof(PortableContext) == 64);

// OpenSSL fails here for want of memory or by a mistake of ours: there is no secure way on.
class PortableEngine final : public CipherEngine {
 public:
  PortableEngine() : hmac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)) { Must(hmac_ != nullptr); }
  ~PortableEngine() override { EVP_MAC_free(hmac_); }

  std::string_view name() const override { return "portable"; }
  size_t ContextSize(abi::SrtpSuite) const override { return sizeof(PortableContext); }

  void MakeSessionContext(void* at, abi::SrtpSuite suite, SrtpDirection direction,
                          const SrtpSessionKeys& keys) override {
    const bool gcm = abi::IsGcm(suite);
    const bool long_key = abi::FactsOf(suite).key_length == 32;
    const EVP_CIPHER* cipher = gcm ? (long_key ? EVP_aes_256_gcm() : EVP_aes_128_gcm())
                                   : (long_key ? EVP_aes_256_ctr() : EVP_aes_128_ctr());
    auto* context = new (at) PortableContext{};
    context->cipher = EVP_CIPHER_CTX_new();
    Must(context->cipher != nullptr);
    // Counter mode runs forwards both ways.
    const bool encrypt = !gcm || direction == SrtpDirection::kProtect;
    Must(EVP_CipherInit_ex(context->cipher, cipher, nullptr, keys.key, nullptr, encrypt) == 1);
    std::memcpy(context->salt, keys.salt, sizeof context->salt);
    if (gcm) return;
    char digest[] = "SHA1";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    context->mac = EVP_MAC_CTX_new(hmac_);
    Must(context->mac != nullptr &&
         EVP_MAC_init(context->mac, keys.auth, sizeof keys.auth, parameters) == 1);
  }

  void DropContext(void* at, abi::SrtpSuite) override {
    auto* context = static_cast<PortableContext*>(at);
    EVP_CIPHER_CTX_free(context->cipher);  // both wipe
    EVP_MAC_CTX_free(context->mac);
    WipeKey(at, sizeof(PortableContext));
  }

  void Protect(std::span<SrtpJob> jobs) override {
    for (SrtpJob& job : jobs) {
      const auto& context = *static_cast<const PortableContext*>(job.context);
      if (context.mac == nullptr) {
        ProtectGcm(context, job);
      } else {
        Cipher(context, job);
        Hash(context, job, job.tag);
      }
    }
  }

  void Unprotect(std::span<SrtpJob> jobs) override {
    for (SrtpJob& job : jobs) {
      const auto& context = *static_cast<const PortableContext*>(job.context);
      if (context.mac == nullptr) {
        UnprotectGcm(context, job);
        continue;
      }
      uint8_t tag[kSrtpTagMax];
      Hash(context, job, tag);
      const bool same = SameBytes(tag, job.tag, job.tag_length);
      job.result = same ? SrtpResult::kOk : SrtpResult::kBadTag;
      if (same) Cipher(context, job);
    }
  }

 private:
  static void Cipher(const PortableContext& context, const SrtpJob& job) {
    uint8_t iv[16];
    WriteCmIv(context.salt, job.ssrc, job.index, iv);
    uint8_t* const text = job.data + job.header_length;
    int written = 0;
    Must(EVP_CipherInit_ex(context.cipher, nullptr, nullptr, nullptr, iv, -1) == 1 &&
         EVP_CipherUpdate(context.cipher, text, &written, text,
                          static_cast<int>(job.length - job.header_length)) == 1);
  }

  static void Hash(const PortableContext& context, const SrtpJob& job, uint8_t* tag) {
    wire::Store32(job.data + job.length, job.trailer);
    size_t written = 0;
    Must(EVP_MAC_init(context.mac, nullptr, 0, nullptr) == 1 &&
         EVP_MAC_update(context.mac, job.data, job.length + 4) == 1 &&
         EVP_MAC_final(context.mac, tag, &written, kSrtpTagMax) == 1);
  }

  // Sets the vector, and takes in what is authenticated in the clear.
  static void BeginGcm(const PortableContext& context, const SrtpJob& job) {
    uint8_t iv[12];
    WriteGcmIv(context.salt, job.ssrc, job.index, iv);
    const SrtcpAssociated associated(job);
    const bool rtcp = job.use == SrtpUse::kRtcp;
    int written = 0;
    Must(EVP_CipherInit_ex(context.cipher, nullptr, nullptr, nullptr, iv, -1) == 1 &&
         EVP_CipherUpdate(context.cipher, nullptr, &written, rtcp ? associated.bytes : job.data,
                          rtcp ? static_cast<int>(sizeof associated.bytes)
                               : static_cast<int>(job.header_length)) == 1);
  }

  static void ProtectGcm(const PortableContext& context, SrtpJob& job) {
    BeginGcm(context, job);
    uint8_t* const text = job.data + job.header_length;
    int written = 0;
    uint8_t rest[16];
    Must(EVP_CipherUpdate(context.cipher, text, &written, text,
                          static_cast<int>(job.length - job.header_length)) == 1 &&
         EVP_CipherFinal_ex(context.cipher, rest, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.cipher, EVP_CTRL_AEAD_GET_TAG, 16, job.tag) == 1);
  }

  static void UnprotectGcm(const PortableContext& context, SrtpJob& job) {
    BeginGcm(context, job);
    uint8_t* const text = job.data + job.header_length;
    int written = 0;
    uint8_t rest[16];
    Must(EVP_CIPHER_CTX_ctrl(context.cipher, EVP_CTRL_AEAD_SET_TAG, 16, job.tag) == 1 &&
         EVP_CipherUpdate(context.cipher, text, &written, text,
                          static_cast<int>(job.length - job.header_length)) == 1);
    const bool good = EVP_CipherFinal_ex(context.cipher, rest, &written) == 1;
    job.result = good ? SrtpResult::kOk : SrtpResult::kBadTag;
  }

  EVP_MAC* const hmac_;
};

}  // namespace

std::unique_ptr<SrtpEngine> MakePortableEngine() {
  return std::make_unique<PortableEngine>();
}

}  // namespace relay::stage
