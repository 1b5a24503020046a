// The rule book between two legs: A calls, B is called.
#include "gtest/gtest.h"
#include "sipctl/sdp/offer_answer.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

const IpEndpoint kTowardsA = {*ParseIpAddress("192.0.2.10"), 10000};
const IpEndpoint kTowardsB = {*ParseIpAddress("10.0.0.10"), 10002};

struct Call {
  OfferAnswer a{MediaPolicy{}, 1};
  OfferAnswer b{MediaPolicy{}, 2};
};

// A's offer, what B is offered, what B answers, what A is answered.
TEST(Legs, OneCodecEndToEnd) {
  const struct {
    const char* offer;
    const char* towards_b;
    const char* answer;
    const char* towards_a;
  } kRows[] = {
      {"audio 4000 RTP/AVP 8 0", "8 0 ", "audio 5000 RTP/AVP 8", "8 "},
      {"audio 4000 RTP/AVP 0 8 18", "8 0 ", "audio 5000 RTP/AVP 0", "0 "},
      {"audio 4000 RTP/AVP 0", "0 ", "audio 5000 RTP/AVP 0", "0 "},
      {"audio 4000 RTP/AVP 18 8", "8 ", "audio 5000 RTP/AVP 8", "8 "},
      {"audio 4000 RTP/AVP 0 8", "8 0 ", "audio 5000 RTP/AVP 0 8", "0 8 "},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.offer);
    Call call;
    ASSERT_TRUE(call.a.ReceiveOffer(Audio(row.offer, {})).ok());
    const Description offer = *call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB));
    EXPECT_EQ(Formats(offer), row.towards_b);
    EXPECT_EQ(offer.media[0].port, 10002);
    ASSERT_TRUE(call.b.ReceiveAnswer(Audio(row.answer, {}), Binding::kFinal).ok());
    const Description answer = *call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA));
    EXPECT_EQ(Formats(answer), row.towards_a);
    EXPECT_EQ(answer.media[0].port, 10000);
    EXPECT_EQ(Fits(*call.a.plan(), *call.b.plan()), Fit::kWhole);
  }
}

TEST(Legs, EventsAreMappedBetween96And101) {
  Call call;
  ASSERT_TRUE(call.a.ReceiveOffer(MustParse(kCarrierOffer)).ok());
  const Description offer = *call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB));
  EXPECT_EQ(Formats(offer), "8 0 101 ");
  EXPECT_EQ(offer.media[0].fmtp(101), "0-15");  // what A knows, not our 0-16
  ASSERT_TRUE(call.b
                  .ReceiveAnswer(Audio("audio 5000 RTP/AVP 8 101",
                                       {"rtpmap:101 telephone-event/8000", "fmtp:101 0-11"}),
                                 Binding::kFinal)
                  .ok());
  const Description answer = *call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA));
  EXPECT_EQ(Formats(answer), "8 96 ");
  EXPECT_EQ(answer.media[0].fmtp(96), "0-11");
}

TEST(Legs, EventsThatBDoesNotKnowAreNotPromisedToA) {
  Call call;
  ASSERT_TRUE(call.a.ReceiveOffer(MustParse(kCarrierOffer)).ok());
  ASSERT_TRUE(call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB)).ok());
  ASSERT_TRUE(call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_EQ(Formats(*call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA))), "8 ");
}

TEST(Legs, NothingSharedIsSeenBeforeBIsCalled) {
  MediaPolicy pcma_only;
  pcma_only.codecs = {Codec::kPcma, Codec::kTelephoneEvent};
  OfferAnswer a(MediaPolicy{}, 1);
  ASSERT_TRUE(
      a.ReceiveOffer(Audio("audio 4000 RTP/AVP 0 101", {"rtpmap:101 telephone-event/8000"})).ok());
  EXPECT_TRUE(OfferToward(a, pcma_only, kTowardsB).codecs.empty());
}

// What A offers, what B is offered, what B answers, what A is answered: with trunks that transcode.
TEST(Legs, TheOtherLawIsOfferedLastAndTakenWhenItMust) {
  const struct {
    const char* offer;
    const char* towards_b;
    const char* answer;
    const char* towards_a;
  } kRows[] = {
      {"audio 4000 RTP/AVP 8", "8 0 ", "audio 5000 RTP/AVP 8", "8 "},
      {"audio 4000 RTP/AVP 0", "0 8 ", "audio 5000 RTP/AVP 8", "0 "},
      {"audio 4000 RTP/AVP 0", "0 8 ", "audio 5000 RTP/AVP 0 8", "0 "},
      {"audio 4000 RTP/AVP 0 8", "8 0 ", "audio 5000 RTP/AVP 8", "8 "},
      {"audio 4000 RTP/AVP 8 101", "8 0 101 ", "audio 5000 RTP/AVP 0 101", "8 101 "},
  };
  MediaPolicy policy;
  policy.transcode = true;
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.offer);
    Call call{.a = OfferAnswer(policy, 1), .b = OfferAnswer(policy, 2)};
    ASSERT_TRUE(call.a.ReceiveOffer(Audio(row.offer, {"rtpmap:101 telephone-event/8000"})).ok());
    const Description offer = *call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB));
    EXPECT_EQ(Formats(offer), row.towards_b);
    ASSERT_TRUE(
        call.b
            .ReceiveAnswer(Audio(row.answer, {"rtpmap:101 telephone-event/8000"}), Binding::kFinal)
            .ok());
    LocalMedia media = AnswerToward(*call.b.plan(), kTowardsA);
    AllowTranscoding(call.a, call.b.policy(), &media);
    EXPECT_EQ(Formats(*call.a.MakeAnswer(media)), row.towards_a);
  }
}

TEST(Legs, BothTrunksMustAllowTranscoding) {
  MediaPolicy pcma_only;
  pcma_only.codecs = {Codec::kPcma, Codec::kTelephoneEvent};
  for (const int allowed : {0, 1, 2, 3}) {
    MediaPolicy a_policy;
    a_policy.transcode = (allowed & 1) != 0;
    pcma_only.transcode = (allowed & 2) != 0;
    OfferAnswer a(a_policy, 1);
    ASSERT_TRUE(a.ReceiveOffer(Audio("audio 4000 RTP/AVP 0", {})).ok());
    EXPECT_EQ(OfferToward(a, pcma_only, kTowardsB).codecs,
              allowed == 3 ? std::vector<Codec>{Codec::kPcma} : std::vector<Codec>{});
  }
}

// A delayed offer: B is offered all it speaks, shared first, and A what B chose and then the rest.
TEST(Legs, DelayedOfferBetweenTwoLaws) {
  MediaPolicy pcma;
  pcma.codecs = {Codec::kPcma};
  MediaPolicy pcmu;
  pcmu.codecs = {Codec::kPcmu};
  pcma.transcode = pcmu.transcode = true;
  Call call{.a = OfferAnswer(pcma, 1), .b = OfferAnswer(pcmu, 2)};
  ASSERT_TRUE(call.b.MakeOffer(FirstOffer(pcma, pcmu, kTowardsB)).ok());
  ASSERT_TRUE(call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 0", {}), Binding::kFinal).ok());
  LocalMedia media = AnswerToward(*call.b.plan(), kTowardsA);
  AllowTranscoding(call.a, pcmu, &media);
  EXPECT_EQ(Formats(*call.a.MakeOffer(media)), "8 ");
  ASSERT_TRUE(call.a.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_EQ(Fits(*call.a.plan(), *call.b.plan()), Fit::kNothing);
  EXPECT_TRUE(MayTranscode(pcma, pcmu));
}

TEST(Legs, ComfortNoiseNeedsBoth) {
  MediaPolicy with_noise;
  with_noise.codecs.push_back(Codec::kComfortNoise);
  OfferAnswer a(with_noise, 1);
  ASSERT_TRUE(a.ReceiveOffer(Audio("audio 4000 RTP/AVP 8 13", {})).ok());
  EXPECT_EQ(OfferToward(a, with_noise, kTowardsB).codecs,
            (std::vector<Codec>{Codec::kPcma, Codec::kComfortNoise}));
  EXPECT_EQ(OfferToward(a, MediaPolicy{}, kTowardsB).codecs, std::vector<Codec>{Codec::kPcma});
}

TEST(Legs, HoldAndPtimePassThrough) {
  Call call;
  ASSERT_TRUE(
      call.a.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {"sendonly", "ptime:30", "maxptime:60"}))
          .ok());
  const Description offer = *call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB));
  EXPECT_EQ(offer.media[0].direction(), Direction::kSendOnly);
  EXPECT_EQ(offer.media[0].ptime_ms(), 30u);
  EXPECT_EQ(offer.media[0].maxptime_ms(), 60u);
  ASSERT_TRUE(
      call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {"recvonly", "ptime:40"}), Binding::kFinal)
          .ok());
  const Description answer = *call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA));
  EXPECT_EQ(answer.media[0].direction(), Direction::kRecvOnly);
  EXPECT_EQ(answer.media[0].ptime_ms(), 40u);
  EXPECT_EQ(call.a.plan()->direction, Direction::kRecvOnly);
  EXPECT_EQ(call.b.plan()->direction, Direction::kSendOnly);
}

TEST(Legs, OldHoldIsForwardedAsSendonly) {
  Call call;
  ASSERT_TRUE(call.a.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {}, "0.0.0.0")).ok());
  const Description offer = *call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB));
  EXPECT_EQ(offer.media[0].direction(), Direction::kSendOnly);
  EXPECT_EQ(offer.connection()->host, "10.0.0.10");
}

TEST(Legs, AnAnswerOfInactiveReachesTheHolder) {
  Call call;
  ASSERT_TRUE(call.a.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {})).ok());
  ASSERT_TRUE(call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB)).ok());
  ASSERT_TRUE(
      call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {"inactive"}), Binding::kFinal).ok());
  EXPECT_EQ(call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA))->media[0].direction(),
            Direction::kInactive);
}

// INVITE without a body from A: B is offered what both trunks allow, its choice is offered to A in
// the 200, and A's answer comes in the ACK.
TEST(Legs, DelayedOfferFromTheTrunk) {
  MediaPolicy pcmu_first;
  pcmu_first.codecs = {Codec::kPcmu, Codec::kPcma};
  Call call;
  EXPECT_EQ(FirstOffer(call.a.policy(), pcmu_first, kTowardsB).codecs,
            (std::vector<Codec>{Codec::kPcmu, Codec::kPcma}));
  ASSERT_TRUE(call.b.MakeOffer(FirstOffer(call.a.policy(), call.b.policy(), kTowardsB)).ok());
  ASSERT_TRUE(call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {}), Binding::kFinal).ok());
  const Description offer = *call.a.MakeOffer(AnswerToward(*call.b.plan(), kTowardsA));
  EXPECT_EQ(Formats(offer), "8 ");
  ASSERT_TRUE(call.a.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_EQ(Fits(*call.a.plan(), *call.b.plan()), Fit::kWhole);
}

// INVITE without a body passed on: B offers in its 200, A answers in the ACK, B is answered.
TEST(Legs, DelayedOfferPassedOn) {
  Call call;
  ASSERT_TRUE(call.b.ReceiveOffer(Audio("audio 5000 RTP/AVP 0 8", {})).ok());
  ASSERT_TRUE(call.a.MakeOffer(OfferToward(call.b, call.a.policy(), kTowardsA)).ok());
  ASSERT_TRUE(call.a.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_EQ(Formats(*call.b.MakeAnswer(AnswerToward(*call.a.plan(), kTowardsB))), "8 ");
}

TEST(Legs, AForkThatChoseOtherwiseIsNamed) {
  Call call;
  ASSERT_TRUE(call.a.ReceiveOffer(Audio("audio 4000 RTP/AVP 8 0", {})).ok());
  ASSERT_TRUE(call.b.MakeOffer(OfferToward(call.a, call.b.policy(), kTowardsB)).ok());
  OfferAnswer second = call.b;
  OfferAnswer third = call.b;
  ASSERT_TRUE(call.b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {}), Binding::kFinal).ok());
  const Description answer = *call.a.MakeAnswer(AnswerToward(*call.b.plan(), kTowardsA));
  ASSERT_TRUE(second.ReceiveAnswer(Audio("audio 5002 RTP/AVP 0", {}), Binding::kFinal).ok());
  ASSERT_TRUE(third.ReceiveAnswer(Audio("audio 5004 RTP/AVP 8 0", {}), Binding::kFinal).ok());
  EXPECT_EQ(Fits(*call.a.plan(), *second.plan()), Fit::kNothing);
  EXPECT_EQ(Fits(*call.a.plan(), *third.plan()), Fit::kPartly);
  EXPECT_EQ(*call.a.local(), answer);
}

}  // namespace
}  // namespace sipctl::sdp
