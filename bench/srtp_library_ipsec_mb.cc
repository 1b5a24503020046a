// What intel-ipsec-mb itself takes for the work of SRTP, without us: the comparison of
// docs/performance.md. A burst of packets of as many keys, 172 bytes and the roll-over counter
// hashed, 160 ciphered; by each set of instructions that the library has and the machine can.
//
//   BM_Library/ipsec-mb-avx2/AES_CM_128/burst:32   the ciphers alone, one call for all
//   .../HMAC_SHA1          the hashes alone, likewise
//   .../CM_HMAC_CHAINED    both as jobs of the library's own scheduler, cipher then hash
//   .../AEAD_AES_128_GCM   one packet after the other: it has no burst for GCM
#include <benchmark/benchmark.h>
#include <intel-ipsec-mb.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kHeader = 12;
constexpr uint32_t kText = 160;
constexpr uint32_t kHashed = kHeader + kText + 4;
constexpr size_t kBuffer = 256;
constexpr size_t kBurst = 64;

struct Free {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Library = std::unique_ptr<IMB_MGR, Free>;

struct alignas(64) Keys {
  uint8_t inner[64];
  uint8_t outer[64];
  uint8_t round_keys[240];
  uint8_t decrypt[240];
  gcm_key_data gcm;
};

class Burst {
 public:
  explicit Burst(void (*start)(IMB_MGR*)) : library_(alloc_mb_mgr(0)) {
    start(library_.get());
    IMB_MGR* const manager = library_.get();
    for (size_t i = 0; i < kBurst; ++i) {
      Keys& keys = keys_[i];
      uint8_t key[16];
      std::memset(key, static_cast<int>(i + 1), sizeof key);
      std::memset(keys.inner, static_cast<int>(i), sizeof keys.inner);
      std::memset(keys.outer, static_cast<int>(i + 7), sizeof keys.outer);
      IMB_AES_KEYEXP_128(manager, key, keys.round_keys, keys.decrypt);
      IMB_AES128_GCM_PRE(manager, key, &keys.gcm);
      std::memset(&jobs_[i], 0, sizeof jobs_[i]);
      Fill(&jobs_[i], i);
    }
  }

  void Cipher(size_t count) {
    IMB_SUBMIT_CIPHER_BURST_NOCHECK(library_.get(), jobs_.data(), static_cast<uint32_t>(count),
                                    IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES);
  }
  void Hash(size_t count) {
    IMB_SUBMIT_HASH_BURST_NOCHECK(library_.get(), jobs_.data(), static_cast<uint32_t>(count),
                                  IMB_AUTH_HMAC_SHA_1);
  }
  void Chained(size_t count) {
    IMB_MGR* const manager = library_.get();
    std::array<IMB_JOB*, kBurst> jobs;
    const auto given = IMB_GET_NEXT_BURST(manager, static_cast<uint32_t>(count), jobs.data());
    for (uint32_t i = 0; i < given; ++i) Fill(jobs[i], i);
    uint32_t done = IMB_SUBMIT_BURST_NOCHECK(manager, given, jobs.data());
    while (done < given) done += IMB_FLUSH_BURST(manager, given - done, jobs.data());
  }
  void Gcm(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      uint8_t* const packet = &packets_[i * kBuffer];
      IMB_AES128_GCM_ENC(library_.get(), &keys_[i].gcm, &scratch_, packet + kHeader,
                         packet + kHeader, kText, vectors_[i].data(), packet, kHeader,
                         tags_[i].data(), 16);
    }
  }

 private:
  void Fill(IMB_JOB* job, size_t i) {
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->iv_len_in_bytes = 16;
    job->hash_alg = IMB_AUTH_HMAC_SHA_1;
    job->auth_tag_output_len_in_bytes = 20;
    job->enc_keys = job->dec_keys = keys_[i].round_keys;
    job->key_len_in_bytes = 16;
    job->src = &packets_[i * kBuffer];
    job->dst = &packets_[i * kBuffer + kHeader];
    job->cipher_start_src_offset_in_bytes = kHeader;
    job->msg_len_to_cipher_in_bytes = kText;
    job->iv = vectors_[i].data();
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = kHashed;
    job->u.HMAC._hashed_auth_key_xor_ipad = keys_[i].inner;
    job->u.HMAC._hashed_auth_key_xor_opad = keys_[i].outer;
    job->auth_tag_output = tags_[i].data();
  }

  const Library library_;
  std::vector<Keys> keys_ = std::vector<Keys>(kBurst);
  std::vector<uint8_t> packets_ = std::vector<uint8_t>(kBurst * kBuffer);
  std::array<std::array<uint8_t, 16>, kBurst> vectors_{};
  std::array<std::array<uint8_t, 20>, kBurst> tags_{};
  std::array<IMB_JOB, kBurst> jobs_;
  gcm_context_data scratch_;
};

void Run(benchmark::State& state, void (*start)(IMB_MGR*), void (Burst::*work)(size_t)) {
  const auto burst = std::make_unique<Burst>(start);
  const auto count = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    (*burst.*work)(count);
    benchmark::ClobberMemory();
  }
  const auto packets = static_cast<double>(state.iterations()) * static_cast<double>(count);
  state.counters["ns_per_packet"] =
      benchmark::Counter(packets * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

[[maybe_unused]] const bool kRegistered = [] {
  const Library probe(alloc_mb_mgr(0));
  if (probe == nullptr) return false;
  struct Set {
    const char* name;
    uint64_t needed;
    void (*start)(IMB_MGR*);
  };
  constexpr uint64_t kAes = IMB_FEATURE_SSE4_2 | IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  const Set sets[] = {{"sse", kAes, init_mb_mgr_sse},
                      {"avx", kAes | IMB_FEATURE_AVX, init_mb_mgr_avx},
                      {"avx2", kAes | IMB_FEATURE_AVX2, init_mb_mgr_avx2},
                      {"avx512", kAes | IMB_FEATURE_AVX512_SKX, init_mb_mgr_avx512}};
  const std::pair<const char*, void (Burst::*)(size_t)> works[] = {
      {"AES_CM_128", &Burst::Cipher},
      {"HMAC_SHA1", &Burst::Hash},
      {"CM_HMAC_CHAINED", &Burst::Chained},
      {"AEAD_AES_128_GCM", &Burst::Gcm}};
  for (const Set& set : sets) {
    if ((probe->features & set.needed) != set.needed) continue;
    for (const auto& [name, work] : works) {
      const std::string full = std::string("BM_Library/ipsec-mb-") + set.name + "/" + name;
      benchmark::RegisterBenchmark(full.c_str(), Run, set.start, work)->ArgName("burst")->Arg(32);
    }
  }
  return true;
}();

}  // namespace
