#include <algorithm>
#include <cassert>
#include <cstring>

#include "relay/stage/srtp.h"
#include "relay/stage/srtp_index.h"
#include "relay/wire/bytes.h"
#include "relay/wire/rtp.h"

namespace relay::stage {
namespace {

using session::SrtpLeg;
using session::SrtpSender;
using session::SrtpStream;

// Another SSRC. False when the leg has sent that SSRC before: nobody knows up to where.
bool BeginSending(SrtpSender& send, uint32_t ssrc) {
  SrtpStream& stream = send.stream;
  const auto end = std::begin(send.former) + send.former_count;
  if (std::find(std::begin(send.former), end, ssrc) != end) return false;
  if (stream.used) {
    if (send.former_count == std::size(send.former)) return false;
    send.former[send.former_count++] = stream.ssrc;
  }
  stream.used = 1;
  stream.ssrc = ssrc;
  stream.top = stream.recent = 0;
  std::fill(std::begin(stream.seen), std::end(stream.seen), 0);
  return true;
}

void WriteMki(const abi::SrtpKey& key, uint8_t* at) {
  for (uint32_t i = 0; i < key.mki_length; ++i) {
    const uint32_t shift = 8 * (key.mki_length - 1u - i);
    at[i] = shift < 64 ? static_cast<uint8_t>(key.mki >> shift) : 0;
  }
}

}  // namespace

void Srtp::Protect(std::span<SrtpPacket> packets) {
  assert(packets.size() <= kSrtpBatchMax);
  job_count_ = 0;
  for (const SrtpPacket& packet : packets) PrefetchNext(legs_[packet.leg].send.stream);
  for (size_t i = 0; i < packets.size(); ++i) {
    packets[i].verdict = MakeSendJob(packets[i], &jobs_[job_count_]);
    if (packets[i].verdict != Verdict::kForwarded) continue;
    packet_of_[job_count_++] = static_cast<uint8_t>(i);
  }
  if (job_count_ == 0) return;
  engine_->Protect({jobs_.data(), job_count_});
  for (size_t i = 0; i < job_count_; ++i) {
    SrtpPacket& packet = packets[packet_of_[i]];
    const SrtpJob& job = jobs_[i];
    if (job.result != SrtpResult::kOk) packet.verdict = Verdict::kSrtpIndexUsed;
    packet.length = Finish(legs_[packet.leg].send, job);
  }
  job_count_ = 0;
}

// The index is used up here, whatever becomes of the packet.
Verdict Srtp::MakeSendJob(const SrtpPacket& packet, SrtpJob* job) {
  SrtpSender& send = legs_[packet.leg].send;
  SrtpStream& stream = send.stream;
  if (!stream.quick) return Verdict::kSrtpNoKey;
  const uint32_t tag_length = abi::FactsOf(stream.suite).rtp_tag_length;
  if (packet.tailroom < tag_length + stream.mki_length) return Verdict::kTooLong;
  const uint8_t* const data = packet.data;
  const size_t header = wire::RtpHeaderLength(data, packet.length);
  if (header == 0) return Verdict::kTooShort;
  const uint32_t ssrc = wire::Load32(data + 8);
  if ((ssrc != stream.ssrc || !stream.used) && !BeginSending(send, ssrc)) [[unlikely]] {
    return Verdict::kSrtpIndexUsed;
  }
  const uint64_t index = GuessIndex(stream.top, wire::Load16(data + 2));
  if (CheckIndex(stream, index) != IndexVerdict::kNew) return Verdict::kSrtpIndexUsed;
  CommitIndex(stream, index);
  job->context = contexts_.At(stream.context);
  job->data = packet.data;
  job->length = packet.length;
  job->header_length = static_cast<uint32_t>(header);
  job->index = index;
  job->ssrc = ssrc;
  job->trailer = static_cast<uint32_t>(index >> 16);
  job->suite = stream.suite;
  job->use = SrtpUse::kRtp;
  job->tag_length = static_cast<uint8_t>(tag_length);
  job->result = SrtpResult::kOk;
  return Verdict::kForwarded;
}

// Puts what belongs behind the packet behind it. Returns its length then.
uint32_t Srtp::Finish(const SrtpSender& send, const SrtpJob& job) const {
  uint8_t* at = job.data + job.length;
  const bool gcm = abi::IsGcm(job.suite);
  const auto put_tag = [&] {
    CopyTag(job.tag, job.tag_length, at);
    at += job.tag_length;
  };
  if (gcm) put_tag();
  if (job.use == SrtpUse::kRtcp) {
    wire::Store32(at, job.trailer);
    at += 4;
  }
  if (send.stream.mki_length != 0) {
    WriteMki(send.master, at);
    at += send.stream.mki_length;
  }
  if (!gcm) put_tag();
  return static_cast<uint32_t>(at - job.data);
}

void Srtp::ProtectRtcp(SrtpPacket& packet) {
  SrtpSender& send = legs_[packet.leg].send;
  packet.verdict = Verdict::kSrtpNoKey;
  if (send.key_count == 0) return;
  packet.verdict = Verdict::kTooShort;
  if (packet.length < kSrtcpHeaderLength) return;
  packet.verdict = Verdict::kTooLong;
  const uint8_t tag_length = abi::FactsOf(send.stream.suite).rtcp_tag_length;
  if (packet.tailroom < tag_length + 4u + send.stream.mki_length) return;
  packet.verdict = Verdict::kSrtpIndexUsed;
  if (send.rtcp_index + 1 >= kSrtcpIndexEnd) return;
  ++send.rtcp_index;
  SrtpJob job{.context = contexts_.At(send.rtcp_context),
              .data = packet.data,
              .length = packet.length,
              .header_length = kSrtcpHeaderLength,
              .index = send.rtcp_index,
              .ssrc = wire::Load32(packet.data + 4),
              .trailer = session::kSrtcpEncrypted | send.rtcp_index,
              .suite = send.stream.suite,
              .use = SrtpUse::kRtcp,
              .tag_length = tag_length,
              .result = SrtpResult::kOk};
  engine_->Protect({&job, 1});
  if (job.result != SrtpResult::kOk) return;
  packet.verdict = Verdict::kForwarded;
  packet.length = Finish(send, job);
}

}  // namespace relay::stage
