// SRTP and SRTCP of a worker's legs (RFC 3711): takes protection off what arrives, before anything
// of it is believed, and puts it on what leaves.
//
//   arriving   guess the index -> authenticate and decrypt -> replay? -> commit
//   leaving    next index, never one twice -> encrypt and tag
//
// Nothing of a leg's state moves for a packet that is not authentic. A burst of many legs goes
// through the engine at once; what is not usual - a stream that is new, an MKI, keys that have just
// changed, a leap of thousands of packets - goes through alone, after what came before it, so that
// the outcome is that of one packet after the other.
//
// Worker thread.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include "relay/clock.h"
#include "relay/session/srtp.h"
#include "relay/stage/srtp_contexts.h"
#include "relay/stage/srtp_engine.h"
#include "relay/stage/verdict.h"

namespace relay::stage {

// A packet of a secured leg where it lies.
struct SrtpPacket {
  uint32_t leg;     // slot
  uint32_t length;  // comes out as what it is now
  uint8_t* data;
  uint16_t tailroom;  // behind `length`, for tag and MKI
  Verdict verdict;    // comes out; kForwarded: done
};

class Srtp {
 public:
  // Legs by slot, zeroed or left by an earlier life.
  Srtp(std::span<session::SrtpLeg> legs, std::unique_ptr<SrtpEngine> engine);

  const SrtpEngine& engine() const { return *engine_; }

  // Makes a leg's keys those of a plan; what is the same goes on. With kNone keys are overwritten,
  // and only what keeps them from being used twice is left.
  void Apply(uint32_t leg, const abi::SrtpPlan& plan, TimeNs now);
  // The leg has closed: all of it is overwritten.
  void Forget(uint32_t leg);

  // RTP, RTCP and what looks like neither, of any legs; at most kSrtpBatchMax.
  void Unprotect(std::span<SrtpPacket> packets, TimeNs now);

  // RTP whose header is as it shall be; at most kSrtpBatchMax.
  void Protect(std::span<SrtpPacket> packets);
  // An RTCP compound.
  void ProtectRtcp(SrtpPacket& packet);

  // Whether the leg can send one SSRC more.
  bool MayBeginStream(uint32_t leg) const {
    return legs_[leg].send.former_count < std::size(legs_[leg].send.former);
  }

  // The newest number that the leg has sent under some key, if it was one of this stream; nothing
  // is known of what a new key has not protected yet.
  std::optional<uint16_t> NewestSent(uint32_t leg, uint32_t ssrc) const {
    const session::SrtpStream& stream = legs_[leg].send.stream;
    if (!stream.used || stream.ssrc != ssrc || stream.top == 0) return std::nullopt;
    return static_cast<uint16_t>(stream.top);
  }

  void PrefetchReceiving(uint32_t leg) const { __builtin_prefetch(&legs_[leg].receive.streams[0]); }
  void PrefetchSending(uint32_t leg) const { __builtin_prefetch(&legs_[leg].send.stream); }
  // Once that has come: what it leads to.
  void PrefetchReceivingNext(uint32_t leg) const { PrefetchNext(legs_[leg].receive.streams[0]); }
  void PrefetchSendingNext(uint32_t leg) const { PrefetchNext(legs_[leg].send.stream); }

 private:
  // What a packet with the next number will touch. The stream's first line is there already.
  void PrefetchNext(const session::SrtpStream& stream) const;

  // ---- keys (srtp_plan.cc) ----
  void ReplaceReceiveKeys(session::SrtpLeg& leg, const abi::SrtpPlan& plan, TimeNs now);
  void MakeReceiver(session::SrtpLeg& leg, const abi::SrtpPlan& plan);
  void ReplaceSendKey(session::SrtpLeg& leg, const abi::SrtpPlan& plan);
  // What must outlive the keys is remembered, they and their contexts go.
  void RetireReceiver(session::SrtpLeg& leg, session::SrtpReceiver& receiver);
  void RetireSender(session::SrtpLeg& leg);
  void DropReceiver(session::SrtpReceiver& receiver);
  // Of `receiver`, those that `stays` has as well.
  void DropKeysOf(const session::SrtpReceiver& stays, session::SrtpReceiver& receiver);
  void DropSender(session::SrtpSender& send);
  void Expire(session::SrtpLeg& leg, TimeNs now);
  static void RefreshQuick(session::SrtpLeg& leg);

  // ---- arriving (srtp_inbound.cc) ----
  bool MakeQuickJob(const SrtpPacket& packet, SrtpJob* job) const;
  void FlushJobs(std::span<SrtpPacket> packets);
  Verdict UnprotectAlone(SrtpPacket& packet, TimeNs now);
  Verdict UnprotectRtp(session::SrtpLeg& leg, SrtpPacket& packet);
  Verdict UnprotectRtcp(session::SrtpLeg& leg, SrtpPacket& packet);
  SrtpResult Try(SrtpPacket& packet, SrtpJob& job);

  // ---- leaving (srtp_outbound.cc) ----
  Verdict MakeSendJob(const SrtpPacket& packet, SrtpJob* job);
  uint32_t Finish(const session::SrtpSender& send, const SrtpJob& job) const;

  const std::span<session::SrtpLeg> legs_;
  const std::unique_ptr<SrtpEngine> engine_;
  SrtpContexts contexts_;
  size_t job_count_ = 0;
  std::array<SrtpJob, kSrtpBatchMax> jobs_;
  std::array<uint8_t, kSrtpBatchMax> packet_of_;  // of a job, in the present burst
  bool tried_ = false;                            // the packet at hand may be in pieces
  std::array<uint8_t, 2048> original_;            // of it
};

}  // namespace relay::stage
