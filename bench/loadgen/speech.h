// What the parties of a call say where it is not the same G.711 on both sides: another law, or
// SRTP.
//
// A relay that ciphers or converts leaves no mark in a payload. So here a stream is known by the
// relay's port it comes from, a packet by its RTP sequence number, and its payload is the same for
// all, so that what was taken off a protected packet, or converted, is compared byte by byte. And
// the packets with one number are the same for all streams of a side, ciphered once: each leg of
// the relay is told the same key of its far party, which costs the relay what different ones would,
// while a generator that ciphered each would measure itself. The relay's own keys differ from leg
// to leg, as they must; the first call's are known here, and its packets are authenticated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "bench/loadgen/stream.h"
#include "relay/abi/srtp.h"
#include "relay/session/secret_memory.h"
#include "relay/stage/srtp.h"

namespace bench::loadgen {

// What a party receives and sends.
struct PartyMedia {
  uint8_t payload_type = 8;
  relay::abi::SrtpSuite suite = relay::abi::SrtpSuite::kNone;
};

struct CallMedia {
  std::array<PartyMedia, 2> sides;
  // Plain PCMA to PCMA carries marks (stream.h) and needs none of this.
  bool plain() const;
  bool transcodes() const { return sides[0].payload_type != sides[1].payload_type; }
};

// "plain", "transcode", "srtp" (RTP to SRTP), "srtp-both", "gcm" (RTP to SRTP).
absl::StatusOr<CallMedia> CallMediaOf(std::string_view mode);

// The key under which all far parties of a side send. Whoever opens calls in another relay must
// know it too: tests/system/rig/rtpengine.py.
relay::abi::SrtpKey FarKey(const PartyMedia& media, int side);
// One by which a relay may send to the far party of one call.
relay::abi::SrtpKey RelayKey(const PartyMedia& media, size_t call, int side);
// From key and salt as one base64 text (RFC 4568 section 6.1).
absl::StatusOr<relay::abi::SrtpKey> ParseSrtpKey(const PartyMedia& media, std::string_view text);

using SpeechKeys = std::array<relay::abi::SrtpKey, 2>;  // by side

class Speech {
 public:
  // `first_call`: what the relay sends under to each side of call 0.
  Speech(const CallMedia& media, const SpeechKeys& first_call);

  // What the party of `side` sends as its packet `count`, counts growing by one; valid until the
  // next one.
  std::span<const uint8_t> Packet(int side, uint64_t count);

  // The low bits of the count of what came out at `side`; nothing if it is not what should have.
  std::optional<uint16_t> Read(int side, std::span<const uint8_t> packet) const;
  // Whether a protected packet of call 0, each in its turn, is what `side` should hear.
  bool IsAuthentic(int side, std::span<const uint8_t> packet);
  bool IsSecured(int side) const {
    return media_.sides[static_cast<size_t>(side)].suite != relay::abi::SrtpSuite::kNone;
  }

 private:
  using Payload = std::array<uint8_t, kPayload>;
  struct Sealed {
    uint64_t count = UINT64_MAX;
    size_t length = 0;
    std::array<uint8_t, kPacketMax + 4> bytes;
  };

  void Write(int side, uint64_t count, Sealed* sealed);
  size_t LengthAt(int side) const;

  const CallMedia media_;
  std::array<Payload, 2> payloads_;  // in the law of each side
  std::array<Sealed, 2> next_;
  relay::session::SecretMemory memory_;
  relay::stage::Srtp srtp_;  // leg 0, 1: the far party of side A, B
};

}  // namespace bench::loadgen
