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

// A change of keys in which one stays: with an MKI or another one, under another suite, beside
// others. MKIs of 4 bytes; a key without a number has none.
struct Numbered {
  uint32_t key;
  uint64_t mki = 0;
};
struct Staying {
  const char* name;
  SrtpSuite suite;
  std::vector<Numbered> keys;
};
abi::SrtpKey MakeKey(const Numbered& one) {
  abi::SrtpKey key = RandomKey(kCounterMode, one.key);
  key.mki_length = one.mki == 0 ? 0 : 4;
  key.mki = one.mki;
  return key;
}

class Stay : public Rekey {
 protected:
  static constexpr uint32_t kStays = 2;

  // Who listens has all the keys, who sends the one that stays.
  void AgreeOn(const Staying& all) {
    abi::SrtpPlan plan = PlanFor(all.suite, RandomKey(all.suite, 1), {});
    plan.receive_key_count = static_cast<uint8_t>(all.keys.size());
    plan.receive_roc = SrtpRoc::kEither;
    for (size_t i = 0; i < all.keys.size(); ++i) {
      plan.receive[i] = MakeKey(all.keys[i]);
      if (all.keys[i].key == kStays) mki = plan.receive[i].mki;
    }
    near.Apply(plan, now);
    abi::SrtpKey key = RandomKey(all.suite, kStays);
    key.mki_length = mki == 0 ? 0 : 4;
    key.mki = mki;
    far.Apply(PlanFor(all.suite, key, RandomKey(all.suite, 1)), now);
    suite = all.suite;
  }
  // What anybody can make of a packet that was sealed under the same key before: neither MKI nor
  // the length of the tag is authentic.
  Bytes InTodaysForm(Bytes packet, SrtpSuite former, uint64_t former_mki, bool rtcp) const {
    const size_t tag =
        rtcp ? abi::FactsOf(former).rtcp_tag_length : abi::FactsOf(former).rtp_tag_length;
    if (former_mki != 0) packet.erase(packet.end() - tag - 4, packet.end() - tag);
    if (mki != 0) {
      const uint8_t bytes[4] = {0, 0, 0, static_cast<uint8_t>(mki)};
      packet.insert(packet.end() - tag, bytes, bytes + 4);
    }
    if (!rtcp) packet.resize(packet.size() - tag + abi::FactsOf(suite).rtp_tag_length);
    return packet;
  }

  uint64_t mki = 0;
  SrtpSuite suite = kCounterMode;
};

INSTANTIATE_TEST_SUITE_P(All, Stay, testing::ValuesIn(EnginesHere()),
                         [](const auto& one) { return EngineName(one.param); });

TEST_P(Stay, NothingThatWasAcceptedIsAcceptedAgain) {
  constexpr SrtpSuite kShortTag = SrtpSuite::kAesCm128HmacSha1_32;
  const Staying changes[][2] = {
      {{"one more", kCounterMode, {{2, 1}}}, {"", kCounterMode, {{2, 1}, {3, 2}}}},
      {{"the next two", kCounterMode, {{4, 1}, {2, 2}}}, {"", kCounterMode, {{2, 2}, {3, 3}}}},
      {{"one less", kCounterMode, {{4, 1}, {2, 2}}}, {"", kCounterMode, {{2, 2}}}},
      {{"turned", kCounterMode, {{4, 1}, {2, 2}}}, {"", kCounterMode, {{2, 2}, {4, 1}}}},
      {{"with an MKI", kCounterMode, {{2}}}, {"", kCounterMode, {{2, 1}}}},
      {{"without", kCounterMode, {{2, 1}}}, {"", kCounterMode, {{2}}}},
      {{"another MKI", kCounterMode, {{2, 1}}}, {"", kCounterMode, {{2, 9}}}},
      {{"a shorter tag", kCounterMode, {{2}}}, {"", kShortTag, {{2}}}}};
  for (const auto& change : changes) {
    SCOPED_TRACE(change[0].name);
    far.srtp().Forget(0);
    near.srtp().Forget(0);
    now = kSecond;
    AgreeOn(change[0]);
    const uint64_t former = mki;
    RollOver();
    std::vector<Bytes> rtp;
    for (uint16_t sequence = 100; sequence < 110; ++sequence) rtp.push_back(Seal(sequence));
    const Bytes late = Seal(110);  // on its way while the keys change
    rtp.push_back(Seal(111));
    std::vector<Bytes> rtcp;
    for (int i = 0; i < 5; ++i) rtcp.push_back(SealRtcp());
    for (const Bytes& packet : rtp) ASSERT_EQ(Arrive(packet), "forwarded");
    for (const Bytes& packet : rtcp) ASSERT_EQ(Arrive(packet), "forwarded");
    AgreeOn(change[1]);
    const auto refuses = [&](const Bytes& packet, bool is_rtcp) {
      EXPECT_FALSE(Accepts(packet));
      const std::string verdict = Arrive(InTodaysForm(packet, change[0].suite, former, is_rtcp));
      EXPECT_TRUE(verdict == "srtp_replayed" || verdict == "srtp_too_old") << verdict;
    };
    const auto refuses_all = [&] {
      for (const Bytes& packet : rtp) refuses(packet, false);
      for (const Bytes& packet : rtcp) refuses(packet, true);
    };
    refuses_all();
    // What was not heard yet still is, and the call goes on.
    EXPECT_EQ(Arrive(InTodaysForm(late, change[0].suite, former, false)), "forwarded");
    rtp.push_back(late);
    EXPECT_EQ(Arrive(Seal(900)), "forwarded");
    EXPECT_EQ(Arrive(SealRtcp()), "forwarded");
    now += 2 * kSecond;  // the overlap has ended
    refuses_all();
    // And where it once more changes back.
    AgreeOn(change[0]);
    for (const Bytes& packet : rtp) EXPECT_FALSE(Accepts(packet));
    for (const Bytes& packet : rtcp) EXPECT_FALSE(Accepts(packet));
    EXPECT_EQ(Arrive(Seal(901)), "forwarded");
    EXPECT_EQ(Arrive(SealRtcp()), "forwarded");
  }
}

// RFC 3711 section 3.4: after a change of keys the index of SRTCP goes on; and it is the leg's, not
// an SSRC's.
// What the leg remembers of a key is of the time when it was away, not of now.
TEST_P(Stay, AKeyThatHadBeenAwayKeepsWhatIsOnItsWay) {
  AgreeOn({"", kCounterMode, {{kStays, 1}}});
  EXPECT_TRUE(Accepts(Seal(100)));
  EXPECT_TRUE(Accepts(SealRtcp()));
  AgreeOn({"", kCounterMode, {{5, 1}}});
  now += 2 * kSecond;
  AgreeOn({"", kCounterMode, {{kStays, 1}}});
  EXPECT_TRUE(Accepts(Seal(101)));
  const Bytes late = Seal(102);
  const Bytes late_report = SealRtcp();
  EXPECT_TRUE(Accepts(Seal(103)));
  EXPECT_TRUE(Accepts(SealRtcp()));
  AgreeOn({"", kCounterMode, {{kStays, 1}, {3, 2}}});
  EXPECT_EQ(Arrive(late), "forwarded");
  EXPECT_EQ(Arrive(late_report), "forwarded");
}

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
