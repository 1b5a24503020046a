// A call with an encrypted side: whose keys the relay is told, and when they change.
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/sdp/crypto.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using relay::abi::SrtpPlan;
using relay::abi::SrtpSuite;
using sip::Method;
using testing::HasSubstr;
using testing::Not;

constexpr char kFirst[] = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr char kSecond[] = "AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

// The PBX's description with a key.
std::string Secured(const std::string& key, int version = 1) {
  std::string body = World::PbxSdp("sendrecv", version);
  body.replace(body.find("RTP/AVP"), 7, "RTP/SAVP");
  return body + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\r\n";
}

std::string KeyIn(const std::string& body) {
  const size_t at = body.find("inline:");
  return at == std::string::npos ? "" : body.substr(at + 7, 40);
}

std::string TextOf(const relay::abi::SrtpKey& key) {
  sdp::CryptoLine line;
  line.keys.resize(1);
  line.keys[0].length = 30;
  std::memcpy(line.keys[0].bytes.data(), key.key, 16);
  std::memcpy(line.keys[0].bytes.data() + 16, key.salt, 14);
  return KeyIn(sdp::FormatCrypto(line));
}

class CallSrtpTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.config->trunks[1].media.srtp = sdp::Srtp::kRequired;
    world_.carrier.Invite(1, "+911234", World::CarrierSdp());
    world_.Run(100);
    ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
    EXPECT_THAT(world_.pbx.Got(Method::kInvite)->body, HasSubstr("RTP/SAVP"));
    ours_ = KeyIn(world_.pbx.Got(Method::kInvite)->body);
    ASSERT_EQ(ours_.size(), 40u);
    world_.pbx.Respond(200, Secured(kFirst));
    world_.Run(100);
    ASSERT_EQ(world_.carrier.status(), 200);
  }
  void TearDown() override {
    world_.carrier.Bye();
    world_.Run(200);
    world_.ExpectNothingLeft();
  }
  const SrtpPlan& Told(uint8_t leg) { return world_.RelayLeg(leg).srtp; }

  World world_;
  std::string ours_;
};

TEST_F(CallSrtpTest, EachSideHasItsOwn) {
  EXPECT_EQ(Told(0).suite, SrtpSuite::kNone);
  EXPECT_EQ(Told(1).suite, SrtpSuite::kAesCm128HmacSha1_80);
  EXPECT_EQ(TextOf(Told(1).send), ours_);
  EXPECT_EQ(TextOf(Told(1).receive[0]), kFirst);
  EXPECT_THAT(world_.carrier.last().body, Not(HasSubstr("crypto")));
}

TEST_F(CallSrtpTest, ARefreshChangesNothingAndANewKeyOneDirection) {
  const size_t told = world_.fake_relay.log().size();
  world_.pbx.Reinvite(Secured(kFirst));
  world_.Run(200);
  EXPECT_EQ(world_.pbx.status(), 200);
  EXPECT_EQ(KeyIn(world_.pbx.last().body), ours_);
  EXPECT_EQ(world_.fake_relay.log().size(), told);
  world_.pbx.Reinvite(Secured(kSecond, 2));
  world_.Run(200);
  EXPECT_EQ(world_.pbx.status(), 200);
  EXPECT_EQ(KeyIn(world_.pbx.last().body), ours_);
  EXPECT_EQ(TextOf(Told(1).send), ours_);
  EXPECT_EQ(TextOf(Told(1).receive[0]), kSecond);
  EXPECT_EQ(Told(1).overlap_ms, 1000);
  EXPECT_EQ(world_.carrier.Count(Method::kInvite), 0u) << "nobody else's business";
}

// The next relay never sends under a key of the dead one.
TEST_F(CallSrtpTest, ANewRelayGetsANewKey) {
  world_.pbx.Clear();
  world_.pbx.reinvite_answer = Secured(kFirst, 2);
  const size_t told = world_.fake_relay.log().size();
  world_.fake_relay.Die();
  world_.Run(100);
  world_.fake_relay.Restart();
  world_.Run(2000);
  ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
  const std::string next = KeyIn(world_.pbx.Got(Method::kInvite)->body);
  EXPECT_EQ(next.size(), 40u);
  EXPECT_NE(next, ours_);
  EXPECT_EQ(TextOf(Told(1).send), next);
  EXPECT_EQ(TextOf(Told(1).receive[0]), kFirst);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  EXPECT_EQ(world_.carrier.Count(Method::kInvite), 0u);
  for (size_t i = told; i < world_.fake_relay.log().size(); ++i) {
    const relay::abi::Command& command = world_.fake_relay.log()[i];
    if (command.kind != relay::abi::CommandKind::kLegOpen &&
        command.kind != relay::abi::CommandKind::kLegUpdate) {
      continue;
    }
    EXPECT_NE(TextOf(command.body.leg.srtp.send), ours_);
  }
}

// A party that nothing may be sent to again is not left in silence.
TEST_F(CallSrtpTest, WhoRefusesTheNewKeyIsHungUp) {
  world_.pbx.Clear();
  world_.pbx.reinvite_status = 488;
  world_.fake_relay.Die();
  world_.Run(100);
  world_.fake_relay.Restart();
  world_.Run(2000);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  ASSERT_EQ(world_.cdrs().size(), 1u);
  EXPECT_THAT(world_.cdrs()[0].reason, HasSubstr("refuses the new key"));
}

// The relay dies while the party's own re-INVITE waits for the other side's word.
TEST_F(CallSrtpTest, ABusyLegGetsItsKeyAfterwards) {
  world_.pbx.Clear();
  world_.pbx.reinvite_answer = Secured(kFirst, 3);
  world_.carrier.busy_with_reinvites = true;
  std::string hold = Secured(kFirst, 2);
  hold.replace(hold.find("sendrecv"), 8, "sendonly");
  world_.pbx.Reinvite(hold);
  world_.Run(100);
  ASSERT_EQ(world_.carrier.Count(Method::kInvite), 1u);
  world_.fake_relay.Die();
  world_.Run(100);
  world_.fake_relay.Restart();
  world_.Run(500);
  EXPECT_EQ(Told(1).send_key_count, 0);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.carrier.Respond(200, World::CarrierSdp("recvonly", 2));
  world_.Run(1000);
  ASSERT_EQ(world_.pbx.status(), 200);
  const std::string next = KeyIn(world_.pbx.last().body);
  EXPECT_NE(next, ours_) << "its own offer was answered with a key that is new";
  EXPECT_EQ(TextOf(Told(1).send), next);
}

std::string ForkAnswer(int tag, std::string_view suite, const std::string& key) {
  std::string body = World::PbxSdp();
  body.append("a=crypto:").append(std::to_string(tag)).append(" ").append(suite);
  return body.append(" inline:").append(key).append("\r\n");
}

// The keys of our offer are in use by turns, as the branches of a fork answer: one that was given
// up comes back. The relay lets no key begin anew on a leg (relay/abi/srtp.h); it must get the
// chance to: the same leg all the time, never more keys than it knows, and none that is not of the
// offer.
TEST(CallSrtp, TheBranchesOfAForkTakeOurKeysByTurns) {
  World world;
  sdp::MediaPolicy& policy = world.config->trunks[1].media;
  policy.srtp = sdp::Srtp::kOptional;
  policy.suites_offered = {sdp::Suite::kAesCm128HmacSha1_80, sdp::Suite::kAesCm128HmacSha1_32};
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  ASSERT_NE(world.pbx.Got(Method::kInvite), nullptr);
  const std::string offer = world.pbx.Got(Method::kInvite)->body;
  const std::string ours[] = {KeyIn(offer), KeyIn(offer.substr(offer.find("inline:") + 7))};
  ASSERT_NE(ours[0], ours[1]);
  const std::string first = ForkAnswer(1, "AES_CM_128_HMAC_SHA1_80", kFirst);
  const std::string second = ForkAnswer(2, "AES_CM_128_HMAC_SHA1_32", kSecond);
  const struct {
    int status;
    const char* branch;
    std::string answer;
    SrtpSuite suite;
  } kTurns[] = {
      {183, "a", first, SrtpSuite::kAesCm128HmacSha1_80},
      {183, "b", second, SrtpSuite::kAesCm128HmacSha1_32},
      {183, "a", first, SrtpSuite::kAesCm128HmacSha1_80},
      {183, "c", World::PbxSdp(), SrtpSuite::kNone},
      {200, "a", first, SrtpSuite::kAesCm128HmacSha1_80},
  };
  for (const auto& turn : kTurns) {
    world.pbx.Respond(turn.status, turn.answer, turn.branch);
    world.Run(100);
    const SrtpPlan& told = world.RelayLeg(1).srtp;
    EXPECT_EQ(told.suite, turn.suite) << turn.branch;
    if (turn.suite == SrtpSuite::kNone) continue;
    EXPECT_EQ(TextOf(told.send), ours[turn.suite == SrtpSuite::kAesCm128HmacSha1_32]);
    EXPECT_EQ(told.send_roc, relay::abi::SrtpRoc::kRunsOn);
  }
  for (const relay::abi::Command& command : world.fake_relay.log()) {
    EXPECT_NE(command.kind, relay::abi::CommandKind::kLegClose);
  }
  world.carrier.Bye();
  world.Run(200);
  world.ExpectNothingLeft();
}

TEST(CallSrtp, WithoutAKeyThereIsNoCall) {
  World world;
  world.config->trunks[1].media.srtp = sdp::Srtp::kRequired;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp());
  world.Run(200);
  EXPECT_EQ(world.carrier.status(), 502);
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
