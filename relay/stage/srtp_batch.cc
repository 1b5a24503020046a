#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/batch_crypto.h"
#include "relay/session/secret_memory.h"
#include "relay/stage/srtp_engine.h"
#include "relay/wire/bytes.h"

namespace relay::stage {
namespace {

using kernels::CmContext;
using kernels::CmJob;
using kernels::GcmContext;
using kernels::GcmJob;

// Packets that are ciphered by one call.
constexpr size_t kTogether = kernels::BatchCrypto::kSchedules;
constexpr size_t kGroup = 16;  // packets that are hashed by one call: the lanes there may be
constexpr size_t kGcmAhead = 4;
constexpr size_t kGcmHot = 384;
constexpr size_t kGcmSalt = 12;

// In a time that does not depend on what is in them.
bool SameTag(const uint8_t* a, const uint8_t* b, size_t length) {
  if (length == 10) {
    const uint64_t head = wire::Load64(a) ^ wire::Load64(b);
    return (head | static_cast<uint64_t>(wire::Load16(a + 8) ^ wire::Load16(b + 8))) == 0;
  }
  return SameBytes(a, b, length);
}

bool LongKey(abi::SrtpSuite suite) {
  return abi::FactsOf(suite).key_length == 32;
}

class BatchEngine final : public CipherEngine {
 public:
  BatchEngine() : crypto_(kernels::BatchCrypto::Make(schedules())) {}

  // Else this machine cannot have it.
  bool works() const { return crypto_ != nullptr; }

  std::string_view name() const override { return "batch"; }

  size_t ContextSize(abi::SrtpSuite suite) const override {
    return abi::IsGcm(suite) ? sizeof(GcmContext) : sizeof(CmContext);
  }
  size_t FirstRead(abi::SrtpSuite suite) const override {
    return abi::IsGcm(suite) ? GcmContext::SaltAt(LongKey(suite) ? 32 : 16) : 0;
  }
  void MakeSessionContext(void* context, abi::SrtpSuite suite, SrtpDirection,
                          const SrtpSessionKeys& keys) override {
    const size_t key_length = abi::FactsOf(suite).key_length;
    if (abi::IsGcm(suite)) {
      auto* gcm = static_cast<GcmContext*>(context);
      crypto_->SetKey(gcm, keys.key, key_length);
      std::memcpy(gcm->salt(key_length), keys.salt, kGcmSalt);
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
    PrepareCm(split.all());
    for (size_t i = 0; i < split.cm_count; ++i) cm_[i].tag = split.cm_jobs[i]->tag;
    for (size_t at = 0; at < split.cm_count; at += kGroup) {
      const size_t end = std::min(at + kGroup, split.cm_count);
      CipherCm(split.all(), at, end);
      crypto_->Hash(&cm_[at], end - at);
    }
    Gcm(split, SrtpDirection::kProtect);
  }

  void Unprotect(std::span<SrtpJob> jobs) override {
    const Split split = Divide(jobs);
    PrepareCm(split.all());
    for (size_t i = 0; i < split.cm_count; ++i) cm_[i].tag = tags_[i];
    for (size_t at = 0; at < split.cm_count; at += kGroup) {
      const size_t end = std::min(at + kGroup, split.cm_count);
      crypto_->Hash(&cm_[at], end - at);
      for (size_t i = at; i < end; ++i) {
        SrtpJob& job = *split.cm_jobs[i];
        const bool same = SameTag(job.tag, tags_[i], job.tag_length);
        job.result = same ? SrtpResult::kOk : SrtpResult::kBadTag;
        if (!same) cm_[i].cipher_length = 0;
      }
      CipherCm(split.all(), at, end);
    }
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

  // What both halves need to know. The trailer is hashed behind the packet.
  void PrepareCm(std::span<SrtpJob* const> jobs) {
    for (size_t i = 0; i < std::min(kTogether, jobs.size()); ++i) PrefetchKey(*jobs[i]);
    for (size_t i = 0; i < jobs.size(); ++i) {
      const SrtpJob& job = *jobs[i];
      CmJob& to = cm_[i];
      to.context = static_cast<const CmContext*>(job.context);
      to.data = job.data;
      to.cipher_offset = job.header_length;
      to.cipher_length = job.length - job.header_length;
      to.hash_length = job.length + 4;
      wire::Store32(job.data + job.length, job.trailer);
      WriteCmIv(to.context->salt, job.ssrc, job.index, to.iv);
    }
  }

  // [first, end) of cm_, whose packets may have keys of both lengths. The keys of the packets after
  // them are fetched meanwhile: more of them at once than the memory takes orders would only wait
  // there.
  void CipherCm(std::span<SrtpJob* const> jobs, size_t first, size_t end) {
    for (size_t at = first; at < end; at += kTogether) {
      const size_t next = at + kTogether;
      for (size_t i = next; i < std::min(next + kTogether, jobs.size()); ++i) {
        PrefetchKey(*jobs[i]);
      }
      for (size_t i = at; i < std::min(next, end);) {
        const size_t run = RunOf(jobs, i, std::min(next, end));
        if (run == 0) {
          ++i;
          continue;
        }
        crypto_->Cipher(&cm_[i], run, LongKey(jobs[i]->suite) ? 32 : 16);
        i += run;
      }
    }
  }
  // How many packets from `first` on have something to cipher, by keys of one length.
  size_t RunOf(std::span<SrtpJob* const> jobs, size_t first, size_t end) const {
    size_t i = first;
    const bool long_key = LongKey(jobs[first]->suite);
    while (i < end && cm_[i].cipher_length != 0 && LongKey(jobs[i]->suite) == long_key) ++i;
    return i - first;
  }

  static void PrefetchKey(const SrtpJob& job) {
    __builtin_prefetch(static_cast<const CmContext*>(job.context)->key);
  }

  // Round keys and the powers of the hash key that a packet of telephony needs.
  static void PrefetchGcm(const SrtpJob& job) {
    const auto* const context = static_cast<const std::byte*>(job.context);
    for (size_t offset = 0; offset < kGcmHot; offset += 64) __builtin_prefetch(context + offset);
  }

  // Vectors first, all of them: the cipher reads one as a whole, and would wait if its halves had
  // been written just before.
  void Gcm(const Split& split, SrtpDirection direction) {
    for (size_t i = 0; i < split.gcm_count; ++i) {
      const SrtpJob& job = *split.gcm_jobs[i];
      const auto& context = *static_cast<const GcmContext*>(job.context);
      WriteGcmIv(context.salt(LongKey(job.suite) ? 32 : 16), job.ssrc, job.index, gcm_iv_[i]);
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

  kernels::AesKeySchedule* schedules() {
    return reinterpret_cast<kernels::AesKeySchedule*>(secrets_.data());
  }

  session::SecretMemory secrets_{kernels::BatchCrypto::kSchedules *
                                 sizeof(kernels::AesKeySchedule)};
  std::unique_ptr<kernels::BatchCrypto> crypto_;
  std::array<CmJob, kSrtpBatchMax> cm_;
  uint8_t tags_[kSrtpBatchMax][kernels::kSha1Length];
  uint8_t gcm_iv_[kSrtpBatchMax][12];
};

}  // namespace

std::unique_ptr<SrtpEngine> MakeBatchEngine() {
  auto engine = std::make_unique<BatchEngine>();
  if (!engine->works()) return nullptr;
  return engine;
}

}  // namespace relay::stage
