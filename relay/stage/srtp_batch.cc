#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/batch_crypto.h"
#include "relay/stage/srtp_engine.h"
#include "relay/wire/bytes.h"

namespace relay::stage {
namespace {

using kernels::CmContext;
using kernels::CmJob;
using kernels::GcmContext;
using kernels::GcmJob;

constexpr size_t kTogether = 8;  // packets that are ciphered by one call
constexpr size_t kGcmAhead = 4;
constexpr size_t kGcmHot = 384;

bool LongKey(abi::SrtpSuite suite) {
  return abi::FactsOf(suite).key_length == 32;
}

class BatchEngine final : public SrtpEngine {
 public:
  explicit BatchEngine(std::unique_ptr<kernels::BatchCrypto> crypto) : crypto_(std::move(crypto)) {}

  std::string_view name() const override { return "batch"; }

  size_t ContextSize(abi::SrtpSuite suite) const override {
    if (abi::IsGcm(suite)) return sizeof(GcmContext);
    return LongKey(suite) ? kernels::kCm256ContextSize : kernels::kCm128ContextSize;
  }
  void MakeContext(void* context, const SrtpContextKeys& request) override {
    SrtpSessionKeys keys;
    DeriveSrtpKeys(request.suite, request.master, request.use, &keys);
    const size_t key_length = abi::FactsOf(request.suite).key_length;
    if (abi::IsGcm(request.suite)) {
      auto* gcm = static_cast<GcmContext*>(context);
      crypto_->SetKey(gcm, keys.key, key_length);
      std::memcpy(gcm->salt, keys.salt, sizeof gcm->salt);
    } else {
      auto* cm = static_cast<CmContext*>(context);
      crypto_->SetKeys(cm, keys.key, key_length, keys.auth);
      std::memcpy(cm->salt, keys.salt, sizeof cm->salt);
    }
  }
  void DropContext(void* context, abi::SrtpSuite suite) override {
    WipeKey(context, ContextSize(suite));
  }

  void Protect(std::span<SrtpJob> jobs) override {
    const Split split = Divide(jobs);
    CipherCm(split);
    HashCm(split.all());
    for (size_t i = 0; i < split.cm_count; ++i) {
      std::memcpy(split.cm_jobs[i]->tag, tags_[i], kernels::kSha1Length);
    }
    Gcm(split, SrtpDirection::kProtect);
  }

  void Unprotect(std::span<SrtpJob> jobs) override {
    Split split = Divide(jobs);
    HashCm(split.all());
    Split good;
    for (size_t i = 0; i < split.cm_count; ++i) {
      SrtpJob& job = *split.cm_jobs[i];
      const bool same = SameBytes(job.tag, tags_[i], job.tag_length);
      job.result = same ? SrtpResult::kOk : SrtpResult::kBadTag;
      if (same) good.cm_jobs[good.cm_count++] = &job;
    }
    CipherCm(good);
    Gcm(split, SrtpDirection::kUnprotect);
  }

 private:
  struct Split {
    std::span<SrtpJob* const> all() const { return {cm_jobs.data(), cm_count}; }
    std::array<SrtpJob*, kSrtpBatchMax> cm_jobs;
    std::array<SrtpJob*, kSrtpBatchMax> gcm_jobs;
    size_t cm_count = 0;
    size_t gcm_count = 0;
  };

  static Split Divide(std::span<SrtpJob> jobs) {
    Split split;
    for (SrtpJob& job : jobs) {
      if (abi::IsGcm(job.suite)) {
        split.gcm_jobs[split.gcm_count++] = &job;
      } else {
        split.cm_jobs[split.cm_count++] = &job;
      }
    }
    return split;
  }

  void CipherCm(const Split& split) {
    for (const bool long_key : {false, true}) {
      size_t count = 0;
      for (const SrtpJob* job : split.all()) {
        if (LongKey(job->suite) != long_key || job->length == job->header_length) continue;
        CmJob& to = cm_[count++];
        to.context = static_cast<const CmContext*>(job->context);
        to.data = job->data;
        to.cipher_offset = job->header_length;
        to.cipher_length = job->length - job->header_length;
        WriteCmIv(to.context->salt, job->ssrc, job->index, to.iv);
        if (count == kTogether) PrefetchKeys(0, count, long_key);
      }
      if (count < kTogether) PrefetchKeys(0, count, long_key);
      const size_t key_length = long_key ? 32 : 16;
      for (size_t i = 0; i < count; i += kTogether) {
        PrefetchKeys(i + kTogether, count, long_key);
        crypto_->Cipher(&cm_[i], std::min(kTogether, count - i), key_length);
      }
    }
  }

  // Of a group of packets, while the one before it is worked on: more of them at once than the
  // memory takes orders would only wait there.
  void PrefetchKeys(size_t first, size_t count, bool long_key) const {
    for (size_t i = first; i < std::min(first + kTogether, count); ++i) {
      const uint8_t* const keys = cm_[i].context->round_keys;
      for (size_t offset = 0; offset < (long_key ? 240u : 176u); offset += 64) {
        __builtin_prefetch(keys + offset);
      }
    }
  }

  // Round keys and the powers of the hash key that a packet of telephony needs.
  static void PrefetchGcm(const SrtpJob& job) {
    const auto* const context = static_cast<const std::byte*>(job.context);
    for (size_t offset = 0; offset < kGcmHot; offset += 64) __builtin_prefetch(context + offset);
  }

  void HashCm(std::span<SrtpJob* const> jobs) {
    for (size_t i = 0; i < jobs.size(); ++i) {
      const SrtpJob& job = *jobs[i];
      wire::Store32(job.data + job.length, job.trailer);
      CmJob& to = cm_[i];
      to.context = static_cast<const CmContext*>(job.context);
      to.data = job.data;
      to.hash_length = job.length + 4;
      to.tag = tags_[i];
    }
    if (!jobs.empty()) crypto_->Hash(cm_.data(), jobs.size());
  }

  // Vectors first, all of them: the cipher reads one as a whole, and would wait if its halves had
  // been written just before.
  void Gcm(const Split& split, SrtpDirection direction) {
    for (size_t i = 0; i < split.gcm_count; ++i) {
      const SrtpJob& job = *split.gcm_jobs[i];
      const auto& context = *static_cast<const GcmContext*>(job.context);
      WriteGcmIv(context.salt, job.ssrc, job.index, gcm_iv_[i]);
      if (i < kGcmAhead) PrefetchGcm(job);
    }
    for (size_t i = 0; i < split.gcm_count; ++i) {
      if (i + kGcmAhead < split.gcm_count) PrefetchGcm(*split.gcm_jobs[i + kGcmAhead]);
      SrtpJob& job = *split.gcm_jobs[i];
      if (job.use == SrtpUse::kRtcp) {
        const SrtcpAssociated associated(job);
        Gcm(job, gcm_iv_[i], associated.bytes, sizeof associated.bytes, direction);
      } else {
        Gcm(job, gcm_iv_[i], job.data, job.header_length, direction);
      }
    }
  }

  void Gcm(SrtpJob& job, const uint8_t* iv, const uint8_t* associated, uint32_t associated_length,
           SrtpDirection direction) {
    uint8_t tag[16];
    const bool protect = direction == SrtpDirection::kProtect;
    const GcmJob to{.context = static_cast<const GcmContext*>(job.context),
                    .text = job.data + job.header_length,
                    .text_length = job.length - job.header_length,
                    .associated = associated,
                    .associated_length = associated_length,
                    .iv = iv,
                    .tag = protect ? job.tag : tag};
    const size_t key_length = LongKey(job.suite) ? 32 : 16;
    if (protect) return crypto_->Encrypt(to, key_length);
    crypto_->Decrypt(to, key_length);
    job.result = SameBytes(job.tag, tag, sizeof tag) ? SrtpResult::kOk : SrtpResult::kBadTag;
  }

  std::unique_ptr<kernels::BatchCrypto> crypto_;
  std::array<CmJob, kSrtpBatchMax> cm_;
  uint8_t tags_[kSrtpBatchMax][kernels::kSha1Length];
  uint8_t gcm_iv_[kSrtpBatchMax][12];
};

}  // namespace

std::unique_ptr<SrtpEngine> MakeBatchEngine() {
  std::unique_ptr<kernels::BatchCrypto> crypto = kernels::BatchCrypto::Make();
  if (crypto == nullptr) return nullptr;
  return std::make_unique<BatchEngine>(std::move(crypto));
}

}  // namespace relay::stage
