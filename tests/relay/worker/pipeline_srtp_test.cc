// The pipeline with SRTP on one side and on both: what is authentic passes, what is not changes
// nothing, and no index of a key is ever used for two packets.
#include <map>
#include <random>
#include <tuple>

#include "relay/wire/bytes.h"
#include "relay/worker/pipeline.h"
#include "tests/relay/stage/srtp_world.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using stage::PlanFor;
using stage::RandomKey;
using stage::SrtpEnd;
using stage::SrtpEngineKind;
using tests::support::ReceiverReport;

constexpr abi::SrtpSuite kSuite = abi::SrtpSuite::kAesCm128HmacSha1_80;

// Leg 0 is the trunk with plain RTP, leg 1 the PBX with SRTP.
class SecuredCall : public Office {
 protected:
  explicit SecuredCall(abi::SrtpSuite agreed = kSuite)
      : Office(64, true), suite(agreed), ours(RandomKey(agreed, 1)), theirs(RandomKey(agreed, 2)) {
    Open(0, SetupFor(0, kTrunk));
    session::LegSetup setup = SetupFor(1, kPbx);
    setup.srtp = PlanFor(suite, ours, theirs);
    Open(1, setup);
    Join(0, 1);
    pbx.Apply(PlanFor(suite, theirs, ours));
  }
  Bytes Sealed(const RtpPacket& packet) {
    Bytes bytes = packet.Build();
    EXPECT_EQ(pbx.Protect(&bytes), stage::Verdict::kForwarded);
    return bytes;
  }
  // What the PBX makes of what it was sent.
  Bytes Opened(Bytes bytes) {
    EXPECT_EQ(pbx.Unprotect(&bytes), stage::Verdict::kForwarded);
    return bytes;
  }

  const abi::SrtpSuite suite;
  const abi::SrtpKey ours;
  const abi::SrtpKey theirs;
  SrtpEnd pbx{SrtpEngineKind::kPortable};
};

class EverySuite : public SecuredCall, public testing::WithParamInterface<abi::SrtpSuite> {
 protected:
  EverySuite() : SecuredCall(GetParam()) {}
};

TEST_P(EverySuite, SpeechPassesBothWays) {
  for (uint16_t i = 1; i < 5; ++i) {
    const RtpPacket packet{.payload_type = 8, .sequence = i, .padding = 4};
    EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
    const auto out = Sent();
    ASSERT_TRUE(out);
    EXPECT_EQ(out->payload.size(), packet.Build().size() + abi::FactsOf(suite).rtp_tag_length);
    EXPECT_EQ(Opened(out->payload), packet.Build());

    EXPECT_EQ(Send(1, kPbx, Sealed(packet)), "forwarded");
    const auto back = Sent();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->payload, packet.Build());
  }
}

INSTANTIATE_TEST_SUITE_P(All, EverySuite, testing::ValuesIn(stage::kAllSuites),
                         [](const auto& one) { return abi::FactsOf(one.param).name; });

TEST_F(SecuredCall, WhatIsNotAuthenticIsNotForwarded) {
  const Bytes plain = RtpPacket{.payload_type = 8}.Build();
  EXPECT_EQ(Send(1, kPbx, plain), "srtp_bad_tag");
  EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8, .payload = {}}), "too_short");
  EXPECT_EQ(
      Send(1, kPbx, Bytes{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
      "stun");
  const Bytes good = Sealed({.payload_type = 8});
  for (size_t byte = 0; byte < good.size(); ++byte) {
    Bytes bad = good;
    bad[byte] ^= 0x10;
    EXPECT_NE(Send(1, kPbx, bad), "forwarded") << byte;
  }
  EXPECT_EQ(legs[1].reception.received_packets, 0u);
  EXPECT_EQ(Send(1, kPbx, good), "forwarded");
  EXPECT_EQ(Send(1, kPbx, good), "srtp_replayed");
  EXPECT_EQ(legs[1].reception.received_packets, 1u);
  Discard();
}

// A thousand forgeries at ten times the rate of the call: the call does not notice.
TEST_F(SecuredCall, AFloodOfBadTagsChangesNothing) {
  std::mt19937 random(4);
  for (uint16_t i = 1; i < 100; ++i) {
    for (int k = 0; k < 10; ++k) {
      RtpPacket forged{.payload_type = 8,
                       .sequence = static_cast<uint16_t>(random()),
                       .ssrc = k % 2 ? 0x11111111 : static_cast<uint32_t>(random())};
      EXPECT_EQ(Send(1, kPbx, forged), "srtp_bad_tag");
    }
    EXPECT_EQ(Send(1, kPbx, Sealed({.payload_type = 8, .sequence = i})), "forwarded");
  }
  Discard();
  EXPECT_EQ(legs[1].totals.source_changes, 0);
}

TEST_F(SecuredCall, AForgedPacketNeverTeaches) {
  Update(1, [](abi::LegPlan& plan) {
    plan.learning = abi::Learning::kLatch;
    plan.relearn = abi::Relearn::kAnew;
  });
  const Bytes good = Sealed({.payload_type = 8, .sequence = 1});
  Bytes forged = good;
  forged.back() ^= 1;
  for (uint16_t i = 0; i < 20; ++i) {
    EXPECT_EQ(Send(1, kStranger, forged), "srtp_bad_tag");
    EXPECT_EQ(Send(1, kStranger, RtpPacket{.payload_type = 8, .sequence = i}), "srtp_bad_tag");
  }
  EXPECT_EQ(legs[1].gate.source.port, 0);
  EXPECT_EQ(legs[1].learning.candidate_count, 0);
  EXPECT_EQ(counters.Read(abi::Counter::kSourcesLearned), 0u);
  // The first authentic one does, wherever it comes from.
  EXPECT_EQ(Send(1, kBot, good), "forwarded");
  EXPECT_EQ(legs[1].gate.source, kBot);
  EXPECT_EQ(counters.Read(abi::Counter::kSourcesLearned), 1u);
  // Sent again from elsewhere it is a replay.
  EXPECT_EQ(Send(1, kStranger, good), "srtp_replayed");
  EXPECT_EQ(legs[1].gate.source, kBot);
  Discard();
}

TEST_F(SecuredCall, WhoSpokeInTheClearIsForgottenWhenTheLegIsSecured) {
  Update(0, [](abi::LegPlan& plan) { plan.learning = abi::Learning::kLatch; });
  for (uint16_t i = 1; i < 8; ++i) Send(0, kBot, RtpPacket{.payload_type = 8, .sequence = i});
  EXPECT_EQ(legs[0].gate.source, kBot);
  setups[0].srtp = PlanFor(kSuite, RandomKey(kSuite, 8), RandomKey(kSuite, 9));
  Update(0, [](abi::LegPlan&) {});
  EXPECT_EQ(legs[0].gate.source.port, 0);
  EXPECT_EQ(Send(0, kBot, RtpPacket{.payload_type = 8, .sequence = 9}), "srtp_bad_tag");
  Discard();
}

TEST_F(SecuredCall, NothingLeavesBeforeOurKeyIsAgreed) {
  setups[1].srtp = {};
  setups[1].srtp.suite = kSuite;
  Update(1, [](abi::LegPlan&) {});
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8}), "srtp_no_key");
  EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8}), "srtp_no_key");
  EXPECT_FALSE(Sent());
  EXPECT_EQ(legs[1].out.sent_packets, 0u);
}

TEST_F(SecuredCall, ReportsAreProtectedAndCheckedToo) {
  Send(0, kTrunk, RtpPacket{.payload_type = 8});
  Send(1, kPbx, Sealed({.payload_type = 8, .ssrc = 0x22222222}));
  Discard();
  EXPECT_EQ(SendRtcp(0, kTrunk, ReceiverReport(0x11111111)), "consumed");
  auto out = Sent();
  ASSERT_TRUE(out);
  const Bytes report = Opened(out->payload);
  EXPECT_EQ(wire::Load32(&report[4]), 0x11111111u);

  Bytes sealed = ReceiverReport(0x22222222);
  const Bytes plain = sealed;
  ASSERT_EQ(pbx.ProtectRtcp(&sealed), stage::Verdict::kForwarded);
  Bytes forged = sealed;
  forged[8] ^= 1;
  EXPECT_EQ(SendRtcp(1, kPbx, plain), "bad_rtcp");
  EXPECT_EQ(SendRtcp(1, kPbx, forged), "srtp_bad_tag");
  EXPECT_EQ(SendRtcp(1, kPbx, sealed), "consumed");
  EXPECT_EQ(SendRtcp(1, kPbx, sealed), "srtp_replayed");
  ASSERT_TRUE(Sent());
}

// Packets of plain and secured legs in one burst, and a fork with a secured listener.
TEST_F(SecuredCall, ABurstMayBeMixedAndAForkSecured) {
  Open(2, SetupFor(2, kBot));
  session::LegSetup setup = SetupFor(3, kStranger);
  const abi::SrtpKey listening = RandomKey(kSuite, 50);
  setup.srtp = PlanFor(kSuite, listening, RandomKey(kSuite, 51));
  Open(3, setup);
  Hear(2, 0);
  Hear(0, 2);
  Hear(0, 3);
  SrtpEnd third(SrtpEngineKind::kPortable);
  third.Apply(PlanFor(kSuite, RandomKey(kSuite, 51), listening));
  const uint64_t before = counters.Read(abi::Counter::kForwarded);
  for (uint16_t i = 1; i <= 12; ++i) {
    const RtpPacket packet{.payload_type = 8, .sequence = i, .ssrc = 5};
    const auto inject = [&](uint32_t leg, const abi::Endpoint& from, const Bytes& payload) {
      ASSERT_TRUE(first.Inject({.local = LocalOf(leg), .remote = from, .payload = payload}));
    };
    inject(0, kTrunk, packet.Build());
    inject(2, kBot, RtpPacket{.payload_type = 8, .sequence = i, .ssrc = 6}.Build());
    inject(1, kPbx, Sealed({.payload_type = 8, .sequence = i, .ssrc = 7}));
  }
  Cycle();
  EXPECT_EQ(counters.Read(abi::Counter::kForwarded) - before, 36u);
  size_t to_pbx = 0;
  size_t to_third = 0;
  while (auto out = Sent()) {
    if (out->remote == kPbx) {
      EXPECT_EQ(wire::Load32(&Opened(out->payload)[8]), 5u);
      ++to_pbx;
    } else if (out->remote == kStranger) {
      Bytes bytes = out->payload;
      EXPECT_EQ(third.Unprotect(&bytes), stage::Verdict::kForwarded);
      ++to_third;
    }
  }
  EXPECT_EQ(to_pbx, 12u);
  EXPECT_EQ(to_third, 12u);
}

TEST_F(SecuredCall, ASourceThatStartsAgainIsAnotherStream) {
  for (const uint16_t sequence : {5000, 5001, 5002}) {
    Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = sequence});
  }
  Discard();
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 20}), "forwarded");
  const auto out = Sent();
  ASSERT_TRUE(out);
  EXPECT_NE(wire::Load32(&out->payload[8]), 0x11111111u);
  EXPECT_EQ(wire::Load16(&out->payload[2]), 5003);
  const Bytes opened = Opened(out->payload);
  EXPECT_EQ(opened[1] & 0x80, 0x80);
  // Its disorder stays disorder; what was sent already is not sent again.
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 22}), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 21}), "forwarded");
  Discard();
}

// Also when its RTP is plain by then: what keeps its keys from being used twice is left so long.
TEST_F(SecuredCall, KeysGoWithTheLeg) {
  const auto all_zero = [&] {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&keys[1]);
    return std::all_of(bytes, bytes + sizeof(session::SrtpLeg),
                       [](uint8_t byte) { return byte == 0; });
  };
  for (const bool plain_at_last : {false, true}) {
    EXPECT_NE(keys[1].receive.key_count, 0);
    if (plain_at_last) {
      setups[1].srtp = {};
      Update(1, [](abi::LegPlan&) {});
      EXPECT_EQ(keys[1].send.key_count + keys[1].receive.key_count + keys[1].former.key_count, 0);
      EXPECT_FALSE(all_zero());
    }
    Close(1);
    EXPECT_TRUE(all_zero());
    session::LegSetup setup = SetupFor(1, kPbx);
    setup.srtp = PlanFor(suite, ours, theirs);
    Open(1, setup);
  }
}

// On the wire: of each key, SSRC and index there is one packet. The index is followed here by
// itself, from the numbers that are in the clear.
class WireChecker {
 public:
  void See(uint32_t key, const Bytes& packet) {
    const uint32_t ssrc = wire::Load32(&packet[8]);
    const uint16_t sequence = wire::Load16(&packet[2]);
    auto [at, first] = top_.try_emplace({key, ssrc}, sequence);
    uint64_t& top = at->second;
    if (!first) {
      const int16_t step = static_cast<int16_t>(sequence - static_cast<uint16_t>(top));
      const uint64_t index = top + static_cast<uint64_t>(int64_t{step});
      Record(key, ssrc, index, packet);
      top = std::max(top, index);
    } else {
      Record(key, ssrc, sequence, packet);
    }
  }
  size_t packets() const { return seen_.size(); }

 private:
  void Record(uint32_t key, uint32_t ssrc, uint64_t index, const Bytes& packet) {
    const auto [at, first] = seen_.try_emplace({key, ssrc, index}, packet);
    EXPECT_TRUE(first) << "index " << index << " of SSRC " << ssrc
                       << (at->second == packet ? " twice" : " for two packets");
  }
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> top_;
  std::map<std::tuple<uint32_t, uint32_t, uint64_t>, Bytes> seen_;
};

// Sources that start again, lose, repeat and disorder packets and change their SSRC; speakers that
// change; keys that change, with the counter running on or not.
TEST_F(SecuredCall, NoIndexOfAKeyIsUsedTwice) {
  Open(2, SetupFor(2, kBot));
  std::mt19937 random(77);
  WireChecker checker;
  uint32_t key = 1000;
  uint16_t sequence[2] = {100, 60'000};
  uint32_t ssrc[2] = {1, 1};  // the same: the worst that can meet
  uint32_t speaker = 0;
  for (int i = 0; i < 60'000; ++i) {
    const uint32_t one = speaker == 0 ? 0 : 1;
    const uint32_t kind = random() % 4000;
    uint16_t number = ++sequence[one];
    if (kind < 40) number = sequence[one] = static_cast<uint16_t>(random());
    if (kind >= 40 && kind < 200) number = static_cast<uint16_t>(number - random() % 300);
    if (kind >= 200 && kind < 300) sequence[one] = static_cast<uint16_t>(number + random() % 5000);
    if (kind == 300) ssrc[one] = static_cast<uint32_t>(random() % 3);
    if (kind >= 310 && kind < 320) {
      Unhear(speaker, 1);
      speaker = speaker == 0 ? 2 : 0;
      Hear(speaker, 1);
    }
    if (kind >= 320 && kind < 330) {
      ++key;
      setups[1].srtp = PlanFor(suite, RandomKey(suite, key), theirs);
      setups[1].srtp.send_roc = key % 2 ? abi::SrtpRoc::kRunsOn : abi::SrtpRoc::kRestarts;
      Update(1, [](abi::LegPlan&) {});
    }
    const abi::Endpoint& from = speaker == 0 ? kTrunk : kBot;
    Send(speaker, from, RtpPacket{.payload_type = 8, .sequence = number, .ssrc = ssrc[one]});
    while (auto out = Sent()) {
      if (out->remote == kPbx && (out->payload[1] & 0x7f) == 8) checker.See(key, out->payload);
    }
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(checker.packets(), 50'000u);
}

}  // namespace
}  // namespace relay::worker
