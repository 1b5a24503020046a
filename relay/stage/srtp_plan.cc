#include <algorithm>
#include <cstring>

#include "relay/stage/srtp.h"

namespace relay::stage {
namespace {

using session::SrtpFormer;
using session::SrtpLeg;
using session::SrtpReceiver;
using session::SrtpSender;
using session::SrtpStream;

bool SameKey(const abi::SrtpKey& a, const abi::SrtpKey& b) {
  return SameBytes(reinterpret_cast<const uint8_t*>(&a), reinterpret_cast<const uint8_t*>(&b),
                   sizeof a);
}

bool SameReceiveKeys(const SrtpReceiver& receiver, const abi::SrtpPlan& plan) {
  if (receiver.suite != plan.suite || receiver.key_count != plan.receive_key_count) return false;
  for (uint8_t i = 0; i < plan.receive_key_count; ++i) {
    if (!SameKey(receiver.keys[i].master, plan.receive[i])) return false;
  }
  return true;
}

bool SameSendKey(const SrtpSender& send, const abi::SrtpPlan& plan) {
  return send.stream.suite == plan.suite && send.key_count == plan.send_key_count &&
         SameKey(send.master, plan.send);
}

// The far party's streams go over to its next key. Replays of what another key protected do not
// authenticate: windows begin anew.
void CarryOver(const SrtpReceiver& from, abi::SrtpRoc roc, SrtpReceiver* to) {
  if (roc == abi::SrtpRoc::kRestarts) return;
  size_t known = 0;
  for (size_t i = 0; i < session::kSrtpStreams; ++i) {
    const SrtpStream& stream = from.streams[i];
    if (!stream.used) continue;
    if (roc == abi::SrtpRoc::kRunsOn) {
      to->streams[i].used = 1;
      to->streams[i].ssrc = stream.ssrc;
      to->streams[i].top = stream.top;
    } else {
      to->former[known++] = {.ssrc = stream.ssrc, .used = session::kFormerHint, .top = stream.top};
    }
  }
}

}  // namespace

Srtp::Srtp(std::span<SrtpLeg> legs, std::unique_ptr<SrtpEngine> engine)
    : legs_(legs), engine_(std::move(engine)), contexts_(engine_.get(), legs.size()) {}

void Srtp::PrefetchNext(const SrtpStream& stream) const {
  if (!stream.used || stream.context == session::kNoContext) return;
  contexts_.Prefetch(stream.context, stream.suite);
}

void Srtp::Apply(uint32_t slot, const abi::SrtpPlan& plan, TimeNs now) {
  if (plan.suite == abi::SrtpSuite::kNone) return Forget(slot);
  SrtpLeg& leg = legs_[slot];
  Expire(leg, now);
  if (!SameReceiveKeys(leg.receive, plan)) ReplaceReceiveKeys(leg, plan, now);
  if (!SameSendKey(leg.send, plan)) ReplaceSendKey(leg, plan);
  RefreshQuick(leg);
}

void Srtp::Forget(uint32_t slot) {
  SrtpLeg& leg = legs_[slot];
  DropReceiver(leg.receive);
  DropReceiver(leg.former);
  if (leg.send.key_count != 0) {
    contexts_.Drop(leg.send.stream.context, leg.send.stream.suite);
    contexts_.Drop(leg.send.rtcp_context, leg.send.stream.suite);
  }
  WipeKey(&leg, sizeof leg);
}

void Srtp::DropReceiver(SrtpReceiver& receiver) {
  for (uint8_t i = 0; i < receiver.key_count; ++i) {
    contexts_.Drop(receiver.keys[i].rtp_context, receiver.suite);
    contexts_.Drop(receiver.keys[i].rtcp_context, receiver.suite);
  }
  WipeKey(&receiver, sizeof receiver);
}

void Srtp::ReplaceReceiveKeys(SrtpLeg& leg, const abi::SrtpPlan& plan, TimeNs now) {
  DropReceiver(leg.former);
  leg.former = leg.receive;
  leg.former.until_ns = now + plan.overlap_ms * kMillisecond;
  WipeKey(&leg.receive, sizeof leg.receive);
  leg.receive.suite = plan.suite;
  leg.receive.roc = plan.receive_roc;
  leg.receive.key_count = plan.receive_key_count;
  CarryOver(leg.former, plan.receive_roc, &leg.receive);
  for (uint8_t i = 0; i < plan.receive_key_count; ++i) {
    session::SrtpReceiveKey& key = leg.receive.keys[i];
    key.master = plan.receive[i];
    key.rtp_context =
        contexts_.Make({plan.suite, SrtpUse::kRtp, SrtpDirection::kUnprotect, key.master});
    key.rtcp_context =
        contexts_.Make({plan.suite, SrtpUse::kRtcp, SrtpDirection::kUnprotect, key.master});
  }
  Expire(leg, now);
}

void Srtp::ReplaceSendKey(SrtpLeg& leg, const abi::SrtpPlan& plan) {
  SrtpSender& send = leg.send;
  if (send.key_count != 0) {
    contexts_.Drop(send.stream.context, send.stream.suite);
    contexts_.Drop(send.rtcp_context, send.stream.suite);
  }
  const SrtpStream before = send.stream;
  WipeKey(&send, sizeof send);
  send.stream.suite = plan.suite;
  send.stream.context = session::kNoContext;
  send.key_count = plan.send_key_count;
  if (before.used && plan.send_roc == abi::SrtpRoc::kRunsOn) {
    send.stream.used = 1;
    send.stream.ssrc = before.ssrc;
    send.stream.top = before.top;
    send.stream.recent = before.recent;
    std::copy(std::begin(before.seen), std::end(before.seen), send.stream.seen);
  }
  if (plan.send_key_count == 0) return;
  send.stream.quick = 1;
  send.master = plan.send;
  send.stream.mki_length = plan.send.mki_length;
  send.stream.context =
      contexts_.Make({plan.suite, SrtpUse::kRtp, SrtpDirection::kProtect, send.master});
  send.rtcp_context =
      contexts_.Make({plan.suite, SrtpUse::kRtcp, SrtpDirection::kProtect, send.master});
}

void Srtp::Expire(SrtpLeg& leg, TimeNs now) {
  if (leg.former.suite == abi::SrtpSuite::kNone) return;
  if (leg.former.key_count != 0 && now < leg.former.until_ns) return;
  DropReceiver(leg.former);
  RefreshQuick(leg);
}

void Srtp::RefreshQuick(SrtpLeg& leg) {
  SrtpReceiver& receive = leg.receive;
  for (SrtpStream& stream : receive.streams) {
    stream.quick = receive.key_count == 1 && receive.keys[0].master.mki_length == 0 &&
                   leg.former.key_count == 0 && stream.used;
    stream.suite = receive.suite;
    stream.context = receive.key_count == 0 ? session::kNoContext : receive.keys[0].rtp_context;
  }
}

}  // namespace relay::stage
