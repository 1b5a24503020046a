#include "sipctl/sdp/offer_answer.h"

#include "gtest/gtest.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

uint64_t VersionOf(const Description& description) {
  return std::stoull(description.origin()->version);
}

TEST(Offer, IsThatOfACarrierTrunk) {
  OfferAnswer leg(MediaPolicy{}, 4711);
  LocalMedia local = Local();
  local.maxptime_ms = 150;
  const Description offer = *leg.MakeOffer(local);
  EXPECT_EQ(Write(offer),
            "v=0\r\n"
            "o=- 4711 1 IN IP4 192.0.2.10\r\n"
            "s=-\r\n"
            "c=IN IP4 192.0.2.10\r\n"
            "t=0 0\r\n"
            "m=audio 10000 RTP/AVP 8 0 101\r\n"
            "a=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:0 PCMU/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n"
            "a=fmtp:101 0-16\r\n"
            "a=ptime:20\r\n"
            "a=maxptime:150\r\n"
            "a=sendrecv\r\n");
  EXPECT_EQ(leg.state(), OfferAnswer::State::kLocalOffer);
  EXPECT_FALSE(leg.plan().has_value());
}

TEST(Offer, NamesOnlyCodecsOfThePolicy) {
  MediaPolicy policy;
  policy.codecs = {Codec::kPcmu};
  OfferAnswer leg(policy, 1);
  EXPECT_EQ(Formats(*leg.MakeOffer(Local())), "0 ");
  OfferAnswer other(policy, 1);
  EXPECT_EQ(other.MakeOffer(Local(10000, {Codec::kPcma})).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(other.state(), OfferAnswer::State::kNone);
}

TEST(Offer, SpeaksIpv6) {
  OfferAnswer leg(MediaPolicy{}, 1);
  LocalMedia local = Local();
  local.endpoint.address = *ParseIpAddress("2001:db8::7");
  const Description offer = *leg.MakeOffer(local);
  EXPECT_EQ(offer.connection()->address_type, "IP6");
  EXPECT_EQ(offer.connection()->host, "2001:db8::7");
  ASSERT_TRUE(leg.ReceiveAnswer(
                     MustParse(Body({"v=0", "o=- 1 1 IN IP6 2001:db8::9", "s=-",
                                     "c=IN IP6 2001:db8::9", "t=0 0", "m=audio 5000 RTP/AVP 8"})),
                     Binding::kFinal)
                  .ok());
  EXPECT_EQ(FormatIpEndpoint(leg.plan()->remote_rtp), "[2001:db8::9]:5000");
}

TEST(Answer, KeepsTheOffersPayloadTypesAndAddsNothing) {
  OfferAnswer leg(MediaPolicy{}, 4711);
  ASSERT_TRUE(leg.ReceiveOffer(MustParse(kCarrierOffer)).ok());
  const Description answer = *leg.MakeAnswer(Local());
  EXPECT_EQ(Formats(answer), "8 0 96 ");
  EXPECT_EQ(answer.media[0].fmtp(96), "0-15");  // 0-15 of theirs, 0-16 of ours
  const MediaPlan& plan = *leg.plan();
  EXPECT_EQ(FormatIpEndpoint(plan.remote_rtp), "203.0.113.20:17392");
  EXPECT_EQ(FormatIpEndpoint(plan.remote_rtcp), "203.0.113.20:17393");
  EXPECT_EQ(plan.formats[2].payload_type_in, 96);
  EXPECT_EQ(plan.formats[2].payload_type_out, 96);
  EXPECT_EQ(plan.direction, Direction::kSendRecv);
  EXPECT_EQ(leg.state(), OfferAnswer::State::kStable);
  EXPECT_EQ(*leg.local(), answer);
}

TEST(Answer, ListsPcmaFirstWhateverTheOffersOrder) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 18 0 8", {})).ok());
  EXPECT_EQ(Formats(*leg.MakeAnswer(Local())), "8 0 ");
}

TEST(Answer, KeepsEventsWhenCodecsAreTrimmed) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.ReceiveOffer(AudioWithEvents("audio 4000 RTP/AVP 0 8 101")).ok());
  EXPECT_EQ(Formats(*leg.MakeAnswer(Local(10000, {Codec::kPcmu, Codec::kTelephoneEvent}))),
            "0 101 ");
}

TEST(Answer, ComfortNoiseOnlyWhenOfferedAndWanted) {
  MediaPolicy policy;
  policy.codecs.push_back(Codec::kComfortNoise);
  const Description offer = Audio("audio 4000 RTP/AVP 8 13", {});
  OfferAnswer with(policy, 1);
  ASSERT_TRUE(with.ReceiveOffer(offer).ok());
  EXPECT_EQ(Formats(*with.MakeAnswer(Local(1, {Codec::kPcma, Codec::kComfortNoise}))), "8 13 ");
  OfferAnswer without(policy, 1);
  ASSERT_TRUE(without.ReceiveOffer(offer).ok());
  EXPECT_EQ(Formats(*without.MakeAnswer(Local(1, {Codec::kPcma}))), "8 ");
  OfferAnswer never(MediaPolicy{}, 1);
  ASSERT_TRUE(never.ReceiveOffer(offer).ok());
  EXPECT_EQ(Formats(*never.MakeAnswer(Local(1, {Codec::kPcma, Codec::kComfortNoise}))), "8 ");
}

TEST(Answer, EveryMediaLineStaysInItsPlace) {
  OfferAnswer leg(MediaPolicy{}, 1);
  const Description offer =
      MustParse(Body({"v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "t=0 0",
                      "m=video 6000 RTP/AVP 99", "c=IN IP4 198.51.100.7", "a=rtpmap:99 H264/90000",
                      "m=audio 6002 RTP/SAVP 8", "c=IN IP4 198.51.100.7", "m=audio 6004 RTP/AVP 8",
                      "c=IN IP4 198.51.100.8", "m=application 6006 udp wb"}));
  ASSERT_TRUE(leg.ReceiveOffer(offer).ok());
  const Description answer = *leg.MakeAnswer(Local());
  ASSERT_EQ(answer.media.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answer.media[i].port, i == 2 ? 10000 : 0) << i;
    EXPECT_EQ(answer.media[i].kind, offer.media[i].kind);
    EXPECT_EQ(answer.media[i].protocol, offer.media[i].protocol);
    EXPECT_EQ(answer.media[i].formats, offer.media[i].formats);
  }
  EXPECT_EQ(FormatIpEndpoint(leg.plan()->remote_rtp), "198.51.100.8:6004");

  // Our own next offer keeps the four lines, too.
  const Description again = *leg.MakeOffer(Local(Direction::kSendOnly));
  ASSERT_EQ(again.media.size(), 4u);
  EXPECT_EQ(again.media[2].port, 10000);
  EXPECT_EQ(again.media[0].port + again.media[1].port + again.media[3].port, 0);
}

TEST(Answer, RtcpMuxIsAcceptedWhenOffered) {
  const OfferAnswer leg = Answered(Audio("audio 4000 RTP/AVPF 8", {"rtcp-mux"}));
  EXPECT_TRUE(leg.local()->media[0].rtcp_mux());
  EXPECT_EQ(leg.local()->media[0].protocol, "RTP/AVPF");
  EXPECT_TRUE(leg.plan()->rtcp_mux);
  EXPECT_EQ(leg.plan()->remote_rtcp, leg.plan()->remote_rtp);
  EXPECT_FALSE(Answered(Audio("audio 4000 RTP/AVP 8", {})).local()->media[0].rtcp_mux());
}

TEST(Answer, ToOurOfferMayNotAddRtcpMux) {
  const OfferAnswer leg = Offered(Audio("audio 4000 RTP/AVP 8", {"rtcp-mux"}));
  EXPECT_FALSE(leg.plan()->rtcp_mux);
}

TEST(Answer, ToAnOfferWithRtcpMuxTurnsItOn) {
  MediaPolicy policy;
  policy.rtcp_mux_offer = true;
  OfferAnswer leg(policy, 1);
  EXPECT_TRUE(leg.MakeOffer(Local())->media[0].rtcp_mux());
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {"rtcp-mux"}), Binding::kFinal).ok());
  EXPECT_TRUE(leg.plan()->rtcp_mux);
}

TEST(Answer, ThePeersOwnPayloadTypeForEventsIsUsedTowardsIt) {
  const OfferAnswer leg =
      Offered(Audio("audio 4000 RTP/AVP 8 97", {"rtpmap:97 telephone-event/8000", "fmtp:97 0-11"}));
  const PlannedFormat& events = leg.plan()->formats[1];
  EXPECT_EQ(events.payload_type_in, 101);
  EXPECT_EQ(events.payload_type_out, 97);
  EXPECT_EQ(FormatEvents(events.events), "0-11");
}

TEST(Answer, AFormatThatWasNotOfferedIsNotPlanned) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.MakeOffer(Local(1, {Codec::kPcma})).ok());
  EXPECT_EQ(leg.ReceiveAnswer(Audio("audio 4000 RTP/AVP 0", {}), Binding::kFinal).outcome,
            Outcome::kNothingShared);
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/AVP 0 8", {}), Binding::kFinal).ok());
  ASSERT_EQ(leg.plan()->formats.size(), 1u);
  EXPECT_EQ(leg.plan()->formats[0].codec, Codec::kPcma);
}

// Offer's direction and address, what we want, what we answer, and the plan's direction.
TEST(Version, MovesByOneAndOnlyWithTheText) {
  OfferAnswer leg = Offered(AudioWithEvents("audio 4000 RTP/AVP 8 0 101"));
  EXPECT_EQ(VersionOf(*leg.local()), 1u);
  const Description refresh = *leg.MakeOffer(*leg.local_media());
  EXPECT_EQ(refresh, *leg.local());
  ASSERT_TRUE(
      leg.ReceiveAnswer(AudioWithEvents("audio 4000 RTP/AVP 8 0 101"), Binding::kFinal).ok());
  const Description hold = *leg.MakeOffer(Local(Direction::kInactive));
  EXPECT_EQ(VersionOf(hold), 2u);
  EXPECT_EQ(hold.origin()->session_id, "4711");
}

TEST(Version, OfARejectedOfferIsNotUsedAgain) {
  OfferAnswer leg = Offered(Audio("audio 4000 RTP/AVP 8", {}));
  EXPECT_EQ(VersionOf(*leg.MakeOffer(Local(Direction::kInactive))), 2u);
  leg.Reject();
  EXPECT_EQ(VersionOf(*leg.MakeOffer(Local(Direction::kSendOnly))), 3u);
  leg.Reject();
  EXPECT_EQ(VersionOf(*leg.MakeOffer(*leg.local_media())), 1u);  // what is agreed is still 1
}

TEST(Refresh, IsRecognisedAndAnsweredWithTheSameVersion) {
  OfferAnswer leg = Answered(MustParse(kCarrierOffer));
  const Description before = *leg.local();
  const MediaPlan plan = *leg.plan();
  EXPECT_EQ(leg.ReceiveOffer(MustParse(kCarrierOffer)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(*leg.RepeatAnswer(), before);
  EXPECT_EQ(*leg.plan(), plan);
}

TEST(Refresh, OfASessionThatWeOfferedAddsNoFormat) {
  OfferAnswer leg = Offered(Audio("audio 4000 RTP/AVP 8", {}));
  EXPECT_EQ(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {})).outcome, Outcome::kUnchanged);
  EXPECT_EQ(Formats(*leg.RepeatAnswer()), "8 ");
}

TEST(Refresh, AChangeIsNone) {
  OfferAnswer leg = Answered(Audio("audio 4000 RTP/AVP 8", {}));
  EXPECT_EQ(leg.ReceiveOffer(Audio("audio 4002 RTP/AVP 8", {})).outcome, Outcome::kAccepted);
}

TEST(Reoffer, KeepsThePayloadTypesOfTheSession) {
  OfferAnswer leg = Answered(MustParse(kCarrierOffer));
  EXPECT_EQ(Formats(*leg.MakeOffer(Local(Direction::kSendOnly))), "8 0 96 ");
}

TEST(Reoffer, RejectionKeepsTheOldSession) {
  OfferAnswer leg = Answered(MustParse(kCarrierOffer));
  const MediaPlan plan = *leg.plan();
  const Description local = *leg.local();
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 5000 RTP/AVP 0", {"inactive"})).ok());
  leg.Reject();
  EXPECT_EQ(leg.state(), OfferAnswer::State::kStable);
  EXPECT_EQ(*leg.plan(), plan);
  ASSERT_TRUE(leg.MakeOffer(Local(Direction::kInactive)).ok());
  leg.Reject();
  EXPECT_EQ(leg.state(), OfferAnswer::State::kStable);
  EXPECT_EQ(*leg.plan(), plan);
  EXPECT_EQ(*leg.local(), local);
}

TEST(Reoffer, ThatCannotBeUsedChangesNothing) {
  OfferAnswer leg = Answered(MustParse(kCarrierOffer));
  EXPECT_EQ(leg.ReceiveOffer(Audio("audio 5000 RTP/AVP 18", {})).outcome, Outcome::kNothingShared);
  EXPECT_EQ(leg.state(), OfferAnswer::State::kStable);
  EXPECT_TRUE(leg.ReceiveOffer(MustParse(kCarrierOffer)).ok());
}

TEST(Glare, OffersInBothDirectionsCollide) {
  OfferAnswer leg = Answered(MustParse(kCarrierOffer));
  ASSERT_TRUE(leg.MakeOffer(Local(Direction::kSendOnly)).ok());
  EXPECT_EQ(leg.ReceiveOffer(MustParse(kCarrierOffer)).outcome, Outcome::kGlare);
  EXPECT_EQ(leg.state(), OfferAnswer::State::kLocalOffer);
  leg.Reject();
  ASSERT_TRUE(leg.ReceiveOffer(MustParse(kCarrierOffer)).ok());
  EXPECT_EQ(leg.ReceiveOffer(MustParse(kCarrierOffer)).outcome, Outcome::kOverlap);
  EXPECT_EQ(leg.MakeOffer(Local()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Order, AnswersWithoutOffersAreNamed) {
  OfferAnswer leg(MediaPolicy{}, 1);
  EXPECT_EQ(leg.ReceiveAnswer(MustParse(kCarrierOffer), Binding::kFinal).outcome,
            Outcome::kUnexpected);
  EXPECT_EQ(leg.MakeAnswer(Local()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(leg.RepeatAnswer().status().code(), absl::StatusCode::kFailedPrecondition);
  leg.Reject();
  EXPECT_EQ(leg.state(), OfferAnswer::State::kNone);
}

TEST(EarlyMedia, APreviewFollowsTheNewestAnswer) {
  OfferAnswer leg(MediaPolicy{}, 1);
  ASSERT_TRUE(leg.MakeOffer(Local()).ok());
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kPreview).ok());
  EXPECT_EQ(leg.plan()->remote_rtp.port, 4000);
  EXPECT_EQ(leg.state(), OfferAnswer::State::kLocalOffer);
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4002 RTP/AVP 0", {}), Binding::kPreview).ok());
  EXPECT_EQ(leg.plan()->remote_rtp.port, 4002);
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4004 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_EQ(leg.plan()->remote_rtp.port, 4004);
  EXPECT_EQ(leg.ReceiveAnswer(Audio("audio 4006 RTP/AVP 8", {}), Binding::kFinal).outcome,
            Outcome::kUnexpected);
}

TEST(EarlyMedia, ARejectedOfferTakesItsPreviewAway) {
  OfferAnswer leg = Offered(Audio("audio 4000 RTP/AVP 8", {}));
  ASSERT_TRUE(leg.MakeOffer(Local(Direction::kInactive)).ok());
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4002 RTP/AVP 8", {}), Binding::kPreview).ok());
  leg.Reject();
  EXPECT_EQ(leg.plan()->remote_rtp.port, 4000);
}

TEST(EarlyMedia, EachForkAnswersItsOwnCopyOfTheOffer) {
  OfferAnswer offer(MediaPolicy{}, 1);
  ASSERT_TRUE(offer.MakeOffer(Local()).ok());
  OfferAnswer first = offer;
  OfferAnswer second = offer;
  ASSERT_TRUE(first.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kFinal).ok());
  ASSERT_TRUE(second.ReceiveAnswer(Audio("audio 4002 RTP/AVP 0", {}), Binding::kFinal).ok());
  EXPECT_EQ(first.plan()->remote_rtp.port, 4000);
  EXPECT_EQ(second.plan()->remote_rtp.port, 4002);
}

}  // namespace
}  // namespace sipctl::sdp
