// What the layer sends and what it tells its user, message by message.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sipctl/sip/transaction.h"
#include "tests/support/sip_recorder.h"

namespace sipctl::sip {
namespace {

constexpr TimeMs kT1 = 500;
constexpr TimeMs kTimeout = 64 * kT1;

class TransactionLayerTest : public testing::Test {
 protected:
  TransactionLayerTest()
      : timers_(1000), transport_(&timers_), layer_(&timers_, &transport_, &user_, Options()) {}

  static TransactionOptions Options() {
    TransactionOptions options;
    options.branch_prefix = "s1";
    options.key = {1, 2};
    return options;
  }

  static Flow Udp(uint16_t port = 5060) {
    return {.protocol = Protocol::kUdp,
            .listener = 0,
            .connection = 0,
            .remote = {relay::abi::Address::Ipv4(192, 0, 2, 9), port}};
  }
  static Flow Tcp(uint64_t connection = 0) {
    return {.protocol = Protocol::kTcp,
            .listener = 1,
            .connection = connection,
            .remote = {relay::abi::Address::Ipv4(192, 0, 2, 9), 5070}};
  }

  // As the TU writes it: without Via.
  static Message Request(Method method) {
    Message request;
    request.method = method;
    request.request_uri = Uri::Parse("sip:bob@192.0.2.9").value();
    request.from.uri = Uri::Parse("sip:alice@192.0.2.1").value();
    request.from.set_tag("from1");
    request.to.uri = request.request_uri;
    request.call_id = "call-1";
    request.cseq = {7, method};
    request.contact.push_back(
        {.display_name = {}, .uri = Uri::Parse("sip:192.0.2.1:5060").value(), .parameters = {}});
    request.route.push_back(
        {.display_name = {}, .uri = Uri::Parse("sip:192.0.2.9;lr").value(), .parameters = {}});
    return request;
  }

  // As it arrives from a peer.
  static Message Incoming(Method method, std::string_view branch = "z9hG4bKpeer1") {
    Message request = Request(method);
    request.route.clear();
    request.max_forwards = 70;
    Via via;
    via.host = "192.0.2.9";
    via.port = 5060;
    Set(&via.parameters, "branch", branch);
    request.via.push_back(via);
    return request;
  }

  // An answer to what the layer sent.
  static Message Answer(const RecordingTransport::Sent& sent, int status,
                        std::string_view tag = "to1") {
    return MakeResponse(sent.message, status, tag);
  }

  // From timer to timer, as a loop does that is never late.
  void Advance(TimeMs span) {
    const TimeMs until = timers_.now() + span;
    while (timers_.Next() && *timers_.Next() <= until) timers_.Advance(*timers_.Next());
    timers_.Advance(until);
  }
  std::vector<int> Statuses() const {
    std::vector<int> statuses;
    for (const auto& response : user_.responses) statuses.push_back(response.message.status);
    return statuses;
  }
  // When each of what was sent left, from `start`.
  std::vector<TimeMs> Times(TimeMs start) {
    std::vector<TimeMs> times;
    for (const auto& sent : transport_.Take()) times.push_back(sent.at - start);
    return times;
  }

  Timers timers_;
  RecordingTransport transport_;
  RecordingUser user_;
  TransactionLayer layer_;
};

TEST_F(TransactionLayerTest, ARequestGetsViaBranchRportAndMaxForwards) {
  layer_.Send(Request(Method::kOptions), Udp());
  const auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  const Via& via = sent[0].message.via.at(0);
  EXPECT_EQ(via.transport, "UDP");
  EXPECT_EQ(via.host, "192.0.2.1");
  EXPECT_EQ(via.port, 5060);
  EXPECT_TRUE(via.branch().starts_with("z9hG4bKs1"));
  ASSERT_NE(Find(via.parameters, "rport"), nullptr);
  EXPECT_FALSE(Find(via.parameters, "rport")->has_value);
  EXPECT_EQ(sent[0].message.max_forwards, 70);
}

TEST_F(TransactionLayerTest, InviteRepeatsByTimerAAndEndsByTimerBWith408) {
  const TimeMs start = timers_.now();
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  Advance(kTimeout + 1);
  EXPECT_EQ(Times(start), (std::vector<TimeMs>{0, 500, 1500, 3500, 7500, 15500, 31500}));
  ASSERT_EQ(Statuses(), std::vector<int>{408});
  EXPECT_EQ(user_.responses[0].id, id);
  EXPECT_EQ(user_.responses[0].origin, ResponseOrigin::kTimeout);
  EXPECT_EQ(user_.responses[0].message.call_id, "call-1");
  EXPECT_EQ(layer_.size(), 0u);
  EXPECT_EQ(timers_.size(), 0u);
}

TEST_F(TransactionLayerTest, NonInviteRepeatsByTimerEAndEndsByTimerF) {
  const TimeMs start = timers_.now();
  layer_.Send(Request(Method::kBye), Udp());
  Advance(kTimeout + 1);
  EXPECT_EQ(Times(start), (std::vector<TimeMs>{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500,
                                               27500, 31500}));
  EXPECT_EQ(Statuses(), std::vector<int>{408});
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, NothingRepeatsOnTcp) {
  layer_.Send(Request(Method::kInvite), Tcp());
  layer_.Send(Request(Method::kOptions), Tcp());
  Advance(kTimeout + 1);
  EXPECT_EQ(transport_.Take().size(), 2u);
  EXPECT_EQ(Statuses(), (std::vector<int>{408, 408}));
}

TEST_F(TransactionLayerTest, AProvisionalStopsTheInvite) {
  layer_.Send(Request(Method::kInvite), Udp());
  const auto sent = transport_.Take();
  layer_.OnMessage(Answer(sent[0], 180), Udp());
  Advance(239000);
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_EQ(Statuses(), std::vector<int>{180});
  EXPECT_EQ(layer_.size(), 1u);
}

TEST_F(TransactionLayerTest, APeerThatDiedWhileRingingIsGivenUpByTimerC) {
  layer_.Send(Request(Method::kInvite), Tcp());
  const auto sent = transport_.Take();
  layer_.OnMessage(Answer(sent[0], 180), Tcp());
  Advance(200000);
  layer_.OnMessage(Answer(sent[0], 180), Tcp());  // begins anew
  Advance(239000);
  EXPECT_TRUE(transport_.Take().empty());
  Advance(1000);
  EXPECT_EQ(transport_.Take().at(0).message.method, Method::kCancel);
  Advance(kTimeout + 1);
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 180, 408}));
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, AFailureIsAcknowledgedHopByHopAndEachTimeAlike) {
  layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  layer_.OnMessage(Answer(invite[0], 486), Udp());
  const auto ack = transport_.Take();
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(ack[0].message.method, Method::kAck);
  EXPECT_EQ(ack[0].message.via, invite[0].message.via);
  EXPECT_EQ(ack[0].message.route, invite[0].message.route);
  EXPECT_EQ(ack[0].message.request_uri, invite[0].message.request_uri);
  EXPECT_EQ(ack[0].message.from, invite[0].message.from);
  EXPECT_EQ(ack[0].message.to.tag(), "to1");
  EXPECT_EQ(ack[0].message.cseq, (CSeq{7, Method::kAck}));
  EXPECT_TRUE(ack[0].message.contact.empty());
  layer_.OnMessage(Answer(invite[0], 486), Udp());
  const auto again = transport_.Take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].bytes, ack[0].bytes);
  EXPECT_EQ(Statuses(), std::vector<int>{486});
  Advance(kTimeout);
  EXPECT_EQ(layer_.size(), 0u);
  layer_.OnMessage(Answer(invite[0], 486), Udp());
  EXPECT_EQ(layer_.counters().stray_responses, 1u);
}

TEST_F(TransactionLayerTest, EachRepeatedSuccessGetsTheSameAck) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Tcp());
  const auto invite = transport_.Take();
  layer_.OnMessage(Answer(invite[0], 200), Tcp());
  // A delayed ACK: the TU is not told twice.
  layer_.OnMessage(Answer(invite[0], 200), Tcp());
  EXPECT_EQ(Statuses(), std::vector<int>{200});
  EXPECT_TRUE(transport_.Take().empty());
  Message ack = Request(Method::kAck);
  ack.to.set_tag("to1");
  layer_.Acknowledge(id, ack, Tcp());
  const auto first = transport_.Take();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_NE(first[0].message.via.at(0).branch(), invite[0].message.via.at(0).branch());
  layer_.OnMessage(Answer(invite[0], 200), Tcp());
  const auto second = transport_.Take();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].bytes, first[0].bytes);
  EXPECT_EQ(Statuses(), std::vector<int>{200});
  Advance(kTimeout);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, EachForkOfAnInviteIsAnAnswerOfItsOwn) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  layer_.OnMessage(Answer(invite[0], 183, "a"), Udp());
  layer_.OnMessage(Answer(invite[0], 200, "b"), Udp());
  layer_.OnMessage(Answer(invite[0], 200, "a"), Udp());
  EXPECT_EQ(Statuses(), (std::vector<int>{183, 200, 200}));
  for (const char* tag : {"a", "b"}) {
    Message ack = Request(Method::kAck);
    ack.to.set_tag(tag);
    layer_.Acknowledge(id, ack, Udp());
  }
  transport_.Take();
  layer_.OnMessage(Answer(invite[0], 200, "a"), Udp());
  const auto again = transport_.Take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].message.to.tag(), "a");
}

TEST_F(TransactionLayerTest, APeerCannotMakeEndlessForks) {
  layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  for (int i = 0; i < 1000; ++i) {
    layer_.OnMessage(Answer(invite[0], 200, std::to_string(i)), Udp());
  }
  EXPECT_EQ(user_.responses.size(), 16u);
}

TEST_F(TransactionLayerTest, CancelWaitsForAProvisional) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  layer_.Cancel(id, "SIP;cause=200;text=\"Call completed elsewhere\"");
  layer_.Cancel(id);
  EXPECT_TRUE(transport_.Take().empty());
  layer_.OnMessage(Answer(invite[0], 100, ""), Udp());
  const auto cancel = transport_.Take();
  ASSERT_EQ(cancel.size(), 1u);
  EXPECT_EQ(cancel[0].message.method, Method::kCancel);
  EXPECT_EQ(cancel[0].message.via, invite[0].message.via);
  EXPECT_EQ(cancel[0].message.route, invite[0].message.route);
  EXPECT_EQ(cancel[0].message.cseq, (CSeq{7, Method::kCancel}));
  EXPECT_EQ(cancel[0].message.to.tag(), "");
  ASSERT_NE(cancel[0].message.Other("Reason"), nullptr);
  layer_.OnMessage(Answer(cancel[0], 200), Udp());
  layer_.OnMessage(Answer(invite[0], 487), Udp());
  EXPECT_EQ(Statuses(), (std::vector<int>{100, 487}));
  Advance(kTimeout);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, ASuccessThatCrossesTheCancelIsToldToTheUser) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  layer_.OnMessage(Answer(invite[0], 180), Udp());
  layer_.Cancel(id);
  layer_.OnMessage(Answer(invite[0], 200), Udp());
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 200}));
}

TEST_F(TransactionLayerTest, ACancelledInviteEndsEvenIfThePeerIsSilent) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  layer_.OnMessage(Answer(transport_.Take()[0], 180), Udp());
  layer_.Cancel(id);
  Advance(kTimeout + 1);
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 408}));
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, AResponseWithoutAProofOrForAnotherIsDropped) {
  layer_.Send(Request(Method::kOptions), Udp());
  const auto sent = transport_.Take();
  Message forged = Answer(sent[0], 200);
  std::string branch(forged.via[0].branch());
  branch.back() = branch.back() == '0' ? '1' : '0';
  Set(&forged.via[0].parameters, "branch", branch);
  layer_.OnMessage(forged, Udp());
  Message two_vias = Answer(sent[0], 200);
  two_vias.via.push_back(two_vias.via[0]);
  layer_.OnMessage(two_vias, Udp());
  Message elsewhere = Answer(sent[0], 200);
  elsewhere.via[0].host = "192.0.2.77";
  layer_.OnMessage(elsewhere, Udp());
  Message other_method = Answer(sent[0], 200);
  other_method.cseq.method = Method::kBye;
  layer_.OnMessage(other_method, Udp());
  EXPECT_TRUE(user_.responses.empty());
  EXPECT_EQ(layer_.counters().stray_responses, 4u);
}

TEST_F(TransactionLayerTest, ARefusedSendIsA503ToldLater) {
  transport_.refuse = true;
  layer_.Send(Request(Method::kInvite), Udp());
  EXPECT_TRUE(user_.responses.empty());
  Advance(1);
  ASSERT_EQ(Statuses(), std::vector<int>{503});
  EXPECT_EQ(user_.responses[0].origin, ResponseOrigin::kTransport);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, ABrokenConnectionIsTriedOnceMore) {
  layer_.Send(Request(Method::kBye), Tcp());
  const auto first = transport_.Take();
  layer_.OnFlowBroken(first[0].flow, absl::UnavailableError("reset"));
  const auto second = transport_.Take();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].bytes, first[0].bytes);
  EXPECT_NE(second[0].flow.connection, first[0].flow.connection);
  EXPECT_TRUE(user_.responses.empty());
  layer_.OnFlowBroken(second[0].flow, absl::UnavailableError("reset"));
  EXPECT_EQ(Statuses(), std::vector<int>{503});
  EXPECT_EQ(layer_.counters().reconnects, 1u);
}

TEST_F(TransactionLayerTest, AnUnreachablePortEndsTheRequest) {
  layer_.Send(Request(Method::kInvite), Udp());
  layer_.OnFlowBroken(Udp(5061), absl::UnavailableError("unreachable"));
  EXPECT_TRUE(user_.responses.empty());
  layer_.OnFlowBroken(Udp(), absl::UnavailableError("unreachable"));
  EXPECT_EQ(Statuses(), std::vector<int>{503});
}

TEST_F(TransactionLayerTest, ALargeRequestTakesTheStreamAndFallsBack) {
  Message request = Request(Method::kInvite);
  request.content_type = "application/sdp";
  request.body = std::string(1300, 'x');
  layer_.Send(request, Sending{.flow = Udp(), .stream = Tcp()});
  auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flow.protocol, Protocol::kTcp);
  EXPECT_EQ(sent[0].message.via.at(0).transport, "TCP");
  EXPECT_EQ(sent[0].message.via.at(0).port, 5070);
  layer_.OnFlowBroken(sent[0].flow, absl::UnavailableError("refused"));
  sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flow, Udp());
  EXPECT_EQ(sent[0].message.via.at(0).transport, "UDP");
  EXPECT_EQ(sent[0].message.via.at(0).port, 5060);
  Advance(kT1);
  EXPECT_EQ(transport_.Take().size(), 1u);  // Timer A runs
  layer_.OnMessage(Answer(sent[0], 200), Udp());
  EXPECT_EQ(Statuses(), std::vector<int>{200});
}

TEST_F(TransactionLayerTest, ASmallRequestStaysOnUdp) {
  layer_.Send(Request(Method::kInvite), Sending{.flow = Udp(), .stream = Tcp()});
  EXPECT_EQ(transport_.Take().at(0).flow.protocol, Protocol::kUdp);
}

// As server.

TEST_F(TransactionLayerTest, AnInviteGets100BeforeTheUserSeesItAndAgainWhenRepeated) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.status, 100);
  EXPECT_EQ(sent[0].message.to.tag(), "");
  ASSERT_EQ(user_.requests.size(), 1u);
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.status, 100);
  EXPECT_EQ(user_.requests.size(), 1u);
}

TEST_F(TransactionLayerTest, ARequestIsAnsweredFromMemoryForTimerJ) {
  layer_.OnMessage(Incoming(Method::kOptions), Udp());
  EXPECT_TRUE(transport_.Take().empty());
  layer_.OnMessage(Incoming(Method::kOptions), Udp());  // Trying: absorbed
  EXPECT_TRUE(transport_.Take().empty());
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  const auto first = transport_.Take();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].message.to.tag(), layer_.ToTag(user_.requests[0].id));
  Advance(kTimeout - 1);
  layer_.OnMessage(Incoming(Method::kOptions), Udp());
  const auto second = transport_.Take();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].bytes, first[0].bytes);
  EXPECT_EQ(user_.requests.size(), 1u);
  Advance(2);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, SentByBelongsToTheKey) {
  layer_.OnMessage(Incoming(Method::kOptions), Udp());
  Message other = Incoming(Method::kOptions);
  other.via[0].host = "192.0.2.10";
  other.call_id = "call-2";
  layer_.OnMessage(other, Udp());
  EXPECT_EQ(user_.requests.size(), 2u);
}

TEST_F(TransactionLayerTest, ASuccessRepeatsUntilItsAckOnTcpToo) {
  layer_.OnMessage(Incoming(Method::kInvite), Tcp(7));
  transport_.Take();
  const TimeMs start = timers_.now();
  const TransactionId id = user_.requests.at(0).id;
  layer_.Respond(id, MakeResponse(user_.requests[0].message, 200));
  Advance(8000);
  EXPECT_EQ(Times(start), (std::vector<TimeMs>{0, 500, 1500, 3500, 7500}));
  Message ack = Incoming(Method::kAck, "z9hG4bKack");
  ack.to.set_tag("somebody-else");
  layer_.OnMessage(ack, Tcp(7));
  EXPECT_TRUE(user_.acks.empty());
  ack.to.set_tag(layer_.ToTag(id));
  layer_.OnMessage(ack, Tcp(7));
  layer_.OnMessage(ack, Tcp(7));
  ASSERT_EQ(user_.acks.size(), 1u);
  EXPECT_EQ(user_.acks[0].id, id);
  Advance(kTimeout);
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_TRUE(user_.failures.empty());
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, ASuccessWithoutAckIsReportedAfter64T1) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  Advance(kTimeout + 1);
  ASSERT_EQ(user_.failures.size(), 1u);
  EXPECT_EQ(user_.failures[0].second, ServerFailure::kNoAck);
  EXPECT_EQ(layer_.size(), 0u);
  EXPECT_EQ(timers_.size(), 0u);
}

TEST_F(TransactionLayerTest, AFailureRepeatsByTimerGUntilItsAck) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  transport_.Take();
  const TimeMs start = timers_.now();
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 486));
  Advance(4000);
  EXPECT_EQ(Times(start), (std::vector<TimeMs>{0, 500, 1500, 3500}));
  layer_.OnMessage(Incoming(Method::kAck), Udp());  // same branch
  Advance(4999);
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_TRUE(user_.acks.empty());
  EXPECT_EQ(layer_.size(), 1u);  // Timer I
  Advance(2);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, CancelIsAnsweredAndToldOnce) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  transport_.Take();
  const TransactionId id = user_.requests.at(0).id;
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].message.status, 200);
  EXPECT_EQ(sent[0].message.cseq, (CSeq{7, Method::kCancel}));
  EXPECT_EQ(sent[0].bytes, sent[1].bytes);
  ASSERT_EQ(user_.cancels.size(), 1u);
  EXPECT_EQ(user_.cancels[0].id, id);
  layer_.Respond(id, MakeResponse(user_.requests[0].message, 487));
  EXPECT_EQ(transport_.Take().at(0).message.to.tag(), sent[0].message.to.tag());
}

TEST_F(TransactionLayerTest, CancelAfterAFinalAnswerChangesNothing) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  transport_.Take();
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  EXPECT_EQ(transport_.Take().at(0).message.status, 200);
  EXPECT_TRUE(user_.cancels.empty());
}

TEST_F(TransactionLayerTest, CancelForNothingIs481) {
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  EXPECT_EQ(transport_.Take().at(0).message.status, 481);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, AMergedRequestIs482AndItsAckStopsNothing) {
  layer_.OnMessage(Incoming(Method::kInvite, "z9hG4bKone"), Udp());
  transport_.Take();
  layer_.OnMessage(Incoming(Method::kInvite, "z9hG4bKtwo"), Udp());
  const auto merged = transport_.Take();
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged[0].message.status, 482);
  EXPECT_EQ(user_.requests.size(), 1u);
  layer_.Respond(user_.requests[0].id, MakeResponse(user_.requests[0].message, 200));
  Message ack = Incoming(Method::kAck, "z9hG4bKtwo");
  ack.to = merged[0].message.to;
  layer_.OnMessage(ack, Udp());
  EXPECT_TRUE(user_.acks.empty());
}

TEST_F(TransactionLayerTest, AnAckForNothingGetsNoAnswer) {
  layer_.OnMessage(Incoming(Method::kAck), Udp());
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_EQ(layer_.counters().stray_acks, 1u);
}

TEST_F(TransactionLayerTest, AClientOlderThanRfc3261IsKnownByItsFields) {
  layer_.OnMessage(Incoming(Method::kInvite, "1"), Udp());
  layer_.OnMessage(Incoming(Method::kInvite, "1"), Udp());
  EXPECT_EQ(user_.requests.size(), 1u);
  layer_.Respond(user_.requests[0].id, MakeResponse(user_.requests[0].message, 404));
  layer_.OnMessage(Incoming(Method::kAck, "1"), Udp());
  Advance(5000);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(TransactionLayerTest, ResponsesGoToSourceAndRportOrSentBy) {
  Message request = Incoming(Method::kOptions);
  Set(&request.via[0].parameters, "rport", "40000");
  layer_.OnMessage(request, Udp(40000));
  Message plain = Incoming(Method::kOptions, "z9hG4bKpeer2");
  plain.call_id = "call-2";
  plain.via[0].port = 5090;
  layer_.OnMessage(plain, Udp(40000));
  for (const auto& r : user_.requests) layer_.Respond(r.id, MakeResponse(r.message, 200));
  const auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].flow.remote.port, 40000);
  EXPECT_EQ(sent[1].flow.remote.port, 5090);
  EXPECT_EQ(sent[1].flow.remote.address, Udp().remote.address);
}

TEST_F(TransactionLayerTest, AFinalAnswerSurvivesItsConnection) {
  Message request = Incoming(Method::kInvite);
  request.via[0].transport = "TCP";
  layer_.OnMessage(request, Tcp(7));
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 603));
  const auto first = transport_.Take();
  layer_.OnFlowBroken(Tcp(7), absl::UnavailableError("reset"));
  const auto second = transport_.Take();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].bytes, first.back().bytes);
  EXPECT_NE(second[0].flow.connection, 7u);
  EXPECT_EQ(second[0].flow.remote.port, 5060);  // Via's sent-by (18.2.2)
  layer_.OnFlowBroken(second[0].flow, absl::UnavailableError("reset"));
  ASSERT_EQ(user_.failures.size(), 1u);
  EXPECT_EQ(user_.failures[0].second, ServerFailure::kTransport);
}

// A transport tells which connection it used, and the port that the peer opened it from; that port
// does not listen.
TEST_F(TransactionLayerTest, ANewConnectionGoesToSentByAndNotToWhereTheOldOneCameFrom) {
  Message request = Incoming(Method::kInvite);
  request.via[0].transport = "TCP";
  Flow ephemeral = Tcp(7);
  ephemeral.remote.port = 33333;
  layer_.OnMessage(request, ephemeral);
  transport_.remote_port_seen = 33333;
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  transport_.remote_port_seen = 0;
  transport_.Take();
  layer_.OnFlowBroken(ephemeral, absl::UnavailableError("reset"));
  EXPECT_EQ(transport_.Take().at(0).flow.remote.port, 5060);
}

TEST_F(TransactionLayerTest, AFullLayerRefusesBothWays) {
  TransactionOptions options = Options();
  options.transactions_max = 1;
  TransactionLayer small(&timers_, &transport_, &user_, options);
  small.OnMessage(Incoming(Method::kOptions), Udp());
  small.OnMessage(Incoming(Method::kOptions, "z9hG4bKpeer2"), Udp());
  const auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.status, 503);
  EXPECT_TRUE(sent[0].message.retry_after.has_value());
  EXPECT_EQ(user_.requests.size(), 1u);
  small.Send(Request(Method::kOptions), Udp());
  small.Send(Request(Method::kOptions), Udp());
  Advance(1);
  EXPECT_EQ(Statuses(), std::vector<int>{503});
}

// What a call leaves behind for 64*T1: an answered and ended call has an INVITE and a BYE on each
// leg. The bound for both legs is 6 KiB.
TEST_F(TransactionLayerTest, AnEndedCallKeepsLessThanSixKibibytes) {
  constexpr int kCalls = 200;
  for (int i = 0; i < kCalls; ++i) {
    Message invite = Incoming(Method::kInvite, "z9hG4bKi" + std::to_string(i));
    invite.call_id = "in-" + std::to_string(i);
    invite.content_type = "application/sdp";
    invite.body = std::string(300, 'v');
    layer_.OnMessage(invite, Udp());
    const TransactionId server = user_.requests.back().id;
    Message outgoing = Request(Method::kInvite);
    outgoing.call_id = "out-" + std::to_string(i);
    outgoing.content_type = "application/sdp";
    outgoing.body = invite.body;
    transport_.Take();
    const TransactionId client = layer_.Send(outgoing, Udp());
    const auto sent = transport_.Take();
    layer_.OnMessage(Answer(sent[0], 200), Udp());
    Message ack = outgoing;
    ack.method = Method::kAck;
    ack.cseq.method = Method::kAck;
    ack.to.set_tag("to1");
    layer_.Acknowledge(client, ack, Udp());
    Message answer = MakeResponse(invite, 200);
    answer.content_type = "application/sdp";
    answer.body = invite.body;
    layer_.Respond(server, answer);
    Message incoming_ack = Incoming(Method::kAck, "z9hG4bKa" + std::to_string(i));
    incoming_ack.call_id = invite.call_id;
    incoming_ack.to.set_tag(layer_.ToTag(server));
    layer_.OnMessage(incoming_ack, Udp());
    Message bye = Incoming(Method::kBye, "z9hG4bKb" + std::to_string(i));
    bye.call_id = invite.call_id;
    bye.to.set_tag(layer_.ToTag(server));
    layer_.OnMessage(bye, Udp());
    layer_.Respond(user_.requests.back().id, MakeResponse(bye, 200));
    Message our_bye = Request(Method::kBye);
    our_bye.call_id = outgoing.call_id;
    transport_.Take();
    layer_.Send(our_bye, Udp());
    const auto bye_sent = transport_.Take();
    layer_.OnMessage(Answer(bye_sent[0], 200), Udp());
  }
  ASSERT_EQ(user_.acks.size(), static_cast<size_t>(kCalls));
  EXPECT_EQ(layer_.size(), 4u * kCalls);
  const size_t per_call = layer_.memory_bytes() / kCalls;
  RecordProperty("bytes_per_ended_call", static_cast<int>(per_call));
  EXPECT_LT(per_call, 6u * 1024);
  EXPECT_GT(per_call, 256u);  // it is being measured at all
  Advance(kTimeout + 1);
  EXPECT_EQ(layer_.size(), 0u);
  EXPECT_EQ(timers_.size(), 0u);
}

}  // namespace
}  // namespace sipctl::sip
