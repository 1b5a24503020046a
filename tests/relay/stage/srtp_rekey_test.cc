// Keys that change, in silence too, and keys that return: no packet is accepted twice, no index
// used twice, whatever came between.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "relay/stage/srtp.h"
#include "tests/relay/stage/srtp_world.h"

namespace relay::stage {
namespace {

using abi::SrtpRoc;
using abi::SrtpSuite;

constexpr SrtpSuite kCounterMode = SrtpSuite::kAesCm128HmacSha1_80;
constexpr SrtpSuite kGcm = SrtpSuite::kAeadAes256Gcm;

// Two ends of which one sends; the other way has a key that nobody uses.
class Rekey : public testing::TestWithParam<SrtpEngineKind> {
 protected:
  // Both go over to key number `key`.
  void Agree(uint32_t key, SrtpRoc sends = SrtpRoc::kRunsOn, SrtpRoc expects = SrtpRoc::kEither,
             SrtpSuite suite = kCounterMode) {
    const abi::SrtpKey unused = RandomKey(suite, 1);
    abi::SrtpPlan plan = PlanFor(suite, RandomKey(suite, key), unused);
    plan.send_roc = sends;
    far.Apply(plan, now);
    plan = PlanFor(suite, unused, RandomKey(suite, key));
    plan.receive_roc = expects;
    near.Apply(plan, now);
  }
  void GoPlain() {
    far.Apply({}, now);
    near.Apply({}, now);
  }
  Bytes Seal(uint16_t sequence, uint32_t ssrc = 7) {
    Bytes packet = MakeRtp(ssrc, sequence, 20);
    EXPECT_EQ(far.Protect(&packet), Verdict::kForwarded) << sequence;
    return packet;
  }
  Bytes SealRtcp(uint32_t ssrc = 7) {
    Bytes packet = MakeRtcp(ssrc);
    EXPECT_EQ(far.ProtectRtcp(&packet), Verdict::kForwarded);
    return packet;
  }
  std::string Arrive(Bytes packet) { return NameOf(near.Unprotect(&packet, now)); }
  bool Accepts(const Bytes& packet) { return Arrive(packet) == "forwarded"; }
  // The counter of the stream is 3 then, and the next number 0.
  void RollOver() {
    for (uint32_t i = 0; i < 4 * 65536 / 16384; ++i) {
      ASSERT_EQ(Arrive(Seal(static_cast<uint16_t>(i * 16384))), "forwarded");
    }
  }

  TimeNs now = kSecond;
  SrtpEnd far{GetParam()};
  SrtpEnd near{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(All, Rekey, testing::ValuesIn(EnginesHere()),
                         [](const auto& one) { return EngineName(one.param); });

// Far ends whose counter is 3 when the key changes: one goes on, one begins at 0. Between may be
// keys under which nothing is heard, as when a far party changes its mind, or its answer is
// awaited.
TEST_P(Rekey, TheCounterRunsOnOrRestartsAsAgreed) {
  const struct {
    SrtpRoc sends;
    SrtpRoc expects;
    const char* verdict;
  } cases[] = {{SrtpRoc::kRunsOn, SrtpRoc::kRunsOn, "forwarded"},
               {SrtpRoc::kRestarts, SrtpRoc::kRunsOn, "srtp_bad_tag"},
               {SrtpRoc::kRunsOn, SrtpRoc::kRestarts, "srtp_bad_tag"},
               {SrtpRoc::kRestarts, SrtpRoc::kRestarts, "forwarded"},
               {SrtpRoc::kRunsOn, SrtpRoc::kEither, "forwarded"},
               {SrtpRoc::kRestarts, SrtpRoc::kEither, "forwarded"}};
  for (const auto& one : cases) {
    for (const int silent : {0, 1, 5}) {
      SCOPED_TRACE(std::string(one.verdict) + ", silent keys: " + std::to_string(silent));
      far.srtp().Forget(0);
      near.srtp().Forget(0);
      Agree(2);
      RollOver();
      for (int i = 0; i < silent; ++i) Agree(10 + static_cast<uint32_t>(i), one.sends, one.expects);
      if (silent == 5) {
        abi::SrtpPlan awaiting{};
        awaiting.suite = kCounterMode;
        awaiting.receive_roc = one.expects;
        near.Apply(awaiting, now);
      }
      Agree(3, one.sends, one.expects);
      const Bytes sealed = Seal(50'000);
      EXPECT_EQ(Arrive(sealed), one.verdict);
      if (std::string(one.verdict) != "forwarded") continue;
      EXPECT_EQ(Arrive(sealed), "srtp_replayed");
      EXPECT_EQ(Arrive(Seal(50'001)), "forwarded");
    }
  }
}

// A stream that had made room when the key changed has its counter still.
TEST_P(Rekey, AStreamThatHadMadeRoomRunsOnToo) {
  for (const SrtpRoc roc : {SrtpRoc::kRunsOn, SrtpRoc::kEither}) {
    far.srtp().Forget(0);
    near.srtp().Forget(0);
    Agree(2);
    RollOver();
    SrtpEnd others(GetParam());
    others.Apply(PlanFor(kCounterMode, RandomKey(kCounterMode, 2), RandomKey(kCounterMode, 1)));
    for (uint32_t ssrc = 20; ssrc < 25; ++ssrc) {
      Bytes packet = MakeRtp(ssrc, 1, 20);
      ASSERT_EQ(others.Protect(&packet), Verdict::kForwarded);
      ASSERT_EQ(Arrive(packet), "forwarded");
    }
    Agree(3, SrtpRoc::kRunsOn, roc);
    EXPECT_EQ(Arrive(Seal(50'000)), "forwarded");
  }
}

class Return : public Rekey {
 public:
  // How often it is done, and how: a letter each. b, c: another key; g: one of another suite;
  // p: plain RTP; w: the overlap ends; r: another key, with which the counter restarts.
  void Happen(const std::string& story) {
    uint16_t sequence = 500;
    for (const char step : story) {
      if (step == 'w') {
        now += 2 * kSecond;
        continue;
      }
      if (step == 'p') {
        GoPlain();
        continue;
      }
      const SrtpRoc roc = step == 'r' ? SrtpRoc::kRestarts : SrtpRoc::kRunsOn;
      Agree(static_cast<uint32_t>(step), roc, SrtpRoc::kEither, step == 'g' ? kGcm : kCounterMode);
      Accepts(Seal(sequence++));
      Accepts(SealRtcp());
    }
  }
};

constexpr const char* kStories[] = {"b", "bw", "p", "pw",  "bcw",    "bpc",
                                    "g", "gw", "r", "rbw", "bcbcbc", "pbpcp"};

INSTANTIATE_TEST_SUITE_P(All, Return, testing::ValuesIn(EnginesHere()),
                         [](const auto& one) { return EngineName(one.param); });

TEST_P(Return, NothingThatWasAcceptedIsAcceptedAgain) {
  for (const char* const story : kStories) {
    SCOPED_TRACE(story);
    far.srtp().Forget(0);
    near.srtp().Forget(0);
    Agree(2);
    std::vector<Bytes> history;
    for (uint16_t sequence = 100; sequence < 110; ++sequence) history.push_back(Seal(sequence));
    for (int i = 0; i < 5; ++i) history.push_back(SealRtcp());
    for (const Bytes& packet : history) ASSERT_EQ(Arrive(packet), "forwarded");
    Happen(story);
    Agree(2);
    for (const Bytes& packet : history) {
      const std::string verdict = Arrive(packet);
      EXPECT_TRUE(verdict == "srtp_replayed" || verdict == "srtp_too_old") << verdict;
    }
    // And the call goes on.
    EXPECT_EQ(Arrive(Seal(900)), "forwarded");
    EXPECT_EQ(Arrive(SealRtcp()), "forwarded");
    for (const Bytes& packet : history) EXPECT_FALSE(Accepts(packet));
  }
}

TEST_P(Return, NoIndexIsUsedAgain) {
  for (const SrtpRoc roc : {SrtpRoc::kRunsOn, SrtpRoc::kRestarts}) {
    for (const char* const story : kStories) {
      SCOPED_TRACE(story);
      far.srtp().Forget(0);
      near.srtp().Forget(0);
      Agree(2);
      for (uint16_t sequence = 100; sequence < 110; ++sequence) Seal(sequence);
      const Bytes report = SealRtcp();
      const uint32_t index = wire::Load32(&report[8]) & 0x7fffffff;
      Happen(story);
      Agree(2, roc);
      for (uint16_t sequence = 95; sequence < 110; ++sequence) {
        Bytes packet = MakeRtp(7, sequence, 20, sequence);
        EXPECT_EQ(far.Protect(&packet), Verdict::kSrtpIndexUsed) << sequence;
      }
      Seal(900);
      EXPECT_GT(wire::Load32(&SealRtcp()[8]) & 0x7fffffff, index);
    }
  }
}

// An SSRC that the leg left under the key is not sent under it again, whatever came between.
TEST_P(Return, AnSsrcThatWasLeftStaysLeft) {
  for (const char* const story : kStories) {
    SCOPED_TRACE(story);
    far.srtp().Forget(0);
    near.srtp().Forget(0);
    Agree(2);
    Seal(100, 6);
    Seal(100, 7);
    Happen(story);
    Agree(2);
    Bytes packet = MakeRtp(6, 2000, 20);
    EXPECT_EQ(far.Protect(&packet), Verdict::kSrtpIndexUsed);
    Seal(2000, 7);
  }
}

TEST_P(Return, OfPrintsNothingIsLeftWhenTheLegCloses) {
  Agree(2);
  Accepts(Seal(1));
  Happen("bp");
  EXPECT_NE(far.leg().past.send[0], 0u);
  EXPECT_NE(near.leg().past.receive[0].print, 0u);
  for (SrtpEnd* end : {&near, &far}) {
    // Plain RTP: not one key is left, only what was counted under them.
    const abi::SrtpKey zero{};
    EXPECT_EQ(std::memcmp(&end->leg().send.master, &zero, sizeof zero), 0);
    EXPECT_EQ(std::memcmp(&end->leg().receive.keys[0].master, &zero, sizeof zero), 0);
    EXPECT_EQ(std::memcmp(&end->leg().former.keys[0].master, &zero, sizeof zero), 0);
    end->srtp().Forget(0);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&end->leg());
    EXPECT_TRUE(
        std::all_of(bytes, bytes + sizeof(session::SrtpLeg), [](uint8_t one) { return one == 0; }));
  }
}

// RFC 3711 section 3.4: after a change of keys the index of SRTCP goes on; and it is the leg's, not
// an SSRC's.
TEST_P(Rekey, TheIndexOfReportsRunsOn) {
  uint32_t expected = 0;
  for (const SrtpSuite suite : kAllSuites) {
    for (const uint32_t key : {40, 41}) {
      Agree(key, SrtpRoc::kRunsOn, SrtpRoc::kEither, suite);
      for (const uint32_t ssrc : {7, 7, 8, 7, 9}) {
        const Bytes sealed = SealRtcp(ssrc);
        const size_t behind = abi::IsGcm(suite) ? 4 : 14;
        EXPECT_EQ(wire::Load32(&sealed[sealed.size() - behind]), 0x80000000 | ++expected);
        EXPECT_EQ(Arrive(sealed), "forwarded") << abi::FactsOf(suite).name;
      }
    }
  }
}

// Not even the order of streams: else who replays an old one could push the call's own out of those
// that are remembered whole.
TEST_P(Rekey, AReplayOfAnotherStreamMovesNothing) {
  Agree(2);
  SrtpEnd others(GetParam());
  others.Apply(PlanFor(kCounterMode, RandomKey(kCounterMode, 2), RandomKey(kCounterMode, 1)));
  std::vector<Bytes> history;
  for (uint32_t ssrc = 20; ssrc < 27; ++ssrc) {  // three of them had to make room
    Bytes packet = MakeRtp(ssrc, 2000, 20);
    ASSERT_EQ(others.Protect(&packet), Verdict::kForwarded);
    history.push_back(packet);
    ASSERT_EQ(Arrive(packet), "forwarded");
  }
  const session::SrtpLeg before = near.leg();
  for (const Bytes& packet : history) {
    EXPECT_EQ(Arrive(packet), "srtp_replayed");
    EXPECT_EQ(std::memcmp(&near.leg(), &before, sizeof before), 0);
  }
}

}  // namespace
}  // namespace relay::stage
