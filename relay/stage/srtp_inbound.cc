#include <algorithm>
#include <cassert>
#include <cstring>

#include "relay/stage/srtp.h"
#include "relay/stage/srtp_index.h"
#include "relay/wire/bytes.h"
#include "relay/wire/demux.h"
#include "relay/wire/rtp.h"

namespace relay::stage {
namespace {

using session::SrtcpStream;
using session::SrtpFormer;
using session::SrtpLeg;
using session::SrtpReceiveKey;
using session::SrtpReceiver;
using session::SrtpStream;

// What stands behind an encrypted packet, for one key.
struct Tail {
  bool fits = false;
  bool mki_matches = false;
  uint32_t body = 0;  // header and payload
  uint32_t tag = 0;   // offset
};

bool MatchesMki(const abi::SrtpKey& key, const uint8_t* at) {
  for (uint32_t i = 0; i < key.mki_length; ++i) {
    const uint32_t shift = 8 * (key.mki_length - 1u - i);
    const uint8_t expected = shift < 64 ? static_cast<uint8_t>(key.mki >> shift) : 0;
    if (at[i] != expected) return false;
  }
  return true;
}

// RTP: body | MKI | tag with counter mode, body | tag | MKI with GCM (RFC 7714 section 8.2).
Tail RtpTail(abi::SrtpSuite suite, const abi::SrtpKey& key, const uint8_t* data, uint32_t length) {
  const uint32_t tag_length = abi::FactsOf(suite).rtp_tag_length;
  const uint32_t tail = tag_length + key.mki_length;
  if (length < wire::kRtpHeaderLength + tail) return {};
  const uint32_t body = length - tail;
  const bool gcm = abi::IsGcm(suite);
  const uint32_t mki = gcm ? body + tag_length : body;
  return {.fits = true,
          .mki_matches = MatchesMki(key, data + mki),
          .body = body,
          .tag = gcm ? body : body + key.mki_length};
}

// RTCP: body | E, index | MKI | tag, or body | tag | E, index | MKI (RFC 7714 section 9.2).
struct RtcpTail : Tail {
  uint32_t trailer = 0;
};
RtcpTail RtcpTailOf(abi::SrtpSuite suite, const abi::SrtpKey& key, const uint8_t* data,
                    uint32_t length) {
  const uint32_t tag_length = abi::FactsOf(suite).rtcp_tag_length;
  const uint32_t tail = tag_length + 4 + key.mki_length;
  RtcpTail result;
  if (length < kSrtcpHeaderLength + tail) return result;
  const uint32_t body = length - tail;
  const bool gcm = abi::IsGcm(suite);
  const uint32_t index = gcm ? body + tag_length : body;
  result.fits = true;
  result.mki_matches = MatchesMki(key, data + index + 4);
  result.body = body;
  result.tag = gcm ? body : index + 4 + key.mki_length;
  result.trailer = wire::Load32(data + index);
  return result;
}

SrtpFormer* FindFormer(SrtpReceiver& receiver, uint32_t ssrc) {
  for (SrtpFormer& former : receiver.former) {
    if (former.used && former.ssrc == ssrc) return &former;
  }
  return nullptr;
}

// Room for an authentic stream that is new: the one that was silent longest goes among the former
// ones. Null when those are full as well; hints may be forgotten.
SrtpStream* MakeRoom(SrtpReceiver& receiver) {
  for (SrtpStream& stream : receiver.streams) {
    if (!stream.used) return &stream;
  }
  SrtpFormer* place = nullptr;
  for (SrtpFormer& former : receiver.former) {
    if (former.used != session::kFormerGone) place = &former;
  }
  if (place == nullptr) return nullptr;
  SrtpStream& last = receiver.streams[session::kSrtpStreams - 1];
  *place = {.ssrc = last.ssrc, .used = session::kFormerGone, .top = last.top};
  return &last;
}

// The state of a stream with its first packet; null = no room.
SrtpStream* BeginStream(SrtpReceiver& receiver, uint32_t ssrc) {
  SrtpFormer* former = FindFormer(receiver, ssrc);
  const SrtpFormer known = former == nullptr ? SrtpFormer{} : *former;
  if (former != nullptr) *former = {};
  SrtpStream* stream = MakeRoom(receiver);
  if (stream == nullptr) {
    if (former != nullptr) *former = known;
    return nullptr;
  }
  *stream = {};
  stream->used = 1;
  stream->ssrc = ssrc;
  if (known.used == session::kFormerGone) {
    FillWindow(*stream, known.top);
  }
  return stream;
}

// Null when there is no room.
SrtcpStream* BeginRtcpStream(SrtpReceiver& receiver, uint32_t ssrc) {
  SrtcpStream* stream = nullptr;
  for (SrtcpStream& one : receiver.rtcp) {
    if (!one.used) stream = &one;
  }
  if (stream == nullptr) return nullptr;
  *stream = {.ssrc = ssrc, .used = 1, .top = 0, .seen = {}};
  return stream;
}

template <typename Stream>
Verdict Check(const Stream& stream, uint64_t index) {
  switch (CheckIndex(stream, index)) {
    case IndexVerdict::kNew:
      return Verdict::kForwarded;
    case IndexVerdict::kOld:
      return Verdict::kSrtpTooOld;
    default:
      return Verdict::kSrtpReplayed;
  }
}

template <typename Stream>
Verdict Commit(Stream& stream, uint64_t index) {
  const Verdict verdict = Check(stream, index);
  if (verdict == Verdict::kForwarded) CommitIndex(stream, index);
  return verdict;
}

// Of an authentic packet. A replay must not even change which streams are remembered whole.
Verdict CommitRtp(SrtpReceiver& receiver, uint32_t ssrc, uint64_t index) {
  SrtpStream* stream = FindStream(receiver.streams, ssrc);
  if (stream == nullptr) {
    SrtpStream begins{};
    const SrtpFormer* former = FindFormer(receiver, ssrc);
    if (former != nullptr && former->used == session::kFormerGone) FillWindow(begins, former->top);
    if (const Verdict verdict = Check(begins, index); verdict != Verdict::kForwarded) {
      return verdict;
    }
    stream = BeginStream(receiver, ssrc);
    if (stream == nullptr) return Verdict::kSrtpSources;
  }
  const Verdict verdict = Commit(*stream, index);
  if (verdict == Verdict::kForwarded) std::rotate(receiver.streams, stream, stream + 1);
  return verdict;
}

// What the index of a packet may be. Under new keys whose policy is to try both, the counter that
// ran on, then 0. A stream that is new may have begun shortly before its numbers rolled over, and
// its first packets have come before its key: a number of the lower half is tried with 0, then 1.
size_t Candidates(SrtpReceiver& receiver, uint32_t ssrc, uint16_t sequence, uint64_t (&index)[2]) {
  index[0] = sequence;
  if (const SrtpStream* stream = FindStream(receiver.streams, ssrc); stream != nullptr) {
    index[0] = GuessIndex(stream->top, sequence);
    return 1;
  }
  const SrtpFormer* former = FindFormer(receiver, ssrc);
  if (former == nullptr) {
    index[1] = uint64_t{1} << 16 | sequence;
    return sequence < 0x8000 ? 2 : 1;
  }
  index[0] = GuessIndex(former->top, sequence);
  index[1] = sequence;
  return former->used == session::kFormerHint && index[0] != index[1] ? 2 : 1;
}

}  // namespace

void Srtp::Unprotect(std::span<SrtpPacket> packets, TimeNs now) {
  assert(packets.size() <= kSrtpBatchMax);
  job_count_ = 0;
  for (const SrtpPacket& packet : packets) PrefetchNext(legs_[packet.leg].receive.streams[0]);
  for (size_t i = 0; i < packets.size(); ++i) {
    if (MakeQuickJob(packets[i], &jobs_[job_count_])) {
      packet_of_[job_count_++] = static_cast<uint8_t>(i);
      continue;
    }
    FlushJobs(packets);
    packets[i].verdict = UnprotectAlone(packets[i], now);
  }
  FlushJobs(packets);
}

// False for whatever is not usual; nothing is changed.
bool Srtp::MakeQuickJob(const SrtpPacket& packet, SrtpJob* job) const {
  const SrtpStream& stream = legs_[packet.leg].receive.streams[0];
  if (!stream.quick) return false;
  const uint8_t* const data = packet.data;
  const uint32_t tag_length = abi::FactsOf(stream.suite).rtp_tag_length;
  if (packet.length < wire::kRtpHeaderLength + tag_length) return false;
  if (wire::Classify(data, packet.length) != wire::Protocol::kRtp) return false;
  if (wire::Load32(data + 8) != stream.ssrc) return false;
  const uint32_t body = packet.length - tag_length;
  const size_t header = wire::RtpHeaderLength(data, body);
  if (header == 0) return false;
  const uint64_t index = GuessIndex(stream.top, wire::Load16(data + 2));
  if (Distance(index, stream.top) >= kSrtpNear) return false;
  job->context = contexts_.At(stream.context);
  job->data = packet.data;
  job->length = body;
  job->header_length = static_cast<uint32_t>(header);
  job->index = index;
  job->ssrc = stream.ssrc;
  job->trailer = static_cast<uint32_t>(index >> 16);
  job->suite = stream.suite;
  job->use = SrtpUse::kRtp;
  job->tag_length = static_cast<uint8_t>(tag_length);
  CopyTag(data + body, tag_length, job->tag);
  return true;
}

void Srtp::FlushJobs(std::span<SrtpPacket> packets) {
  if (job_count_ == 0) return;
  engine_->Unprotect({jobs_.data(), job_count_});
  for (size_t i = 0; i < job_count_; ++i) {
    const SrtpJob& job = jobs_[i];
    SrtpPacket& packet = packets[packet_of_[i]];
    if (job.result != SrtpResult::kOk) {
      packet.verdict =
          job.result == SrtpResult::kBadTag ? Verdict::kSrtpBadTag : Verdict::kSrtpReplayed;
      continue;
    }
    packet.verdict = Commit(legs_[packet.leg].receive.streams[0], job.index);
    packet.length = job.length;
  }
  job_count_ = 0;
}

Verdict Srtp::UnprotectAlone(SrtpPacket& packet, TimeNs now) {
  SrtpLeg& leg = legs_[packet.leg];
  Expire(leg, now);
  const wire::Protocol protocol = wire::Classify(packet.data, packet.length);
  if (protocol != wire::Protocol::kRtp && protocol != wire::Protocol::kRtcp) {
    return RefusalOf(protocol);
  }
  if (leg.receive.key_count == 0 && leg.former.key_count == 0) return Verdict::kSrtpNoKey;
  if (packet.length > original_.size()) return Verdict::kTooLong;
  std::memcpy(original_.data(), packet.data, packet.length);
  tried_ = false;
  return protocol == wire::Protocol::kRtp ? UnprotectRtp(leg, packet) : UnprotectRtcp(leg, packet);
}

SrtpResult Srtp::Try(SrtpPacket& packet, SrtpJob& job) {
  if (tried_) std::memcpy(packet.data, original_.data(), packet.length);
  tried_ = true;
  engine_->Unprotect({&job, 1});
  return job.result;
}

Verdict Srtp::UnprotectRtp(SrtpLeg& leg, SrtpPacket& packet) {
  const uint8_t* const original = original_.data();
  bool fits = false;
  for (SrtpReceiver* receiver : {&leg.receive, &leg.former}) {
    for (uint8_t k = 0; k < receiver->key_count; ++k) {
      const SrtpReceiveKey& key = receiver->keys[k];
      const Tail tail = RtpTail(receiver->suite, key.master, original, packet.length);
      const size_t header = tail.fits ? wire::RtpHeaderLength(original, tail.body) : 0;
      if (header == 0) continue;
      fits = true;
      if (!tail.mki_matches) continue;
      const uint32_t ssrc = wire::Load32(original + 8);
      uint64_t index[2];
      const size_t count = Candidates(*receiver, ssrc, wire::Load16(original + 2), index);
      for (size_t i = 0; i < count; ++i) {
        SrtpJob job{.context = contexts_.At(key.rtp_context),
                    .data = packet.data,
                    .length = tail.body,
                    .header_length = static_cast<uint32_t>(header),
                    .index = index[i],
                    .ssrc = ssrc,
                    .trailer = static_cast<uint32_t>(index[i] >> 16),
                    .suite = receiver->suite,
                    .use = SrtpUse::kRtp,
                    .tag_length = abi::FactsOf(receiver->suite).rtp_tag_length};
        std::memcpy(job.tag, original + tail.tag, job.tag_length);
        const SrtpResult result = Try(packet, job);
        if (result == SrtpResult::kBadTag) continue;
        if (result == SrtpResult::kReplayed) return Verdict::kSrtpReplayed;
        const Verdict verdict = CommitRtp(*receiver, ssrc, index[i]);
        if (verdict == Verdict::kSrtpSources) return verdict;
        if (verdict == Verdict::kForwarded) RefreshQuick(leg);
        packet.length = tail.body;
        return verdict;
      }
    }
  }
  if (!fits) return Verdict::kTooShort;
  return tried_ ? Verdict::kSrtpBadTag : Verdict::kSrtpNoKey;
}

Verdict Srtp::UnprotectRtcp(SrtpLeg& leg, SrtpPacket& packet) {
  const uint8_t* const original = original_.data();
  bool fits = false;
  for (SrtpReceiver* receiver : {&leg.receive, &leg.former}) {
    for (uint8_t k = 0; k < receiver->key_count; ++k) {
      const SrtpReceiveKey& key = receiver->keys[k];
      const RtcpTail tail = RtcpTailOf(receiver->suite, key.master, original, packet.length);
      // Without the E flag it would be in the clear: not what was agreed.
      const bool encrypted = (tail.trailer & session::kSrtcpEncrypted) != 0;
      fits = fits || (tail.fits && encrypted);
      if (!tail.fits || !encrypted || !tail.mki_matches) continue;
      const uint32_t ssrc = wire::Load32(original + 4);
      SrtpJob job{.context = contexts_.At(key.rtcp_context),
                  .data = packet.data,
                  .length = tail.body,
                  .header_length = kSrtcpHeaderLength,
                  .index = tail.trailer & ~session::kSrtcpEncrypted,
                  .ssrc = ssrc,
                  .trailer = tail.trailer,
                  .suite = receiver->suite,
                  .use = SrtpUse::kRtcp,
                  .tag_length = abi::FactsOf(receiver->suite).rtcp_tag_length};
      std::memcpy(job.tag, original + tail.tag, job.tag_length);
      const SrtpResult result = Try(packet, job);
      if (result == SrtpResult::kBadTag) continue;
      if (result == SrtpResult::kReplayed) return Verdict::kSrtpReplayed;
      SrtcpStream* stream = FindStream(receiver->rtcp, ssrc);
      if (stream == nullptr) stream = BeginRtcpStream(*receiver, ssrc);
      if (stream == nullptr) return Verdict::kSrtpSources;
      packet.length = tail.body;
      return Commit(*stream, job.index);
    }
  }
  if (!fits) return Verdict::kBadRtcp;
  return tried_ ? Verdict::kSrtpBadTag : Verdict::kSrtpNoKey;
}

}  // namespace relay::stage
