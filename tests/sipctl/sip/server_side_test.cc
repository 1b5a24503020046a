// The layer as server: what it sends and what it tells its user, message by message.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sipctl/sip/transaction.h"
#include "tests/support/sip_layer_fixture.h"

namespace sipctl::sip {
namespace {

using ServerSideTest = TransactionLayerTest;

TEST_F(ServerSideTest, AnInviteGets100BeforeTheUserSeesItAndAgainWhenRepeated) {
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

TEST_F(ServerSideTest, ARequestIsAnsweredFromMemoryForTimerJ) {
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

TEST_F(ServerSideTest, SentByBelongsToTheKey) {
  layer_.OnMessage(Incoming(Method::kOptions), Udp());
  Message other = Incoming(Method::kOptions);
  other.via[0].host = "192.0.2.10";
  other.call_id = "call-2";
  layer_.OnMessage(other, Udp());
  EXPECT_EQ(user_.requests.size(), 2u);
}

TEST_F(ServerSideTest, ASuccessRepeatsUntilItsAckOnTcpToo) {
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

TEST_F(ServerSideTest, ASuccessWithoutAckIsReportedAfter64T1) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  Advance(kTimeout + 1);
  ASSERT_EQ(user_.failures.size(), 1u);
  EXPECT_EQ(user_.failures[0].second, ServerFailure::kNoAck);
  EXPECT_EQ(layer_.size(), 0u);
  EXPECT_EQ(timers_.size(), 0u);
}

TEST_F(ServerSideTest, AFailureRepeatsByTimerGUntilItsAck) {
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

TEST_F(ServerSideTest, CancelIsAnsweredAndToldOnce) {
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

TEST_F(ServerSideTest, CancelAfterAFinalAnswerChangesNothing) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  layer_.Respond(user_.requests.at(0).id, MakeResponse(user_.requests[0].message, 200));
  transport_.Take();
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  EXPECT_EQ(transport_.Take().at(0).message.status, 200);
  EXPECT_TRUE(user_.cancels.empty());
}

TEST_F(ServerSideTest, CancelForNothingIs481) {
  layer_.OnMessage(Incoming(Method::kCancel), Udp());
  EXPECT_EQ(transport_.Take().at(0).message.status, 481);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(ServerSideTest, AMergedRequestIs482AndItsAckStopsNothing) {
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

TEST_F(ServerSideTest, AnAckForNothingGetsNoAnswer) {
  layer_.OnMessage(Incoming(Method::kAck), Udp());
  EXPECT_TRUE(transport_.Take().empty());
  EXPECT_EQ(layer_.counters().stray_acks, 1u);
}

TEST_F(ServerSideTest, AClientOlderThanRfc3261IsKnownByItsFields) {
  layer_.OnMessage(Incoming(Method::kInvite, "1"), Udp());
  layer_.OnMessage(Incoming(Method::kInvite, "1"), Udp());
  EXPECT_EQ(user_.requests.size(), 1u);
  layer_.Respond(user_.requests[0].id, MakeResponse(user_.requests[0].message, 404));
  layer_.OnMessage(Incoming(Method::kAck, "1"), Udp());
  Advance(5000);
  EXPECT_EQ(layer_.size(), 0u);
}

TEST_F(ServerSideTest, ResponsesGoToSourceAndRportOrSentBy) {
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

TEST_F(ServerSideTest, AFinalAnswerSurvivesItsConnection) {
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

// A route that is gone for a moment (ENETUNREACH) must not end a call.
TEST_F(ServerSideTest, ADatagramThatCannotBeSentIsRepeated) {
  layer_.OnMessage(Incoming(Method::kInvite), Udp());
  const auto invite = user_.requests.at(0);
  transport_.refuse = true;
  layer_.Respond(invite.id, MakeResponse(invite.message, 180));
  layer_.Respond(invite.id, MakeResponse(invite.message, 200));
  Advance(600);
  EXPECT_TRUE(user_.failures.empty());
  transport_.refuse = false;
  transport_.Take();
  Advance(1'000);
  EXPECT_EQ(transport_.Take().at(0).message.status, 200);
  // Without end it is as without an ACK.
  transport_.refuse = true;
  Advance(kTimeout);
  ASSERT_EQ(user_.failures.size(), 1u);
  EXPECT_EQ(user_.failures[0].second, ServerFailure::kNoAck);
}

// A transport tells which connection it used, and the port that the peer opened it from; that port
// does not listen.
TEST_F(ServerSideTest, ANewConnectionGoesToSentByAndNotToWhereTheOldOneCameFrom) {
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

TEST_F(ServerSideTest, AFullLayerRefusesBothWays) {
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
TEST_F(ServerSideTest, AnEndedCallKeepsLessThanSixKibibytes) {
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
