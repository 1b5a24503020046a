// The pipeline with SRTP on one side: what is authentic passes, and what is not changes nothing.
// All suites on both sides: pipeline_srtp_pairs_test.cc.
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

#include "relay/wire/bytes.h"
#include "relay/worker/pipeline.h"
#include "tests/relay/stage/srtp_world.h"
#include "tests/relay/worker/office.h"
#include "tests/support/sanitized.h"

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
  SecuredCall() : Office(64, true) {
    Open(0, SetupFor(0, kTrunk));
    session::LegSetup setup = SetupFor(1, kPbx);
    setup.srtp = PlanFor(kSuite, ours, theirs);
    Open(1, setup);
    Join(0, 1);
    pbx.Apply(PlanFor(kSuite, theirs, ours));
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

  const abi::SrtpKey ours = RandomKey(kSuite, 1);
  const abi::SrtpKey theirs = RandomKey(kSuite, 2);
  SrtpEnd pbx{SrtpEngineKind::kPortable};
};

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

// A thousand forgeries at ten times the rate of the call: the call does not notice. Not a byte of
// what is remembered of the leg moves, but the count of what was refused.
TEST_F(SecuredCall, AFloodOfBadTagsChangesNothing) {
  std::mt19937 random(4);
  for (uint16_t i = 1; i < 100; ++i) {
    const session::SrtpLeg secret = keys[1];
    session::Leg leg = legs[1];
    for (int k = 0; k < 10; ++k) {
      RtpPacket forged{.payload_type = 8,
                       .sequence = static_cast<uint16_t>(random()),
                       .ssrc = k % 2 ? 0x11111111 : static_cast<uint32_t>(random())};
      EXPECT_EQ(Send(1, k % 3 ? kPbx : kStranger, forged), "srtp_bad_tag");
    }
    Bytes report = ReceiverReport(0x11111111);
    report.resize(report.size() + 10, 0xff);
    report.resize(report.size() + 4, 0xff);
    EXPECT_EQ(SendRtcp(1, kPbx, report), "srtp_bad_tag");
    leg.gate.dropped = legs[1].gate.dropped;
    EXPECT_EQ(std::memcmp(&keys[1], &secret, sizeof secret), 0);
    EXPECT_EQ(std::memcmp(&legs[1], &leg, sizeof leg), 0);
    EXPECT_EQ(Send(1, kPbx, Sealed({.payload_type = 8, .sequence = i})), "forwarded");
  }
  Discard();
  EXPECT_EQ(legs[1].totals.source_changes, 0);
}

// Nor does it keep a call alive whose far party has gone.
TEST_F(SecuredCall, AFloodOfBadTagsIsSilence) {
  Update(1, [](abi::LegPlan& plan) { plan.media_timeout_ms = 2000; });
  EXPECT_EQ(Send(1, kPbx, Sealed({.payload_type = 8})), "forwarded");
  for (int i = 0; i < 190; ++i) {
    EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8}), "srtp_bad_tag");
    clock.Advance(10 * kMillisecond);
  }
  EXPECT_EQ(counters.Read(abi::Counter::kMediaTimeouts), 0u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8}), "srtp_bad_tag");
    clock.Advance(10 * kMillisecond);
  }
  EXPECT_EQ(counters.Read(abi::Counter::kMediaTimeouts), 1u);
  // And ends none either: the far party speaks on.
  EXPECT_EQ(Send(1, kPbx, Sealed({.payload_type = 8, .sequence = 2})), "forwarded");
  Discard();
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

// The first second of a call, before the listener has our key: what it hears then lies beyond the
// end of the source's numbers, and no receiver guesses that by itself.
TEST_F(SecuredCall, WhoMissesTheBeginningOfAStreamHearsTheRest) {
  stage::Oracle listener(kSuite, ours, false);
  for (uint32_t i = 0; i < 200; ++i) {
    const auto sequence = static_cast<uint16_t>(65'500 + i);
    EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = sequence}), "forwarded");
    auto out = Sent();
    ASSERT_TRUE(out);
    if (i < 60) continue;
    EXPECT_TRUE(listener.Unprotect(&out->payload)) << i;
  }
}

// The same where the key comes late to a stream that has long begun, or starts its counter again.
TEST_F(SecuredCall, WhoMissesTheFirstPacketsUnderAKeyThatCountsFrom0HearsTheRest) {
  for (const bool plain_before : {false, true}) {
    SCOPED_TRACE(plain_before);
    if (plain_before) {
      setups[1].srtp = {};
      Update(1, [](abi::LegPlan&) {});
    }
    for (const uint16_t sequence : {20'000, 40'000, 60'000, 65'499}) {
      const RtpPacket packet{.payload_type = 8, .sequence = sequence, .ssrc = plain_before + 5u};
      EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
    }
    Discard();
    const abi::SrtpKey next = RandomKey(kSuite, plain_before + 60u);
    setups[1].srtp = PlanFor(kSuite, next, theirs);
    setups[1].srtp.send_roc = abi::SrtpRoc::kRestarts;
    Update(1, [](abi::LegPlan&) {});
    stage::Oracle listener(kSuite, next, false);
    for (uint32_t i = 0; i < 200; ++i) {
      const auto sequence = static_cast<uint16_t>(65'500 + i);
      const RtpPacket packet{.payload_type = 8, .sequence = sequence, .ssrc = plain_before + 5u};
      EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
      auto out = Sent();
      ASSERT_TRUE(out);
      if (i == 0) {
        EXPECT_LT(wire::Load16(&out->payload[2]), 0x8000);
      }
      if (i < 60) continue;
      EXPECT_TRUE(listener.Unprotect(&out->payload)) << i;
    }
  }
}

TEST_F(SecuredCall, UnderAKeyWhoseCounterRunsOnAStreamKeepsItsName) {
  for (const uint16_t sequence : {20'000, 40'000, 60'000}) {
    Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = sequence});
  }
  Discard();
  setups[1].srtp.send = RandomKey(kSuite, 60);
  Update(1, [](abi::LegPlan&) {});
  Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 60'001});
  const auto out = Sent();
  ASSERT_TRUE(out);
  EXPECT_EQ(wire::Load16(&out->payload[2]), 60'001);
  EXPECT_EQ(wire::Load32(&out->payload[8]), 0x11111111u);
}

// A digit of which no end could be protected was not sent; one whose first end has left was.
TEST_F(SecuredCall, ADigitIsCountedOnceWhereverItsKeyIsLost) {
  Update(1, [](abi::LegPlan& plan) { plan.formats[plan.format_count++] = EventFormat(96); });
  const abi::SrtpPlan secured = setups[1].srtp;
  for (uint32_t packets = 1; packets < 6; ++packets) {  // of 40 ms: one, then three ends
    SCOPED_TRACE(packets);
    const uint64_t sent = counters.Read(abi::Counter::kDigitsSent);
    const uint64_t lost = counters.Read(abi::Counter::kDigitsLost);
    Give({.kind = OrderKind::kSendDigit,
          .leg = 1,
          .digit = {.event = 11, .volume = 10, .duration_ms = 40},
          .number = packets + 1});
    Give({.kind = OrderKind::kSendDigit,
          .leg = 1,
          .digit = {.event = 12, .volume = 10, .duration_ms = 40},
          .number = packets + 101});
    size_t left = 0;
    for (uint32_t i = 0; i < 40; ++i) {
      if (left == packets) {
        setups[1].srtp = {};
        setups[1].srtp.suite = kSuite;
        Update(1, [](abi::LegPlan&) {});
      }
      clock.Advance(10 * kMillisecond);
      Cycle();
      while (Sent()) ++left;
    }
    EXPECT_EQ(left, packets);
    EXPECT_EQ(counters.Read(abi::Counter::kDigitsSent) - sent, packets < 2 ? 0u : 1u);
    EXPECT_EQ(counters.Read(abi::Counter::kDigitsLost) - lost, packets < 2 ? 2u : 1u);
    setups[1].srtp = secured;
    Update(1, [](abi::LegPlan&) {});
  }
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

// What could not be sent is not counted either, to the last octet.
TEST_F(SecuredCall, ASenderReportCountsThePayloadOfItsStreamAlone) {
  RtpPacket speech{.payload_type = 8,
                   .contributors = {1, 2, 3},
                   .extension = {0xbe, 0xde, 0, 1, 1, 2, 3, 4},
                   .padding = 8};
  const abi::SrtpPlan secured = setups[1].srtp;
  setups[1].srtp.send_key_count = 0;
  setups[1].srtp.send = {};
  Update(1, [](abi::LegPlan&) {});
  for (speech.sequence = 4000; speech.sequence < 4010; ++speech.sequence) {
    EXPECT_EQ(Send(0, kTrunk, speech), "srtp_no_key");
  }
  setups[1].srtp = secured;
  Update(1, [](abi::LegPlan&) {});
  for (const uint16_t sequence : {5000, 5001, 5002, 20, 21}) {
    speech.sequence = sequence;
    EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  }
  Discard();
  std::optional<port::Datagram> report;
  for (int i = 0; i < 100 && !report; ++i) {
    clock.Advance(100 * kMillisecond);
    Cycle();
    for (auto sent = Sent(); sent; sent = Sent()) {
      if (sent->remote.port == kPbx.port + 1) report = sent;
    }
  }
  ASSERT_TRUE(report);
  const Bytes opened = Opened(report->payload);
  EXPECT_EQ(opened[1], 200);
  EXPECT_NE(wire::Load32(&opened[4]), 0x11111111u) << "the stream's new name";
  EXPECT_EQ(wire::Load32(&opened[20]), 2u);
  EXPECT_EQ(wire::Load32(&opened[24]), 2u * 160);
}

// A source that starts its numbers again while the leg has plain RTP: when the key returns, they
// are numbers that it had, and nothing would be heard until they are passed.
TEST_F(SecuredCall, ASourceThatStartedAgainWithoutTheKeyIsAnotherStreamUnderIt) {
  const abi::SrtpPlan secured = setups[1].srtp;
  Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 30'000});
  setups[1].srtp = {};
  Update(1, [](abi::LegPlan&) {});
  Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 100});
  Discard();
  setups[1].srtp = secured;
  Update(1, [](abi::LegPlan&) {});
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 101}), "forwarded");
  const auto out = Sent();
  ASSERT_TRUE(out);
  EXPECT_NE(wire::Load32(&Opened(out->payload)[8]), 0x11111111u);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 102}), "forwarded");
  Discard();
}

// How deep a thread's stack has been written by the end of `work`, which it runs.
template <typename Work>
size_t StackUsed(Work work) {
  constexpr size_t kSize = 1 << 20;
  constexpr uint8_t kUntouched = 0xa5;
  auto* const stack = static_cast<uint8_t*>(std::aligned_alloc(4096, kSize));
  std::memset(stack, kUntouched, kSize);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  EXPECT_EQ(pthread_attr_setstack(&attributes, stack, kSize), 0);
  pthread_t thread;
  const auto run = [](void* all) -> void* {
    (*static_cast<Work*>(all))();
    return nullptr;
  };
  EXPECT_EQ(pthread_create(&thread, &attributes, run, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  const uint8_t* const lowest =
      std::find_if(stack, stack + kSize, [](uint8_t byte) { return byte != kUntouched; });
  const auto used = static_cast<size_t>(stack + kSize - lowest);
  std::free(stack);
  return used;
}

// Keys that go are hashed, to be known again: as much as keys that come, they leave copies below.
TEST_F(SecuredCall, TheStackIsOverwrittenAlsoWhenKeysGo) {
  if (support::kSanitized) return;  // AddressSanitizer's frames lie in memory of its own
  constexpr size_t kOverwritten = 32 * 1024;
  setups[1].srtp.receive[0] = RandomKey(kSuite, 70);
  Update(1, [](abi::LegPlan&) {});
  pbx.Apply(PlanFor(kSuite, RandomKey(kSuite, 70), ours));
  clock.Advance(2 * kSecond);
  const Bytes sealed = Sealed({.payload_type = 8});
  EXPECT_GE(StackUsed([&] { EXPECT_EQ(Send(1, kPbx, sealed), "forwarded"); }), kOverwritten)
      << "the former key's overlap has ended with a packet";
  setups[1].srtp = {};
  EXPECT_GE(StackUsed([&] { Update(1, [](abi::LegPlan&) {}); }), kOverwritten);
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
    setup.srtp = PlanFor(kSuite, ours, theirs);
    Open(1, setup);
  }
}

}  // namespace
}  // namespace relay::worker
