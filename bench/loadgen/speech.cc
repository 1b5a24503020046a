#include "bench/loadgen/speech.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "relay/clock.h"
#include "relay/wire/bytes.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;
using relay::stage::SrtpPacket;
using relay::stage::Verdict;

constexpr uint8_t kPcmu = 0;
constexpr uint16_t kSequenceFirst = 1000;

// Each becomes the other both ways, also in a relay that converts by way of linear values: the
// least and greatest of both signs.
constexpr std::array<uint8_t, 4> kAlaw = {0xd5, 0xaa, 0x55, 0x2a};
constexpr std::array<uint8_t, 4> kUlaw = {0xfe, 0x80, 0x7e, 0x00};

}  // namespace

bool CallMedia::plain() const {
  return std::all_of(sides.begin(), sides.end(), [](const PartyMedia& media) {
    return media.payload_type == kPcma && media.suite == abi::SrtpSuite::kNone;
  });
}

absl::StatusOr<CallMedia> CallMediaOf(std::string_view mode) {
  const PartyMedia pcma{};
  const PartyMedia pcmu{.payload_type = kPcmu};
  const PartyMedia cm{.suite = abi::SrtpSuite::kAesCm128HmacSha1_80};
  const PartyMedia gcm{.suite = abi::SrtpSuite::kAeadAes128Gcm};
  if (mode == "plain") return CallMedia{{pcma, pcma}};
  if (mode == "transcode") return CallMedia{{pcma, pcmu}};
  if (mode == "srtp") return CallMedia{{pcma, cm}};
  if (mode == "srtp-both") return CallMedia{{cm, cm}};
  if (mode == "gcm") return CallMedia{{pcma, gcm}};
  return absl::InvalidArgumentError("is none of plain, transcode, srtp, srtp-both, gcm");
}

abi::SrtpKey FarKey(const PartyMedia& media, int side) {
  const abi::SrtpSuiteFacts& facts = abi::FactsOf(media.suite);
  abi::SrtpKey key{};
  int next = 1 + side;
  for (size_t i = 0; i < facts.key_length; ++i, next += 7) {
    key.key[i] = static_cast<uint8_t>(next);
  }
  for (size_t i = 0; i < facts.salt_length; ++i, next += 7) {
    key.salt[i] = static_cast<uint8_t>(next);
  }
  return key;
}

abi::SrtpKey RelayKey(const PartyMedia& media, size_t call, int side) {
  const abi::SrtpSuiteFacts& facts = abi::FactsOf(media.suite);
  abi::SrtpKey key{};
  std::mt19937_64 random(2 * call + static_cast<uint64_t>(side));
  for (size_t i = 0; i < facts.key_length; ++i) key.key[i] = static_cast<uint8_t>(random());
  for (size_t i = 0; i < facts.salt_length; ++i) key.salt[i] = static_cast<uint8_t>(random());
  return key;
}

absl::StatusOr<abi::SrtpKey> ParseSrtpKey(const PartyMedia& media, std::string_view text) {
  const abi::SrtpSuiteFacts& facts = abi::FactsOf(media.suite);
  std::string bytes;
  if (!absl::Base64Unescape(std::string(text).c_str(), &bytes) ||
      bytes.size() != size_t{facts.key_length} + facts.salt_length) {
    return absl::InvalidArgumentError(absl::StrCat("no key of ", facts.name));
  }
  abi::SrtpKey key{};
  std::memcpy(key.key, bytes.data(), facts.key_length);
  std::memcpy(key.salt, bytes.data() + facts.key_length, facts.salt_length);
  return key;
}

Speech::Speech(const CallMedia& media, const SpeechKeys& first_call)
    : media_(media),
      memory_(2 * sizeof(relay::session::SrtpLeg)),
      srtp_({reinterpret_cast<relay::session::SrtpLeg*>(memory_.data()), 2},
            relay::stage::MakeSrtpEngine(relay::stage::SrtpEngineKind::kPortable)) {
  for (uint32_t side = 0; side < 2; ++side) {
    const PartyMedia& party = media_.sides[side];
    for (size_t i = 0; i < kPayload; ++i) {
      payloads_[side][i] = (party.payload_type == kPcma ? kAlaw : kUlaw)[i % kAlaw.size()];
    }
    if (party.suite == abi::SrtpSuite::kNone) continue;
    abi::SrtpPlan plan{};
    plan.suite = party.suite;
    plan.send_key_count = plan.receive_key_count = 1;
    plan.send = FarKey(party, static_cast<int>(side));
    plan.receive[0] = first_call[side];
    srtp_.Apply(side, plan, relay::kSecond);
  }
}

size_t Speech::LengthAt(int side) const {
  const abi::SrtpSuite suite = media_.sides[static_cast<size_t>(side)].suite;
  return kPacket + abi::FactsOf(suite).rtp_tag_length;
}

std::span<const uint8_t> Speech::Packet(int side, uint64_t count) {
  Sealed& next = next_[static_cast<size_t>(side)];
  if (next.count != count) Write(side, count, &next);
  return {next.bytes.data(), next.length};
}

void Speech::Write(int side, uint64_t count, Sealed* sealed) {
  const auto index = static_cast<size_t>(side);
  uint8_t* const bytes = sealed->bytes.data();
  bytes[0] = 0x80;
  bytes[1] = static_cast<uint8_t>(media_.sides[index].payload_type | (count == 0 ? 0x80 : 0));
  relay::wire::Store16(bytes + 2, static_cast<uint16_t>(kSequenceFirst + count));
  relay::wire::Store32(bytes + 4, static_cast<uint32_t>(count * kSamples));
  relay::wire::Store32(bytes + 8, 0x54000000u + static_cast<uint32_t>(side));
  std::memcpy(bytes + kRtpHeader, payloads_[index].data(), kPayload);
  SrtpPacket packet{static_cast<uint32_t>(side), kPacket, bytes,
                    static_cast<uint16_t>(sealed->bytes.size() - kPacket), Verdict::kForwarded};
  if (IsSecured(side)) srtp_.Protect({&packet, 1});
  sealed->length = packet.length;
  sealed->count = count;
}

std::optional<uint16_t> Speech::Read(int side, std::span<const uint8_t> packet) const {
  const auto index = static_cast<size_t>(side);
  if (packet.size() != LengthAt(side) || packet[0] != 0x80 ||
      (packet[1] & 0x7f) != media_.sides[index].payload_type) {
    return std::nullopt;
  }
  // In the clear it says what was said; protected it says something else.
  const bool same = std::memcmp(packet.data() + kRtpHeader, payloads_[index].data(), kPayload) == 0;
  if (same == IsSecured(side)) return std::nullopt;
  return static_cast<uint16_t>(relay::wire::Load16(packet.data() + 2) - kSequenceFirst);
}

bool Speech::IsAuthentic(int side, std::span<const uint8_t> packet) {
  std::array<uint8_t, kPacketMax + 4> bytes;
  std::memcpy(bytes.data(), packet.data(), packet.size());
  SrtpPacket secured{static_cast<uint32_t>(side), static_cast<uint32_t>(packet.size()),
                     bytes.data(), 0, Verdict::kForwarded};
  srtp_.Unprotect({&secured, 1}, relay::kSecond);
  const Payload& payload = payloads_[static_cast<size_t>(side)];
  return secured.verdict == Verdict::kForwarded && secured.length == kPacket &&
         std::memcmp(bytes.data() + kRtpHeader, payload.data(), kPayload) == 0;
}

}  // namespace bench::loadgen
