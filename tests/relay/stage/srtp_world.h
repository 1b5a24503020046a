// Both ends of SRTP for tests: ours with any engine, and libsrtp2 by itself.
#pragma once

#include <srtp2/srtp.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "relay/stage/srtp.h"
#include "relay/wire/bytes.h"

namespace relay::stage {

using Bytes = std::vector<uint8_t>;

inline Bytes FromHex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

inline abi::SrtpKey KeyFrom(abi::SrtpSuite suite, const Bytes& key, const Bytes& salt) {
  abi::SrtpKey result{};
  std::memcpy(result.key, key.data(), abi::FactsOf(suite).key_length);
  std::memcpy(result.salt, salt.data(), abi::FactsOf(suite).salt_length);
  return result;
}

inline abi::SrtpKey RandomKey(abi::SrtpSuite suite, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(64);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() | 1);
  return KeyFrom(suite, bytes, Bytes(bytes.begin() + 32, bytes.end()));
}

inline abi::SrtpPlan PlanFor(abi::SrtpSuite suite, const abi::SrtpKey& send,
                             const abi::SrtpKey& receive) {
  abi::SrtpPlan plan{};
  plan.suite = suite;
  plan.send_key_count = plan.receive_key_count = 1;
  plan.overlap_ms = 1000;
  plan.send = send;
  plan.receive[0] = receive;
  return plan;
}

// RTP with `payload` bytes of noise.
inline Bytes MakeRtp(uint32_t ssrc, uint16_t sequence, size_t payload, uint32_t noise = 1,
                     uint8_t csrcs = 0, int extension_words = -1) {
  Bytes packet(12 + 4 * size_t{csrcs} +
               (extension_words < 0 ? 0 : 4 + 4 * static_cast<size_t>(extension_words)) + payload);
  std::minstd_rand random(noise + 1);
  for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random() >> 8);
  packet[0] = static_cast<uint8_t>(0x80 | (extension_words < 0 ? 0 : 0x10) | csrcs);
  packet[1] = 8;
  wire::Store16(&packet[2], sequence);
  wire::Store32(&packet[8], ssrc);
  if (extension_words >= 0) {
    wire::Store16(&packet[14 + 4 * size_t{csrcs}], static_cast<uint16_t>(extension_words));
  }
  return packet;
}

inline Bytes MakeRtcp(uint32_t ssrc, size_t blocks = 0) {
  Bytes packet(8 + 24 * blocks, 0xab);
  packet[0] = static_cast<uint8_t>(0x80 | blocks);
  packet[1] = 201;
  wire::Store16(&packet[2], static_cast<uint16_t>(packet.size() / 4 - 1));
  wire::Store32(&packet[4], ssrc);
  return packet;
}

// One leg's state over one engine. A packet is a vector; a refused one keeps its verdict alone.
class SrtpEnd {
 public:
  explicit SrtpEnd(SrtpEngineKind kind, size_t legs = 1)
      : legs_(legs), srtp_({legs_.data(), legs}, MakeSrtpEngine(kind)) {}

  void Apply(const abi::SrtpPlan& plan, TimeNs now = kSecond, uint32_t leg = 0) {
    srtp_.Apply(leg, plan, now);
  }
  Verdict Protect(Bytes* packet, uint32_t leg = 0) {
    return One(packet, leg, [&](SrtpPacket& one) { srtp_.Protect({&one, 1}); });
  }
  Verdict ProtectRtcp(Bytes* packet, uint32_t leg = 0) {
    return One(packet, leg, [&](SrtpPacket& one) { srtp_.ProtectRtcp(one); });
  }
  Verdict Unprotect(Bytes* packet, TimeNs now = kSecond, uint32_t leg = 0) {
    return One(packet, leg, [&](SrtpPacket& one) { srtp_.Unprotect({&one, 1}, now); });
  }
  std::vector<Verdict> UnprotectBurst(std::vector<Bytes>* burst, TimeNs now = kSecond) {
    return Burst(burst, [&](std::span<SrtpPacket> all) { srtp_.Unprotect(all, now); });
  }
  std::vector<Verdict> ProtectBurst(std::vector<Bytes>* burst) {
    return Burst(burst, [&](std::span<SrtpPacket> all) { srtp_.Protect(all); });
  }

  Srtp& srtp() { return srtp_; }
  session::SrtpLeg& leg(size_t i = 0) { return legs_[i]; }

 private:
  static constexpr uint16_t kRoom = 256;

  template <typename Work>
  Verdict One(Bytes* packet, uint32_t leg, Work&& work) {
    SrtpPacket one = Place(packet, leg);
    work(one);
    packet->resize(one.length);
    return one.verdict;
  }
  template <typename Work>
  std::vector<Verdict> Burst(std::vector<Bytes>* burst, Work&& work) {
    std::vector<SrtpPacket> all;
    for (Bytes& packet : *burst) all.push_back(Place(&packet, 0));
    work(std::span<SrtpPacket>(all));
    std::vector<Verdict> verdicts;
    for (size_t i = 0; i < all.size(); ++i) {
      (*burst)[i].resize(all[i].length);
      verdicts.push_back(all[i].verdict);
    }
    return verdicts;
  }
  static SrtpPacket Place(Bytes* packet, uint32_t leg) {
    const auto length = static_cast<uint32_t>(packet->size());
    packet->resize(length + kRoom);
    return {.leg = leg,
            .length = length,
            .data = packet->data(),
            .tailroom = kRoom,
            .verdict = Verdict::kForwarded};
  }

  std::vector<session::SrtpLeg> legs_;
  Srtp srtp_;
};

// libsrtp2, one direction.
class Oracle {
 public:
  Oracle(abi::SrtpSuite suite, const abi::SrtpKey& key, bool outbound)
      : Oracle(suite, key, {outbound ? ssrc_any_outbound : ssrc_any_inbound, 0}) {}
  // Hears this source alone, whose numbers have rolled over `roc` times before the first packet.
  Oracle(abi::SrtpSuite suite, const abi::SrtpKey& key, uint32_t ssrc, uint32_t roc)
      : Oracle(suite, key, {ssrc_specific, ssrc}) {
    if (srtp_set_stream_roc(session_, ssrc, roc) != srtp_err_status_ok) std::abort();
  }
  ~Oracle() { srtp_dealloc(session_); }
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;

  bool Protect(Bytes* packet) { return Run(srtp_protect, packet); }
  bool Unprotect(Bytes* packet) { return Run(srtp_unprotect, packet); }
  bool ProtectRtcp(Bytes* packet) { return Run(srtp_protect_rtcp, packet); }
  bool UnprotectRtcp(Bytes* packet) { return Run(srtp_unprotect_rtcp, packet); }

 private:
  Oracle(abi::SrtpSuite suite, const abi::SrtpKey& key, srtp_ssrc_t whom) {
    MakeLibsrtpEngine();  // srtp_init works once in a process
    Bytes master(key.key, key.key + abi::FactsOf(suite).key_length);
    master.insert(master.end(), key.salt, key.salt + abi::FactsOf(suite).salt_length);
    srtp_policy_t policy{};
    for (srtp_crypto_policy_t* one : {&policy.rtp, &policy.rtcp}) Fill(suite, one);
    policy.rtcp.auth_tag_len = abi::FactsOf(suite).rtcp_tag_length;
    policy.ssrc = whom;
    policy.key = master.data();
    policy.window_size = session::kSrtpWindow;
    if (srtp_create(&session_, &policy) != srtp_err_status_ok) std::abort();
  }
  static void Fill(abi::SrtpSuite suite, srtp_crypto_policy_t* policy) {
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
      default:
        return srtp_crypto_policy_set_aes_gcm_256_16_auth(policy);
    }
  }
  bool Run(srtp_err_status_t (*call)(srtp_t, void*, int*), Bytes* packet) {
    int length = static_cast<int>(packet->size());
    packet->resize(packet->size() + SRTP_MAX_TRAILER_LEN + 4);
    const bool done = call(session_, packet->data(), &length) == srtp_err_status_ok;
    packet->resize(static_cast<size_t>(length));
    return done;
  }

  srtp_t session_ = nullptr;
};

inline constexpr abi::SrtpSuite kAllSuites[] = {
    abi::SrtpSuite::kAesCm128HmacSha1_80, abi::SrtpSuite::kAesCm128HmacSha1_32,
    abi::SrtpSuite::kAesCm256HmacSha1_80, abi::SrtpSuite::kAesCm256HmacSha1_32,
    abi::SrtpSuite::kAeadAes128Gcm,       abi::SrtpSuite::kAeadAes256Gcm};
// Those that this processor can have.
inline std::vector<SrtpEngineKind> EnginesHere() {
  std::vector<SrtpEngineKind> kinds{SrtpEngineKind::kPortable, SrtpEngineKind::kLibsrtp2};
  if (MakeSrtpEngine(SrtpEngineKind::kBatch) != nullptr) kinds.push_back(SrtpEngineKind::kBatch);
  return kinds;
}
inline std::string EngineName(SrtpEngineKind kind) {
  return std::string(MakeSrtpEngine(kind)->name());
}

}  // namespace relay::stage
