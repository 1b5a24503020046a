#include <arpa/inet.h>
#include <srtp2/srtp.h>

#include <cstring>
#include <mutex>

#include "relay/session/srtp.h"
#include "relay/stage/srtp_engine.h"
#include "relay/wire/bytes.h"

namespace relay::stage {
namespace {

constexpr size_t kScratch = 2048;
constexpr size_t kMasterMax = abi::kSrtpKeyLengthMax + abi::kSrtpSaltLengthMax;

struct alignas(64) LibsrtpContext {
  srtp_t session;
  uint8_t master[kMasterMax];  // libsrtp2 wants it again for a stream that begins later
  uint8_t reserved[10];
};
static_assert(sizeof(LibsrtpContext) == 64);

void SetSuite(abi::SrtpSuite suite, srtp_crypto_policy_t* policy) {
  switch (suite) {
    case abi::SrtpSuite::kAesCm128HmacSha1_80:
      return srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(policy);
    case abi::SrtpSuite::kAesCm128HmacSha1_32:
      return srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(policy);
    case abi::SrtpSuite::kAesCm256HmacSha1_80:
      return srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(policy);
    case abi::SrtpSuite::kAesCm256HmacSha1_32:
      return srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(policy);
    case abi::SrtpSuite::kAeadAes128Gcm:
      return srtp_crypto_policy_set_aes_gcm_128_16_auth(policy);
    case abi::SrtpSuite::kAeadAes256Gcm:
      return srtp_crypto_policy_set_aes_gcm_256_16_auth(policy);
    case abi::SrtpSuite::kNone:
      break;
  }
  std::abort();
}

srtp_policy_t PolicyOf(abi::SrtpSuite suite, srtp_ssrc_t ssrc, uint8_t* master) {
  srtp_policy_t policy;
  std::memset(&policy, 0, sizeof policy);
  SetSuite(suite, &policy.rtp);
  SetSuite(suite, &policy.rtcp);
  // The short tag is RTP's alone (RFC 4568 section 6.2.2).
  policy.rtcp.auth_tag_len = abi::FactsOf(suite).rtcp_tag_length;
  policy.ssrc = ssrc;
  policy.key = master;
  policy.window_size = session::kSrtpWindow;
  return policy;
}

class LibsrtpEngine final : public SrtpEngine {
 public:
  LibsrtpEngine() {
    // For the process, and never taken back: other threads may use it still.
    static std::once_flag once;
    std::call_once(once, [] { Must(srtp_init() == srtp_err_status_ok); });
  }

  std::string_view name() const override { return "libsrtp2"; }
  size_t ContextSize(abi::SrtpSuite) const override { return sizeof(LibsrtpContext); }

  void MakeContext(void* at, const SrtpContextKeys& request) override {
    auto* context = new (at) LibsrtpContext{};
    const abi::SrtpSuiteFacts& facts = abi::FactsOf(request.suite);
    std::memcpy(context->master, request.master.key, facts.key_length);
    std::memcpy(context->master + facts.key_length, request.master.salt, facts.salt_length);
    const bool protect = request.direction == SrtpDirection::kProtect;
    const srtp_policy_t policy = PolicyOf(
        request.suite, {protect ? ssrc_any_outbound : ssrc_any_inbound, 0}, context->master);
    Must(srtp_create(&context->session, &policy) == srtp_err_status_ok);
  }
  void DropContext(void* at, abi::SrtpSuite) override {
    srtp_dealloc(static_cast<LibsrtpContext*>(at)->session);
    WipeKey(at, sizeof(LibsrtpContext));
  }

  void Protect(std::span<SrtpJob> jobs) override {
    for (SrtpJob& job : jobs) {
      const bool done = job.use == SrtpUse::kRtcp ? ProtectRtcp(job) : ProtectRtp(job);
      job.result = done ? SrtpResult::kOk : SrtpResult::kReplayed;
      std::memcpy(job.data, scratch_, job.length);
      std::memcpy(job.tag, scratch_ + TagOffset(job), job.tag_length);
    }
  }

  void Unprotect(std::span<SrtpJob> jobs) override {
    for (SrtpJob& job : jobs) {
      const bool rtcp = job.use == SrtpUse::kRtcp;
      std::memcpy(scratch_, job.data, job.length);
      std::memcpy(scratch_ + TagOffset(job), job.tag, job.tag_length);
      if (rtcp) wire::Store32(scratch_ + TrailerOffset(job), job.trailer);
      int length = static_cast<int>(job.length + job.tag_length + (rtcp ? 4u : 0u));
      const bool began = Begin(job);
      const srtp_t session = static_cast<LibsrtpContext*>(job.context)->session;
      const srtp_err_status_t status = rtcp ? srtp_unprotect_rtcp(session, scratch_, &length)
                                            : srtp_unprotect(session, scratch_, &length);
      // A guess that was wrong must leave no stream behind.
      if (began && status != srtp_err_status_ok) srtp_remove_stream(session, htonl(job.ssrc));
      switch (status) {
        case srtp_err_status_ok:
          job.result = SrtpResult::kOk;
          std::memcpy(job.data, scratch_, job.length);
          break;
        case srtp_err_status_replay_fail:
        case srtp_err_status_replay_old:
          job.result = SrtpResult::kReplayed;
          break;
        default:
          job.result = SrtpResult::kBadTag;
          break;
      }
    }
  }

 private:
  bool ProtectRtp(const SrtpJob& job) {
    Begin(job);
    std::memcpy(scratch_, job.data, job.length);
    int length = static_cast<int>(job.length);
    return srtp_protect(static_cast<LibsrtpContext*>(job.context)->session, scratch_, &length) ==
           srtp_err_status_ok;
  }
  // libsrtp2 counts each SSRC under each key from 1, and cannot be told where to begin: the leg's
  // index is reached by as many packets that nobody gets.
  bool ProtectRtcp(const SrtpJob& job) {
    uint64_t index = 0;
    while (index < job.index) {
      std::memcpy(scratch_, job.data, job.length);
      int length = static_cast<int>(job.length);
      const srtp_t session = static_cast<LibsrtpContext*>(job.context)->session;
      if (srtp_protect_rtcp(session, scratch_, &length) != srtp_err_status_ok) return false;
      index = wire::Load32(scratch_ + TrailerOffset(job)) & ~session::kSrtcpEncrypted;
    }
    return index == job.index;
  }

  // RTCP: counter mode has its index before the tag, GCM behind it.
  static size_t TagOffset(const SrtpJob& job) {
    const bool behind = job.use == SrtpUse::kRtcp && !abi::IsGcm(job.suite);
    return job.length + (behind ? 4 : 0);
  }
  static size_t TrailerOffset(const SrtpJob& job) {
    return job.length + (abi::IsGcm(job.suite) ? job.tag_length : 0u);
  }

  // A stream that is new to libsrtp2 but not to us begins with our roll-over counter. True when it
  // began here.
  static bool Begin(const SrtpJob& job) {
    auto* context = static_cast<LibsrtpContext*>(job.context);
    const uint32_t roc = static_cast<uint32_t>(job.index >> 16);
    uint32_t known = 0;
    if (job.use == SrtpUse::kRtcp || roc == 0 ||
        srtp_get_stream_roc(context->session, job.ssrc, &known) == srtp_err_status_ok) {
      return false;
    }
    const srtp_policy_t policy = PolicyOf(job.suite, {ssrc_specific, job.ssrc}, context->master);
    Must(srtp_add_stream(context->session, &policy) == srtp_err_status_ok &&
         srtp_set_stream_roc(context->session, job.ssrc, roc) == srtp_err_status_ok);
    return true;
  }

  uint8_t scratch_[kScratch + SRTP_MAX_TRAILER_LEN + 4];
};

}  // namespace

std::unique_ptr<SrtpEngine> MakeLibsrtpEngine() {
  return std::make_unique<LibsrtpEngine>();
}

}  // namespace relay::stage
