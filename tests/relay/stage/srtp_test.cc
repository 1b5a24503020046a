// A leg's SRTP over time: keys that change, streams that come and go, and memory that forgets.
#include "relay/stage/srtp.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "relay/stage/srtp_contexts.h"
#include "relay/stage/srtp_index.h"
#include "tests/relay/stage/srtp_world.h"

namespace relay::stage {
namespace {

using abi::SrtpRoc;
using abi::SrtpSuite;

constexpr SrtpSuite kSuite = SrtpSuite::kAesCm128HmacSha1_80;

// RFC 3711 section 3.3.1 and appendix A, and what is said of the first 2^15 packets.
TEST(SrtpIndex, IsGuessed) {
  const struct {
    uint64_t top;
    uint16_t sequence;
    uint64_t index;
  } cases[] = {{0, 0, 0},
               {0, 65535, 65535},
               {5, 65530, 65530},
               {0x8000, 0xffff, 0xffff},
               {0xffff, 0, 0x10000},
               {0xffff, 0x7ffe, 0x17ffe},
               {0xffff, 0x7fff, 0x7fff},
               {0x10000, 0xffff, 0xffff},
               {0x10005, 4, 0x10004},
               {0x17fff, 0xffff, 0x1ffff},
               {0x18000, 0, 0x10000},
               {0x18001, 0, 0x20000},
               {0xffffffffffff, 0, 0x1000000000000}};
  for (const auto& one : cases) {
    EXPECT_EQ(GuessIndex(one.top, one.sequence), one.index) << one.top << " " << one.sequence;
  }
}

// Against a set of all that was accepted.
TEST(SrtpIndex, TheWindowIsExact) {
  std::mt19937 random(3);
  session::SrtpStream stream{};
  std::vector<bool> seen(400'000);
  uint64_t top = 0;
  for (int i = 0; i < 200'000; ++i) {
    const uint32_t kind = static_cast<uint32_t>(random() % 100);
    uint64_t index = top + 1;
    if (kind >= 70) index = top + random() % 3;
    if (kind >= 90) index = top - std::min<uint64_t>(top, random() % 1100);
    if (kind == 99) index = top + random() % 1500;
    if (index >= seen.size()) break;
    const bool fresh = !seen[index] && (index > top || top - index < session::kSrtpWindow);
    ASSERT_EQ(CheckIndex(stream, index) == IndexVerdict::kNew, fresh) << i;
    if (!fresh) continue;
    CommitIndex(stream, index);
    seen[index] = true;
    top = std::max(top, index);
  }
  EXPECT_GT(top, 100'000u);
  stream.top = kSrtpIndexEnd - 1;
  EXPECT_EQ(CheckIndex(stream, kSrtpIndexEnd), IndexVerdict::kSpent);
}

// Two ends that speak with each other.
class SrtpTest : public testing::Test {
 protected:
  SrtpTest() { Agree(); }

  abi::SrtpPlan NearPlan() const { return PlanFor(kSuite, near_key, far_key); }
  abi::SrtpPlan FarPlan() const { return PlanFor(kSuite, far_key, near_key); }
  void Agree() {
    near.Apply(NearPlan(), now);
    far.Apply(FarPlan(), now);
  }
  // A packet of the far end, protected.
  Bytes FromFar(uint16_t sequence, uint32_t ssrc = 7) {
    Bytes packet = MakeRtp(ssrc, sequence, 160);
    EXPECT_EQ(far.Protect(&packet), Verdict::kForwarded);
    return packet;
  }
  std::string Arrive(Bytes packet) { return NameOf(near.Unprotect(&packet, now)); }

  TimeNs now = kSecond;
  abi::SrtpKey near_key = RandomKey(kSuite, 21);
  abi::SrtpKey far_key = RandomKey(kSuite, 22);
  SrtpEnd near{SrtpEngineKind::kAuto};
  SrtpEnd far{SrtpEngineKind::kAuto};
};

TEST_F(SrtpTest, AReplayIsRefusedAndSoIsWhatIsTooOld) {
  const Bytes first = FromFar(1);
  const Bytes second = FromFar(2);
  EXPECT_EQ(Arrive(first), "forwarded");
  EXPECT_EQ(Arrive(first), "srtp_replayed");
  for (uint16_t sequence = 3; sequence < 1026; ++sequence) {
    EXPECT_EQ(Arrive(FromFar(sequence)), "forwarded");
  }
  EXPECT_EQ(Arrive(second), "forwarded");  // 1,023 behind: the last of the window
  EXPECT_EQ(Arrive(FromFar(1026)), "forwarded");
  EXPECT_EQ(Arrive(second), "srtp_too_old");
  EXPECT_EQ(Arrive(first), "srtp_too_old");
}

TEST_F(SrtpTest, ARollOverIsCrossedAlsoWithLossesAround) {
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t sequence = 0; sequence < 65536; sequence += 200) {
      ASSERT_EQ(Arrive(FromFar(static_cast<uint16_t>(sequence))), "forwarded") << round;
    }
  }
  EXPECT_EQ(near.leg().receive.streams[0].top >> 16, 2u);
}

// Whoever begins near the end of the numbers, and is heard from behind it on because its key came
// late. libsrtp2 takes nothing of it.
TEST_F(SrtpTest, AStreamWhoseBeginningWasMissedIsHeard) {
  std::vector<Bytes> all;
  for (uint32_t i = 0; i < 200; ++i) all.push_back(FromFar(static_cast<uint16_t>(65'500 + i)));
  Bytes forged = all[60];
  forged.back() ^= 1;
  const session::SrtpLeg before = near.leg();
  EXPECT_EQ(Arrive(forged), "srtp_bad_tag");
  EXPECT_EQ(std::memcmp(&near.leg(), &before, sizeof before), 0);
  for (size_t i = 60; i < all.size(); ++i) EXPECT_EQ(Arrive(all[i]), "forwarded") << i;
  EXPECT_EQ(Arrive(all[60]), "srtp_replayed");
  EXPECT_EQ(Arrive(all[35]), "forwarded") << "late, from before the roll-over";
  EXPECT_EQ(Arrive(all[35]), "srtp_replayed");
}

TEST_F(SrtpTest, TheSamePlanAgainChangesNothing) {
  const Bytes first = FromFar(1);
  EXPECT_EQ(Arrive(first), "forwarded");
  Agree();
  EXPECT_EQ(Arrive(first), "srtp_replayed");
  EXPECT_EQ(Arrive(FromFar(2)), "forwarded");
  EXPECT_EQ(near.leg().former.key_count, 0);
}

TEST_F(SrtpTest, AFormerKeyIsGoodForTheOverlap) {
  const Bytes before = FromFar(1);
  const Bytes late = FromFar(2);
  const Bytes never = FromFar(3);
  EXPECT_EQ(Arrive(before), "forwarded");
  far_key = RandomKey(kSuite, 30);
  Agree();
  EXPECT_EQ(Arrive(FromFar(4)), "forwarded");
  EXPECT_EQ(Arrive(late), "forwarded");
  EXPECT_EQ(Arrive(late), "srtp_replayed");
  now += kSecond;
  EXPECT_EQ(Arrive(never), "srtp_bad_tag");
  EXPECT_EQ(Arrive(FromFar(5)), "forwarded");
  EXPECT_EQ(near.leg().receive.streams[0].quick, 1);
}

TEST_F(SrtpTest, NothingIsAcceptedOrSentWithoutItsKey) {
  abi::SrtpPlan plan{};
  plan.suite = kSuite;
  SrtpEnd waiting(SrtpEngineKind::kAuto);
  waiting.Apply(plan);
  Bytes packet = FromFar(1);
  EXPECT_EQ(waiting.Unprotect(&packet), Verdict::kSrtpNoKey);
  packet = MakeRtp(1, 1, 20);
  EXPECT_EQ(waiting.Protect(&packet), Verdict::kSrtpNoKey);
  packet = MakeRtcp(1);
  EXPECT_EQ(waiting.ProtectRtcp(&packet), Verdict::kSrtpNoKey);
}

TEST_F(SrtpTest, KeysAreToldApartByTheirMki) {
  for (const SrtpSuite suite : {kSuite, SrtpSuite::kAeadAes256Gcm}) {
    for (const uint8_t length : {1, 4, 128}) {
      abi::SrtpPlan plan = PlanFor(suite, RandomKey(suite, 1), RandomKey(suite, 2));
      plan.receive_key_count = 2;
      plan.receive[1] = RandomKey(suite, 3);
      plan.receive[0].mki_length = plan.receive[1].mki_length = length;
      plan.receive[0].mki = 1;
      plan.receive[1].mki = 2;
      SrtpEnd receiver(SrtpEngineKind::kAuto);
      receiver.Apply(plan);
      uint16_t sequence = 100;
      for (const uint64_t mki : {1, 2, 3}) {
        abi::SrtpPlan sends =
            PlanFor(suite, mki == 1 ? plan.receive[0] : plan.receive[1], RandomKey(suite, 4));
        sends.send.mki = mki;
        SrtpEnd sender(SrtpEngineKind::kAuto);
        sender.Apply(sends);
        Bytes rtp = MakeRtp(9, ++sequence, 160);
        const Bytes plain = rtp;
        ASSERT_EQ(sender.Protect(&rtp), Verdict::kForwarded);
        EXPECT_EQ(rtp.size(), plain.size() + abi::FactsOf(suite).rtp_tag_length + length);
        Bytes rtcp = MakeRtcp(9 + static_cast<uint32_t>(mki), 1);
        const Bytes plain_rtcp = rtcp;
        ASSERT_EQ(sender.ProtectRtcp(&rtcp), Verdict::kForwarded);
        const Verdict expected = mki == 3 ? Verdict::kSrtpNoKey : Verdict::kForwarded;
        EXPECT_EQ(receiver.Unprotect(&rtp), expected) << mki;
        EXPECT_EQ(receiver.Unprotect(&rtcp), expected) << mki;
        if (mki == 3) continue;
        EXPECT_EQ(rtp, plain);
        EXPECT_EQ(rtcp, plain_rtcp);
      }
    }
  }
}

// Four streams are remembered whole, sixteen more by their newest index; none is forgotten.
TEST_F(SrtpTest, AStreamThatReturnsCannotBeReplayed) {
  Oracle source(kSuite, far_key, true);  // it sends many SSRCs under one key, as a far end may
  std::vector<Bytes> history;
  const auto seal = [&](uint32_t ssrc, uint16_t sequence) {
    Bytes packet = MakeRtp(ssrc, sequence, 20);
    EXPECT_TRUE(source.Protect(&packet));
    history.push_back(packet);
    return packet;
  };
  for (uint32_t ssrc = 1; ssrc <= 20; ++ssrc) {
    ASSERT_EQ(Arrive(seal(ssrc, 1)), "forwarded");
    ASSERT_EQ(Arrive(seal(ssrc, 2)), "forwarded");
  }
  for (const Bytes& packet : history) EXPECT_EQ(Arrive(packet).substr(0, 5), "srtp_");
  EXPECT_EQ(Arrive(seal(1, 3)), "forwarded");
  EXPECT_EQ(Arrive(history[1]), "srtp_replayed");
  // One stream more than can be remembered.
  EXPECT_EQ(Arrive(seal(21, 1)), "srtp_sources");
  EXPECT_EQ(Arrive(seal(20, 3)), "forwarded");
}

TEST_F(SrtpTest, AnIndexIsProtectedOnce) {
  Bytes packet = MakeRtp(7, 10, 20);
  EXPECT_EQ(near.Protect(&packet), Verdict::kForwarded);
  packet = MakeRtp(7, 10, 20);
  const Bytes plain = packet;
  EXPECT_EQ(near.Protect(&packet), Verdict::kSrtpIndexUsed);
  EXPECT_EQ(packet, plain);  // and it did not leave in pieces
  packet = MakeRtp(7, 8, 20);
  EXPECT_EQ(near.Protect(&packet), Verdict::kForwarded);
  packet = MakeRtp(8, 10, 20);
  EXPECT_EQ(near.Protect(&packet), Verdict::kForwarded);
  packet = MakeRtp(7, 11, 20);  // nobody remembers how far this one had come
  EXPECT_EQ(near.Protect(&packet), Verdict::kSrtpIndexUsed);
}

TEST_F(SrtpTest, AFullTailIsSaidAndNotOverrun) {
  Bytes bytes = MakeRtp(7, 1, 20);
  SrtpPacket packet{.leg = 0,
                    .length = static_cast<uint32_t>(bytes.size()),
                    .data = bytes.data(),
                    .tailroom = 9,
                    .verdict = Verdict::kForwarded};
  near.srtp().Protect({&packet, 1});
  EXPECT_EQ(packet.verdict, Verdict::kTooLong);
}

TEST_F(SrtpTest, AForgottenLegIsZeroes) {
  for (const SrtpSuite suite : kAllSuites) {
    near.Apply(PlanFor(suite, RandomKey(suite, 1), RandomKey(suite, 2)));
    EXPECT_NE(near.leg().receive.keys[0].master.key[0], 0);
    near.srtp().Forget(0);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&near.leg());
    EXPECT_TRUE(std::all_of(bytes, bytes + sizeof(session::SrtpLeg),
                            [](uint8_t byte) { return byte == 0; }));
  }
}

TEST(SrtpContextsTest, ABlockIsWipedAndUsedAgain) {
  for (const SrtpEngineKind kind : EnginesHere()) {
    const std::unique_ptr<SrtpEngine> engine = MakeSrtpEngine(kind);
    SrtpContexts contexts(engine.get(), 1);
    const abi::SrtpKey key = RandomKey(kSuite, 5);
    const SrtpContextKeys keys{kSuite, SrtpUse::kRtp, SrtpDirection::kProtect, key};
    const uint32_t first = contexts.Make(keys);
    const uint32_t second = contexts.Make(keys);
    EXPECT_NE(first, second);
    contexts.Drop(first, kSuite);
    const auto* bytes = static_cast<const uint8_t*>(contexts.At(first));
    EXPECT_TRUE(std::all_of(bytes + 4, bytes + engine->ContextSize(kSuite),
                            [](uint8_t byte) { return byte == 0; }));
    EXPECT_EQ(contexts.Make(keys), first);
    contexts.Drop(first, kSuite);
    contexts.Drop(second, kSuite);
    contexts.Drop(session::kNoContext, kSuite);
  }
}

}  // namespace
}  // namespace relay::stage
