// What a peer may say, and what it means for the leg.
#include "gtest/gtest.h"
#include "sipctl/sdp/offer_answer.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

TEST(Rtcp, DefaultsToTheNextPortAndHonoursTheAttribute) {
  EXPECT_EQ(Answered(Audio("audio 4000 RTP/AVP 8", {})).plan()->remote_rtcp.port, 4001);
  EXPECT_EQ(Answered(Audio("audio 4000 RTP/AVP 8", {"rtcp:4777"})).plan()->remote_rtcp.port, 4777);
  EXPECT_EQ(
      FormatIpEndpoint(Answered(Audio("audio 4000 RTP/AVP 8", {"rtcp:4777 IN IP4 198.51.100.99"}))
                           .plan()
                           ->remote_rtcp),
      "198.51.100.99:4777");
  EXPECT_EQ(Answered(Audio("audio 65535 RTP/AVP 8", {})).plan()->remote_rtcp.port, 0);
}

TEST(Ptime, IsWhatTheFarSideWants) {
  EXPECT_EQ(Answered(Audio("audio 4000 RTP/AVP 8", {"ptime:30", "maxptime:60"})).plan()->ptime_ms,
            30);
  EXPECT_EQ(Answered(Audio("audio 4000 RTP/AVP 8", {"maxptime:60"})).plan()->maxptime_ms, 60);
  EXPECT_EQ(Answered(Audio("audio 4000 RTP/AVP 8", {})).plan()->ptime_ms, 20);
}

TEST(Hold, EveryVariantHasItsAnswer) {
  using enum Direction;
  const struct {
    const char* offered;
    const char* address;
    Direction wanted;
    Direction answered;
    bool remote_known;
  } kRows[] = {
      {"sendrecv", "198.51.100.7", kSendRecv, kSendRecv, true},
      {"sendonly", "198.51.100.7", kSendRecv, kRecvOnly, true},
      {"recvonly", "198.51.100.7", kSendRecv, kSendOnly, true},
      {"inactive", "198.51.100.7", kSendRecv, kInactive, true},
      {"sendrecv", "198.51.100.7", kRecvOnly, kRecvOnly, true},
      {"sendonly", "198.51.100.7", kSendOnly, kInactive, true},
      {"sendrecv", "0.0.0.0", kSendRecv, kRecvOnly, false},  // hold of RFC 2543
      {"recvonly", "0.0.0.0", kSendRecv, kInactive, false},
      {"inactive", "0.0.0.0", kSendRecv, kInactive, false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(std::string(row.offered) + " at " + row.address);
    OfferAnswer leg(MediaPolicy{}, 1);
    ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {row.offered}, row.address)).ok());
    const Description answer = *leg.MakeAnswer(Local(row.wanted));
    EXPECT_EQ(answer.media[0].direction(), row.answered);
    EXPECT_EQ(leg.plan()->direction, row.answered);
    EXPECT_EQ(leg.plan()->remote_rtp.port != 0, row.remote_known);
  }
}

TEST(Hold, AtTheSessionLevelCounts) {
  const OfferAnswer leg =
      Answered(MustParse(Body({"v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7",
                               "t=0 0", "a=sendonly", "m=audio 4000 RTP/AVP 8"})));
  EXPECT_EQ(leg.plan()->direction, Direction::kRecvOnly);
}

TEST(Hold, ResumeBringsTheAddressBack) {
  OfferAnswer leg = Answered(Audio("audio 4000 RTP/AVP 8", {}));
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {}, "0.0.0.0")).ok());
  ASSERT_TRUE(leg.MakeAnswer(Local()).ok());
  EXPECT_EQ(leg.plan()->remote_rtp.port, 0);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {})).ok());
  ASSERT_TRUE(leg.MakeAnswer(Local()).ok());
  EXPECT_EQ(leg.plan()->direction, Direction::kSendRecv);
  EXPECT_EQ(leg.plan()->remote_rtp.port, 4000);
}

TEST(Hold, ByUsIsAnsweredFromTheOtherSide) {
  OfferAnswer leg = Offered(Audio("audio 4000 RTP/AVP 8", {}));
  EXPECT_EQ(leg.MakeOffer(Local(Direction::kSendOnly))->media[0].direction(), Direction::kSendOnly);
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {"recvonly"}), Binding::kFinal).ok());
  EXPECT_EQ(leg.plan()->direction, Direction::kSendOnly);
}

TEST(Refusal, EveryOneHasItsOutcomeAndItsSentence) {
  const struct {
    Description offer;
    Outcome outcome;
    const char* detail;
  } kRows[] = {
      {Audio("audio 4000 RTP/AVP 18 97", {}), Outcome::kNothingShared,
       "SDP line 6: none of the formats 18 97 is PCMA, PCMU, telephone-event"},
      {AudioWithEvents("audio 4000 RTP/AVP 101"), Outcome::kNothingShared,
       "SDP line 6: none of the formats 101 is PCMA, PCMU, telephone-event"},
      {Audio("audio 0 RTP/AVP 8", {}), Outcome::kNothingShared,
       "SDP line 6: the audio is switched off (port 0)"},
      {Audio("audio 4000 RTP/SAVP 8", {}), Outcome::kNothingShared,
       "SDP line 6: this trunk has SRTP switched off"},
      {Audio("audio 4000 UDP/TLS/RTP/SAVPF 8", {}), Outcome::kNothingShared,
       "SDP line 6: audio over UDP/TLS/RTP/SAVPF is not carried, only RTP/AVP and RTP/SAVP"},
      {Audio("image 4000 udptl t38", {}), Outcome::kNothingShared,
       "SDP line 6: m=image is not carried, only audio"},
      {MustParse("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\n"), Outcome::kNothingShared,
       "SDP: there is no m= line"},
      {MustParse("v=0\r\no=- 1 1 IN IP4 a\r\nm=audio 4000 RTP/AVP 8\r\n"), Outcome::kMalformed,
       "SDP line 3: m=audio has no c= line, neither its own nor one of the session"},
      {Audio("audio 4000 RTP/AVP 8", {}, "media.example.com"), Outcome::kAddressRefused,
       "SDP line 4: c= names 'media.example.com'; media needs an IP address, names are not "
       "resolved"},
      {Audio("audio 4000 RTP/AVP 8", {}, "127.0.0.1"), Outcome::kAddressRefused,
       "SDP line 4: media at 127.0.0.1 is refused: a loopback address"},
      {Audio("audio 4000 RTP/AVP 8", {}, "224.0.1.75/127"), Outcome::kAddressRefused,
       "SDP line 4: media at 224.0.1.75 is refused: a multicast address"},
      {Audio("audio 4000 RTP/AVP 8", {}, "255.255.255.255"), Outcome::kAddressRefused,
       "SDP line 4: media at 255.255.255.255 is refused: the broadcast address"},
      {Audio("audio 4000 RTP/AVP 8", {}, "169.254.169.254"), Outcome::kAddressRefused,
       "SDP line 4: media at 169.254.169.254 is refused: a link-local address"},
      {Audio("audio 4000 RTP/AVP 8", {}, "::ffff:127.0.0.1"), Outcome::kAddressRefused,
       "SDP line 4: media at 127.0.0.1 is refused: a loopback address"},
      {Audio("audio 4000 RTP/AVP 8", {"rtcp:53 IN IP4 127.0.0.1"}), Outcome::kAddressRefused,
       "SDP line 6: media at 127.0.0.1 is refused: a loopback address"},
  };
  for (const auto& row : kRows) {
    OfferAnswer leg(MediaPolicy{}, 1);
    const Result result = leg.ReceiveOffer(row.offer);
    EXPECT_EQ(result.outcome, row.outcome) << OutcomeName(result.outcome) << "\n"
                                           << Write(row.offer);
    EXPECT_EQ(result.detail, row.detail);
    EXPECT_EQ(leg.state(), OfferAnswer::State::kNone);
  }
}

TEST(Refusal, LoopbackIsFineWhereTheTrunkLivesThere) {
  MediaPolicy policy;
  policy.allow_loopback = true;
  OfferAnswer leg(policy, 1);
  EXPECT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {}, "127.0.0.2")).ok());
}

TEST(Refusal, MediaOutsideTheTrunksNetworksIsRefusedOrLearned) {
  MediaPolicy policy;
  std::string error;
  policy.networks = {*ParseIpNetwork("203.0.113.0/24", &error)};
  const Description outside = Audio("audio 4000 RTP/AVP 8", {}, "10.0.0.5");
  OfferAnswer strict(policy, 1);
  EXPECT_EQ(strict.ReceiveOffer(outside).detail,
            "SDP line 4: media at 10.0.0.5 is refused: it lies outside the media networks of this "
            "trunk");
  EXPECT_TRUE(strict.ReceiveOffer(MustParse(kCarrierOffer)).ok());
  policy.learn_remote = true;
  OfferAnswer learning(policy, 1);
  ASSERT_TRUE(learning.ReceiveOffer(outside).ok());
  ASSERT_TRUE(learning.MakeAnswer(Local()).ok());
  EXPECT_EQ(learning.plan()->remote_rtp.port, 0);
  EXPECT_EQ(learning.plan()->remote_rtcp.port, 0);
  EXPECT_EQ(learning.plan()->direction, Direction::kSendRecv);
}

TEST(Refusal, OurOwnAddressesAreRefusedUnlessTheTrunkNamesThem) {
  MediaPolicy policy;
  policy.own = {*ParseIpAddress("198.51.100.7")};
  const Description loop = Audio("audio 4000 RTP/AVP 8", {}, "198.51.100.7");
  OfferAnswer leg(policy, 1);
  EXPECT_EQ(leg.ReceiveOffer(loop).detail,
            "SDP line 4: media at 198.51.100.7 is refused: one of our own addresses");
  policy.learn_remote = true;
  EXPECT_FALSE(OfferAnswer(policy, 1).ReceiveOffer(loop).ok());
  std::string error;
  policy.networks = {*ParseIpNetwork("198.51.100.0/24", &error)};  // that does not mean us
  EXPECT_FALSE(OfferAnswer(policy, 1).ReceiveOffer(loop).ok());
  policy.networks = {IpNetwork{*ParseIpAddress("198.51.100.7"), 128}};
  EXPECT_TRUE(OfferAnswer(policy, 1).ReceiveOffer(loop).ok());
}

TEST(Refusal, PrivateAddressesAreBelievedFromTheirOwnNetworkAlone) {
  const Description inside = Audio("audio 4000 RTP/AVP 8", {}, "192.168.7.5");
  const Description elsewhere = Audio("audio 4000 RTP/AVP 8", {}, "10.0.0.5");
  MediaPolicy policy;
  std::string error;
  policy.private_networks = {*ParseIpNetwork("192.168.7.0/24", &error)};
  EXPECT_TRUE(OfferAnswer(policy, 1).ReceiveOffer(inside).ok());
  EXPECT_EQ(OfferAnswer(policy, 1).ReceiveOffer(elsewhere).detail,
            "SDP line 4: media at 10.0.0.5 is refused: a private address of another network");
  policy.learn_remote = true;  // a PBX behind NAT
  OfferAnswer learning(policy, 1);
  ASSERT_TRUE(learning.ReceiveOffer(elsewhere).ok());
  ASSERT_TRUE(learning.MakeAnswer(Local()).ok());
  EXPECT_EQ(learning.plan()->remote_rtp.port, 0);
}

TEST(Refusal, ACarriersPrivateAddressIsNotEvenLearned) {
  MediaPolicy policy;
  policy.refuse_private = true;
  policy.learn_remote = true;
  const Description inside = Audio("audio 4000 RTP/AVP 8", {}, "10.0.0.5");
  EXPECT_EQ(OfferAnswer(policy, 1).ReceiveOffer(inside).detail,
            "SDP line 4: media at 10.0.0.5 is refused: a private address on a carrier's trunk");
  std::string error;
  policy.networks = {*ParseIpNetwork("10.0.0.0/8", &error)};  // behind MPLS, and said so
  EXPECT_TRUE(OfferAnswer(policy, 1).ReceiveOffer(inside).ok());
}

TEST(Refusal, AnAnswerThatSwitchesTheAudioOffSharesNothing) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.MakeOffer(Local()).ok());
  EXPECT_EQ(leg.ReceiveAnswer(Audio("audio 0 RTP/AVP 8", {}), Binding::kFinal).outcome,
            Outcome::kNothingShared);
}

TEST(Refusal, AnAnswerBeyondTheCodecsOfTheFarLegSharesNothing) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 0", {})).ok());
  EXPECT_EQ(leg.MakeAnswer(Local(1, {Codec::kPcma})).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(leg.state(), OfferAnswer::State::kRemoteOffer);
}

}  // namespace
}  // namespace sipctl::sdp
