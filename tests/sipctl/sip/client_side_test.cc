// The layer as client: what it sends and what it tells its user, message by message.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sipctl/sip/transaction.h"
#include "tests/support/sip_layer_fixture.h"

namespace sipctl::sip {
namespace {

using ClientSideTest = TransactionLayerTest;

TEST_F(ClientSideTest, ARequestGetsViaBranchRportAndMaxForwards) {
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

TEST_F(ClientSideTest, InviteRepeatsByTimerAAndEndsByTimerBWith408) {
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

TEST_F(ClientSideTest, NonInviteRepeatsByTimerEAndEndsByTimerF) {
  const TimeMs start = timers_.now();
  layer_.Send(Request(Method::kBye), Udp());
  Advance(kTimeout + 1);
  EXPECT_EQ(Times(start), (std::vector<TimeMs>{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500,
                                               27500, 31500}));
  EXPECT_EQ(Statuses(), std::vector<int>{408});
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(ClientSideTest, NothingRepeatsOnTcp) {
  layer_.Send(Request(Method::kInvite), Tcp());
  layer_.Send(Request(Method::kOptions), Tcp());
  Advance(kTimeout + 1);
  EXPECT_EQ(transport_.Take().size(), 2u);
  EXPECT_EQ(Statuses(), (std::vector<int>{408, 408}));
}

TEST_F(ClientSideTest, AProvisionalStopsTheInvite) {
  layer_.Send(Request(Method::kInvite), Udp());
  const auto sent = transport_.Take();
  layer_.OnMessage(Answer(sent[0], 180), Udp());
  Advance(239000);
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_EQ(Statuses(), std::vector<int>{180});
  EXPECT_EQ(layer_.size(), 1u);
}

TEST_F(ClientSideTest, APeerThatDiedWhileRingingIsGivenUpByTimerC) {
  layer_.Send(Request(Method::kInvite), Tcp());
  const auto sent = transport_.Take();
  layer_.OnMessage(Answer(sent[0], 180), Tcp());
  Advance(200000);
  layer_.OnMessage(Answer(sent[0], 180), Tcp());  // begins anew
  Advance(kTimerCMs - 1000);
  EXPECT_TRUE(transport_.Take().empty());
  Advance(1000);
  EXPECT_EQ(transport_.Take().at(0).message.method, Method::kCancel);
  Advance(kTimeout + 1);
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 180, 408}));
  EXPECT_EQ(layer_.size(), 0u);
}

// Found by the simulation: it waited as long as for somebody who has to pick up.
TEST_F(ClientSideTest, InADialogTimerCIsShorter) {
  Message again = Request(Method::kInvite);
  again.to.set_tag("theirs");
  layer_.Send(std::move(again), Tcp());
  const auto sent = transport_.Take();
  layer_.OnMessage(Answer(sent[0], 100), Tcp());
  Advance(kTimerCInDialogMs - 1);
  EXPECT_TRUE(transport_.Take().empty());
  Advance(1);
  EXPECT_EQ(transport_.Take().at(0).message.method, Method::kCancel);
  Advance(kTimeout + 1);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(ClientSideTest, AFailureIsAcknowledgedHopByHopAndEachTimeAlike) {
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

TEST_F(ClientSideTest, EachRepeatedSuccessGetsTheSameAck) {
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

TEST_F(ClientSideTest, EachForkOfAnInviteIsAnAnswerOfItsOwn) {
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

TEST_F(ClientSideTest, APeerCannotMakeEndlessForks) {
  layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  for (int i = 0; i < 1000; ++i) {
    layer_.OnMessage(Answer(invite[0], 200, std::to_string(i)), Udp());
  }
  EXPECT_EQ(user_.responses.size(), 16u);
}

TEST_F(ClientSideTest, CancelWaitsForAProvisional) {
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

TEST_F(ClientSideTest, ASuccessThatCrossesTheCancelIsToldToTheUser) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  const auto invite = transport_.Take();
  layer_.OnMessage(Answer(invite[0], 180), Udp());
  layer_.Cancel(id);
  layer_.OnMessage(Answer(invite[0], 200), Udp());
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 200}));
}

TEST_F(ClientSideTest, ACancelledInviteEndsEvenIfThePeerIsSilent) {
  const TransactionId id = layer_.Send(Request(Method::kInvite), Udp());
  layer_.OnMessage(Answer(transport_.Take()[0], 180), Udp());
  layer_.Cancel(id);
  Advance(kTimeout + 1);
  EXPECT_EQ(Statuses(), (std::vector<int>{180, 408}));
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(ClientSideTest, AResponseWithoutAProofOrForAnotherIsDropped) {
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
  // Our branch, another's address: that one is worth a word.
  EXPECT_EQ(layer_.counters().rewritten_responses, 1u);
  EXPECT_EQ(user_.rewritten, std::vector<std::string>{"192.0.2.77"});
}

TEST_F(ClientSideTest, ARefusedSendIsA503ToldLater) {
  transport_.refuse = true;
  layer_.Send(Request(Method::kInvite), Udp());
  EXPECT_TRUE(user_.responses.empty());
  Advance(1);
  ASSERT_EQ(Statuses(), std::vector<int>{503});
  EXPECT_EQ(user_.responses[0].origin, ResponseOrigin::kTransport);
  EXPECT_EQ(layer_.size(), 0u);
}

// A route that is gone for a moment (ENETUNREACH) must not leave the peer in a call that is over.
TEST_F(ClientSideTest, AByeIsRepeatedWhereADatagramCannotBeSent) {
  transport_.refuse = true;
  layer_.Send(Request(Method::kBye), Udp());
  Advance(400);
  EXPECT_TRUE(user_.responses.empty());
  transport_.refuse = false;
  Advance(200);
  const auto sent = transport_.Take();
  ASSERT_EQ(sent.size(), 1u);
  transport_.refuse = true;
  Advance(2'000);
  transport_.refuse = false;
  layer_.OnMessage(Answer(sent[0], 200), Udp());
  EXPECT_EQ(Statuses(), std::vector<int>{200});
  Advance(6'000);
  EXPECT_EQ(layer_.size(), 0u);
  // Nor for ever.
  transport_.refuse = true;
  user_.responses.clear();
  layer_.Send(Request(Method::kBye), Udp());
  Advance(kTimeout + 1);
  EXPECT_EQ(Statuses(), std::vector<int>{408});
}

TEST_F(ClientSideTest, ABrokenConnectionIsTriedOnceMore) {
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

TEST_F(ClientSideTest, AnUnreachablePortEndsTheRequest) {
  layer_.Send(Request(Method::kInvite), Udp());
  layer_.OnFlowBroken(Udp(5061), absl::UnavailableError("unreachable"));
  EXPECT_TRUE(user_.responses.empty());
  layer_.OnFlowBroken(Udp(), absl::UnavailableError("unreachable"));
  EXPECT_EQ(Statuses(), std::vector<int>{503});
}

TEST_F(ClientSideTest, ALargeRequestTakesTheStreamAndFallsBack) {
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

TEST_F(ClientSideTest, WhoTakesNoStreamIsNotAskedForOneWithEachRequest) {
  Message request = Request(Method::kInvite);
  request.content_type = "application/sdp";
  request.body = std::string(1300, 'x');
  const auto protocol_of_next = [&] {
    layer_.Send(request, Sending{.flow = Udp(), .stream = Tcp()});
    const auto sent = transport_.Take();
    layer_.OnFlowBroken(sent.at(0).flow, absl::UnavailableError("refused"));
    transport_.Take();
    return sent.at(0).flow.protocol;
  };
  EXPECT_EQ(protocol_of_next(), Protocol::kTcp);
  EXPECT_EQ(protocol_of_next(), Protocol::kUdp);
  Advance(600'000);
  EXPECT_EQ(protocol_of_next(), Protocol::kTcp);
}

TEST_F(ClientSideTest, ASmallRequestStaysOnUdp) {
  layer_.Send(Request(Method::kInvite), Sending{.flow = Udp(), .stream = Tcp()});
  EXPECT_EQ(transport_.Take().at(0).flow.protocol, Protocol::kUdp);
}

}  // namespace
}  // namespace sipctl::sip
