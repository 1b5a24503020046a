#include <algorithm>
#include <cstring>

#include "relay/stage/srtp.h"
#include "relay/stage/srtp_index.h"
#include "relay/stage/srtp_past.h"

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

// Of an SSRC that an earlier key had. Where there is no room, its counter is guessed to be 0.
void Hint(uint32_t ssrc, uint64_t top, SrtpReceiver* to) {
  SrtpFormer* place = nullptr;
  for (SrtpFormer& former : to->former) {
    if (former.used && former.ssrc == ssrc) {
      former.top = std::max(former.top, top);
      return;
    }
    if (!former.used && place == nullptr) place = &former;
  }
  if (place != nullptr) *place = {.ssrc = ssrc, .used = session::kFormerHint, .top = top};
}

// Whether the key is one of the receiver's, under whatever MKI or suite: neither is under the tag,
// so what it protected as the one may pass for the other.
bool Has(const SrtpReceiver& receiver, const abi::SrtpKey& key) {
  const auto end = receiver.keys + receiver.key_count;
  return std::any_of(receiver.keys, end, [&key](const session::SrtpReceiveKey& one) {
    return SameBytes(one.master.key, key.key, sizeof key.key) &&
           SameBytes(one.master.salt, key.salt, sizeof key.salt);
  });
}

bool SharesKey(const SrtpReceiver& a, const SrtpReceiver& b) {
  const auto end = a.keys + a.key_count;
  return std::any_of(a.keys, end, [&b](const auto& one) { return Has(b, one.master); });
}

// Where a key stays, all that was heard under it stays with it, to the last bit of the windows; its
// counters run on. What is heard under the keys beside it stands in the same windows.
void KeepWindows(const SrtpReceiver& from, SrtpReceiver* to) {
  std::copy(std::begin(from.streams), std::end(from.streams), to->streams);
  std::copy(std::begin(from.rtcp), std::end(from.rtcp), to->rtcp);
  std::copy(std::begin(from.former), std::end(from.former), to->former);
}

// The far party's streams go over to its next key; what the keys before that had come to as well,
// should nothing have been heard since. Replays of what another key protected do not authenticate:
// windows begin anew.
void CarryOver(const SrtpReceiver& from, SrtpReceiver* to) {
  if (to->roc == abi::SrtpRoc::kRestarts) return;
  for (size_t i = 0; i < session::kSrtpStreams; ++i) {
    const SrtpStream& stream = from.streams[i];
    if (!stream.used) continue;
    SrtpStream* known = FindStream(to->streams, stream.ssrc);
    if (known != nullptr) {
      if (stream.top > known->top) CommitIndex(*known, stream.top);
    } else if (to->roc == abi::SrtpRoc::kRunsOn && !to->streams[i].used) {
      to->streams[i].used = 1;
      to->streams[i].ssrc = stream.ssrc;
      to->streams[i].top = stream.top;
    } else {
      Hint(stream.ssrc, stream.top, to);
    }
  }
  for (const SrtpFormer& former : from.former) {
    if (former.used) Hint(former.ssrc, former.top, to);
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
  SrtpLeg& leg = legs_[slot];
  if (plan.suite == abi::SrtpSuite::kNone) {
    RetireReceiver(leg, leg.receive);
    RetireReceiver(leg, leg.former);
    return RetireSender(leg);
  }
  Expire(leg, now);
  if (!SameReceiveKeys(leg.receive, plan)) ReplaceReceiveKeys(leg, plan, now);
  if (!SameSendKey(leg.send, plan)) ReplaceSendKey(leg, plan);
  RefreshQuick(leg);
}

void Srtp::Forget(uint32_t slot) {
  SrtpLeg& leg = legs_[slot];
  DropReceiver(leg.receive);
  DropReceiver(leg.former);
  DropSender(leg.send);
  WipeKey(&leg, sizeof leg);
}

void Srtp::DropReceiver(SrtpReceiver& receiver) {
  for (uint8_t i = 0; i < receiver.key_count; ++i) {
    contexts_.Drop(receiver.keys[i].rtp_context, receiver.suite);
    contexts_.Drop(receiver.keys[i].rtcp_context, receiver.suite);
  }
  WipeKey(&receiver, sizeof receiver);
}

void Srtp::DropKeysOf(const SrtpReceiver& stays, SrtpReceiver& receiver) {
  uint8_t left = 0;
  for (uint8_t i = 0; i < receiver.key_count; ++i) {
    session::SrtpReceiveKey& key = receiver.keys[i];
    if (!Has(stays, key.master)) {
      receiver.keys[left++] = key;
      continue;
    }
    contexts_.Drop(key.rtp_context, receiver.suite);
    contexts_.Drop(key.rtcp_context, receiver.suite);
  }
  WipeKey(receiver.keys + left, (receiver.key_count - left) * sizeof receiver.keys[0]);
  receiver.key_count = left;
}

void Srtp::DropSender(SrtpSender& send) {
  if (send.key_count != 0) {
    contexts_.Drop(send.stream.context, send.stream.suite);
    contexts_.Drop(send.rtcp_context, send.stream.suite);
  }
  WipeKey(&send, sizeof send);
}

void Srtp::RetireReceiver(SrtpLeg& leg, SrtpReceiver& receiver) {
  RememberReceiver(receiver, &leg.past);
  DropReceiver(receiver);
}

void Srtp::RetireSender(SrtpLeg& leg) {
  RememberSender(leg.send, &leg.past);
  SrtpSender bare{};
  bare.stream.used = leg.send.stream.used;
  bare.stream.ssrc = leg.send.stream.ssrc;
  bare.stream.context = session::kNoContext;
  bare.rtcp_index = leg.send.rtcp_index;
  bare.former_count = leg.send.former_count;
  std::copy(std::begin(leg.send.former), std::end(leg.send.former), bare.former);
  DropSender(leg.send);
  leg.send = bare;
}

// Keys that come back while they are good still change places with those that took theirs. A key is
// in one of the two places only, with one window: one that stays is not good in its former form.
void Srtp::ReplaceReceiveKeys(SrtpLeg& leg, const abi::SrtpPlan& plan, TimeNs now) {
  SrtpReceiver before = leg.receive;
  if (SameReceiveKeys(leg.former, plan)) {
    leg.receive = leg.former;
    leg.receive.roc = plan.receive_roc;
    CarryOver(before, &leg.receive);
  } else {
    RetireReceiver(leg, leg.former);
    MakeReceiver(leg, plan);
    if (SharesKey(before, leg.receive)) {
      KeepWindows(before, &leg.receive);
    } else {
      CarryOver(before, &leg.receive);
    }
    // One that stays has its windows, to the last bit.
    for (uint8_t i = 0; i < leg.receive.key_count; ++i) {
      const abi::SrtpKey& key = leg.receive.keys[i].master;
      if (!Has(before, key)) RecallKey(leg.past, key, &leg.receive);
    }
    DropKeysOf(leg.receive, before);
  }
  leg.former = before;
  leg.former.until_ns = now + plan.overlap_ms * kMillisecond;
  WipeKey(&before, sizeof before);
  Expire(leg, now);
}

void Srtp::MakeReceiver(SrtpLeg& leg, const abi::SrtpPlan& plan) {
  WipeKey(&leg.receive, sizeof leg.receive);
  leg.receive.suite = plan.suite;
  leg.receive.roc = plan.receive_roc;
  leg.receive.key_count = plan.receive_key_count;
  for (uint8_t i = 0; i < plan.receive_key_count; ++i) {
    session::SrtpReceiveKey& key = leg.receive.keys[i];
    key.master = plan.receive[i];
    key.rtp_context =
        contexts_.Make({plan.suite, SrtpUse::kRtp, SrtpDirection::kUnprotect, key.master});
    key.rtcp_context =
        contexts_.Make({plan.suite, SrtpUse::kRtcp, SrtpDirection::kUnprotect, key.master});
  }
}

void Srtp::ReplaceSendKey(SrtpLeg& leg, const abi::SrtpPlan& plan) {
  SrtpSender& send = leg.send;
  const SrtpStream before = send.stream;
  RetireSender(leg);
  send.stream.suite = plan.suite;
  send.key_count = plan.send_key_count;
  if (send.key_count != 0 && IsSpent(leg.past, plan.send)) {
    // Under this key anything up to here may have been sent.
    FillWindow(send.stream, leg.past.top);
  } else if (before.used && plan.send_roc == abi::SrtpRoc::kRunsOn) {
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
  RetireReceiver(leg, leg.former);
  RefreshQuick(leg);
  WipeStack();  // also on a packet's way: once a change of keys
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
