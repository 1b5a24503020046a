#include "relay/stage/srtp_past.h"

#include <algorithm>
#include <iterator>

#include "relay/stage/srtp_index.h"
#include "relay/stage/srtp_keys.h"

namespace relay::stage {
namespace {

using session::SrtcpStream;
using session::SrtpFormer;
using session::SrtpPast;
using session::SrtpReceiver;
using session::SrtpSpent;
using session::SrtpStream;

// One far party must not push all others out.
constexpr int kStreamsPerKey = 4;

void Put(const SrtpSpent& spent, SrtpPast* past) {
  for (SrtpSpent& known : past->receive) {
    if (known.print != spent.print || known.ssrc != spent.ssrc) continue;
    known.top = std::max(known.top, spent.top);
    known.rtcp_end = std::max(known.rtcp_end, spent.rtcp_end);
    return;
  }
  past->receive[past->receive_next] = spent;
  past->receive_next = static_cast<uint8_t>((past->receive_next + 1u) % std::size(past->receive));
}

void RememberKey(const SrtpReceiver& receiver, uint64_t print, SrtpPast* past) {
  int left = kStreamsPerKey;
  for (const SrtpStream& stream : receiver.streams) {
    if (!stream.used || left-- == 0) continue;
    const SrtcpStream* rtcp = FindStream(receiver.rtcp, stream.ssrc);
    const uint64_t rtcp_end = rtcp == nullptr ? 0 : rtcp->top + 1;
    Put({.print = print,
         .top = stream.top,
         .ssrc = stream.ssrc,
         .rtcp_end = static_cast<uint32_t>(rtcp_end)},
        past);
  }
  for (const SrtcpStream& rtcp : receiver.rtcp) {
    if (!rtcp.used || FindStream(receiver.streams, rtcp.ssrc) != nullptr || left <= 0) continue;
    --left;
    Put({.print = print,
         .top = 0,
         .ssrc = rtcp.ssrc,
         .rtcp_end = static_cast<uint32_t>(rtcp.top + 1)},
        past);
  }
}

// Where a stream that is gone may stand: in its own place, in a free one, or in that of a hint.
SrtpFormer* PlaceFor(uint32_t ssrc, SrtpReceiver* receiver) {
  SrtpFormer* place = nullptr;
  for (SrtpFormer& former : receiver->former) {
    if (former.used && former.ssrc == ssrc) return &former;
    if (former.used == session::kFormerGone) continue;
    if (place == nullptr || (place->used && !former.used)) place = &former;
  }
  return place;
}

void Recall(const SrtpSpent& spent, SrtpReceiver* receiver) {
  if (SrtpStream* stream = FindStream(receiver->streams, spent.ssrc); stream != nullptr) {
    FillWindow(*stream, std::max(stream->top, spent.top));
  } else if (SrtpFormer* former = PlaceFor(spent.ssrc, receiver); former != nullptr) {
    // The stream has gone on under the keys between.
    const bool hint = former->used && former->ssrc == spent.ssrc;
    const uint64_t top = hint ? std::max(former->top, spent.top) : spent.top;
    *former = {.ssrc = spent.ssrc, .used = session::kFormerGone, .top = top};
  }
  if (spent.rtcp_end == 0) return;
  SrtcpStream* rtcp = FindStream(receiver->rtcp, spent.ssrc);
  for (SrtcpStream& one : receiver->rtcp) {
    if (rtcp == nullptr && !one.used) rtcp = &one;
  }
  if (rtcp == nullptr) return;
  const uint64_t top = std::max<uint64_t>(rtcp->used ? rtcp->top : 0, spent.rtcp_end - 1);
  *rtcp = {.ssrc = spent.ssrc, .used = 1, .top = top, .seen = {}};
  std::fill(std::begin(rtcp->seen), std::end(rtcp->seen), ~uint64_t{0});
}

}  // namespace

void RememberReceiver(const SrtpReceiver& receiver, SrtpPast* past) {
  for (uint8_t i = 0; i < receiver.key_count; ++i) {
    RememberKey(receiver, PrintOf(receiver.keys[i].master), past);
  }
}

void RecallKey(const SrtpPast& past, const abi::SrtpKey& key, SrtpReceiver* receiver) {
  const uint64_t print = PrintOf(key);
  for (const SrtpSpent& spent : past.receive) {
    if (spent.print == print) Recall(spent, receiver);
  }
}

void RememberSender(const session::SrtpSender& send, SrtpPast* past) {
  if (send.stream.used) {
    past->top =
        past->ssrc == send.stream.ssrc ? std::max(past->top, send.stream.top) : send.stream.top;
    past->ssrc = send.stream.ssrc;
  }
  if (send.key_count == 0 || IsSpent(*past, send.master)) return;
  past->send[past->send_next] = PrintOf(send.master);
  past->send_next = static_cast<uint8_t>((past->send_next + 1u) % std::size(past->send));
}

bool IsSpent(const SrtpPast& past, const abi::SrtpKey& key) {
  const uint64_t print = PrintOf(key);
  return std::find(std::begin(past.send), std::end(past.send), print) != std::end(past.send);
}

}  // namespace relay::stage
