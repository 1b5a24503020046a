#include "bench/loadgen/speech.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <vector>

#include "bench/loadgen/senders.h"
#include "kernels/g711.h"
#include "relay/wire/bytes.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;

std::vector<uint8_t> Copy(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

CallMedia Of(const char* mode) {
  const auto media = CallMediaOf(mode);
  EXPECT_TRUE(media.ok());
  return *media;
}

// What a relay does between the parties: from one side's law and keys to the other's.
std::vector<uint8_t> Relayed(const CallMedia& media, int from, std::span<const uint8_t> packet) {
  const PartyMedia& in = media.sides[static_cast<size_t>(from)];
  const PartyMedia& out = media.sides[static_cast<size_t>(1 - from)];
  relay::session::SecretMemory memory(2 * sizeof(relay::session::SrtpLeg));
  relay::stage::Srtp srtp({reinterpret_cast<relay::session::SrtpLeg*>(memory.data()), 2},
                          relay::stage::MakeSrtpEngine(relay::stage::SrtpEngineKind::kPortable));
  std::vector<uint8_t> bytes = Copy(packet);
  bytes.resize(256);
  relay::stage::SrtpPacket one{0, static_cast<uint32_t>(packet.size()), bytes.data(), 40,
                               relay::stage::Verdict::kForwarded};
  const auto apply = [&](uint32_t leg, const PartyMedia& party, int side) {
    abi::SrtpPlan plan{};
    plan.suite = party.suite;
    plan.send_key_count = plan.receive_key_count = 1;
    plan.send = RelayKey(party, 0, side);
    plan.receive[0] = FarKey(party, side);
    srtp.Apply(leg, plan, 1);
  };
  if (in.suite != abi::SrtpSuite::kNone) {
    apply(0, in, from);
    srtp.Unprotect({&one, 1}, 1);
    EXPECT_EQ(one.verdict, relay::stage::Verdict::kForwarded);
  }
  if (in.payload_type != out.payload_type) {
    const kernels::G711& g711 = kernels::G711For(kernels::Isa::kScalar);
    (in.payload_type == 8 ? g711.alaw_to_ulaw : g711.ulaw_to_alaw)(&bytes[12], &bytes[12], 160);
    bytes[1] = static_cast<uint8_t>((bytes[1] & 0x80) | out.payload_type);
  }
  if (out.suite != abi::SrtpSuite::kNone) {
    one.leg = 1;
    apply(1, out, 1 - from);
    srtp.Protect({&one, 1});
    EXPECT_EQ(one.verdict, relay::stage::Verdict::kForwarded);
  }
  bytes.resize(one.length);
  return bytes;
}

TEST(Speech, WhatARelayMakesOfItIsReadOnTheOtherSide) {
  for (const char* mode : {"transcode", "srtp", "srtp-both", "gcm"}) {
    const CallMedia media = Of(mode);
    Speech speech(media, {RelayKey(media.sides[0], 0, 0), RelayKey(media.sides[1], 0, 1)});
    for (const int from : {0, 1}) {
      for (uint64_t count = 0; count < 3; ++count) {
        std::vector<uint8_t> heard = Relayed(media, from, speech.Packet(from, count));
        const auto number = speech.Read(1 - from, heard);
        ASSERT_TRUE(number) << mode << " from " << from;
        EXPECT_EQ(*number, count);
        if (!speech.IsSecured(1 - from)) continue;
        std::vector<uint8_t> forged = heard;
        forged.back() ^= 1;
        EXPECT_FALSE(speech.IsAuthentic(1 - from, forged)) << mode;
        EXPECT_TRUE(speech.IsAuthentic(1 - from, heard)) << mode;
      }
    }
  }
}

TEST(Speech, WhatWasNotConvertedOrCipheredIsRefused) {
  for (const char* mode : {"transcode", "srtp", "gcm"}) {
    const CallMedia media = Of(mode);
    Speech speech(media, {});
    for (const int from : {0, 1}) {
      EXPECT_FALSE(speech.Read(1 - from, speech.Packet(from, 0))) << mode;
    }
  }
  const CallMedia media = Of("srtp");
  Speech speech(media, {});
  std::vector<uint8_t> clear = Copy(speech.Packet(0, 0));
  clear.resize(kPacket + 10);
  EXPECT_FALSE(speech.Read(1, clear)) << "a tag behind what is in the clear";
}

TEST(Speech, OnlyPlainCallsCarryMarks) {
  EXPECT_TRUE(Of("plain").plain());
  EXPECT_FALSE(Of("transcode").plain());
  EXPECT_FALSE(Of("gcm").plain());
  EXPECT_FALSE(CallMediaOf("opus").ok());
}

TEST(Speech, KeysOfOthersAreReadAsSdesWritesThem) {
  const PartyMedia media = Of("srtp").sides[1];
  const auto key = ParseSrtpKey(media, "AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vsXM");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->key[0], 1);
  EXPECT_EQ(key->key[15], FarKey(media, 0).key[15]);
  EXPECT_EQ(key->salt[13], FarKey(media, 0).salt[13]);
  EXPECT_FALSE(ParseSrtpKey(media, "AQgPFh0k").ok());
}

TEST(Senders, AStreamIsKnownByThePortOfTheRelayItComesFrom) {
  std::vector<Call> calls;
  for (const uint16_t port : {10000, 10004}) {
    calls.push_back({*Ipv4Endpoint("192.0.2.1", port),
                     *Ipv4Endpoint("192.0.2.2", static_cast<uint16_t>(port + 2))});
  }
  const Senders senders(calls);
  EXPECT_EQ(senders.StreamFrom(calls[0].b), 0u);
  EXPECT_EQ(senders.StreamFrom(calls[0].a), 1u);
  EXPECT_EQ(senders.StreamFrom(calls[1].b), 2u);
  EXPECT_EQ(senders.StreamFrom(*Ipv4Endpoint("192.0.2.1", 10002)), std::nullopt);
  EXPECT_EQ(senders.StreamFrom(*Ipv4Endpoint("192.0.2.7", 10000)), std::nullopt);
}

}  // namespace
}  // namespace bench::loadgen
