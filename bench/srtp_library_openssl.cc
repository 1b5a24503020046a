// What OpenSSL itself takes for the work of SRTP, with kept contexts and one packet after the
// other: as bench/srtp_library_ipsec_mb.cc.
//
//   BM_Library/openssl/AES_CM_128, HMAC_SHA1, AEAD_AES_128_GCM
#include <benchmark/benchmark.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int kHeader = 12;
constexpr int kText = 160;
constexpr size_t kHashed = kHeader + kText + 4;
constexpr size_t kBuffer = 256;

void Must(bool done) {
  if (!done) std::abort();
}

class Packets {
 public:
  explicit Packets(size_t count) : bytes_(count * kBuffer) {
    const uint8_t key[20] = {1};
    EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    char digest[] = "SHA1";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    for (size_t i = 0; i < count; ++i) {
      Keys keys{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new(), EVP_MAC_CTX_new(hmac)};
      Must(EVP_EncryptInit_ex(keys.cm, EVP_aes_128_ctr(), nullptr, key, nullptr) == 1 &&
           EVP_EncryptInit_ex(keys.gcm, EVP_aes_128_gcm(), nullptr, key, nullptr) == 1 &&
           EVP_MAC_init(keys.mac, key, sizeof key, parameters) == 1);
      keys_.push_back(keys);
    }
    EVP_MAC_free(hmac);
  }
  ~Packets() {
    for (const Keys& keys : keys_) {
      EVP_CIPHER_CTX_free(keys.cm);
      EVP_CIPHER_CTX_free(keys.gcm);
      EVP_MAC_CTX_free(keys.mac);
    }
  }
  Packets(const Packets&) = delete;
  Packets& operator=(const Packets&) = delete;

  void Cipher(size_t i) {
    int written = 0;
    Must(EVP_CipherInit_ex(keys_[i].cm, nullptr, nullptr, nullptr, vector_, -1) == 1 &&
         EVP_CipherUpdate(keys_[i].cm, TextOf(i), &written, TextOf(i), kText) == 1);
  }
  void Hash(size_t i) {
    size_t written = 0;
    Must(EVP_MAC_init(keys_[i].mac, nullptr, 0, nullptr) == 1 &&
         EVP_MAC_update(keys_[i].mac, &bytes_[i * kBuffer], kHashed) == 1 &&
         EVP_MAC_final(keys_[i].mac, tag_, &written, sizeof tag_) == 1);
  }
  void Gcm(size_t i) {
    EVP_CIPHER_CTX* const gcm = keys_[i].gcm;
    int written = 0;
    uint8_t rest[16];
    Must(EVP_CipherInit_ex(gcm, nullptr, nullptr, nullptr, vector_, -1) == 1 &&
         EVP_CipherUpdate(gcm, nullptr, &written, &bytes_[i * kBuffer], kHeader) == 1 &&
         EVP_CipherUpdate(gcm, TextOf(i), &written, TextOf(i), kText) == 1 &&
         EVP_CipherFinal_ex(gcm, rest, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, 16, tag_) == 1);
  }

 private:
  struct Keys {
    EVP_CIPHER_CTX* cm;
    EVP_CIPHER_CTX* gcm;
    EVP_MAC_CTX* mac;
  };
  uint8_t* TextOf(size_t i) { return &bytes_[i * kBuffer + kHeader]; }

  std::vector<Keys> keys_;
  std::vector<uint8_t> bytes_;
  uint8_t vector_[16] = {};
  uint8_t tag_[20];
};

void Run(benchmark::State& state, void (Packets::*work)(size_t)) {
  const auto count = static_cast<size_t>(state.range(0));
  Packets packets(count);
  for (auto _ : state) {
    for (size_t i = 0; i < count; ++i) (packets.*work)(i);
    benchmark::ClobberMemory();
  }
  const auto done = static_cast<double>(state.iterations()) * static_cast<double>(count);
  state.counters["ns_per_packet"] =
      benchmark::Counter(done * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

[[maybe_unused]] const bool kRegistered = [] {
  const std::pair<const char*, void (Packets::*)(size_t)> works[] = {
      {"AES_CM_128", &Packets::Cipher},
      {"HMAC_SHA1", &Packets::Hash},
      {"AEAD_AES_128_GCM", &Packets::Gcm}};
  for (const auto& [name, work] : works) {
    const std::string full = std::string("BM_Library/openssl/") + name;
    benchmark::RegisterBenchmark(full.c_str(), Run, work)->ArgName("burst")->Arg(32);
  }
  return true;
}();

}  // namespace
