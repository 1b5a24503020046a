#include "sipctl/sip/dialog.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/sip_network.h"

namespace sipctl::sip {
namespace {

Message ParseOrDie(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at, "\r");
  }
  ParseFailure failure;
  std::optional<Message> message = Parse(text, &failure);
  EXPECT_TRUE(message.has_value()) << failure.sentence << "\n" << text;
  return message.value_or(Message());
}

Message Invite() {
  return ParseOrDie(
      "INVITE sip:+911@carrier.example SIP/2.0\n"
      "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKa\n"
      "From: \"A\" <sip:alice@192.0.2.1>;tag=ft\n"
      "To: <sip:+911@carrier.example>\n"
      "Call-ID: c1\n"
      "CSeq: 10 INVITE\n"
      "Contact: <sip:alice@192.0.2.1:5070;transport=tcp>\n"
      "Content-Length: 0\n\n");
}

// Two proxies; the Contact is on a closed TLS port, as in trap T-01.
Message Response(int status, const std::string& tag, const std::string& extra = "") {
  return ParseOrDie("SIP/2.0 " + std::to_string(status) +
                    " X\n"
                    "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKa\n"
                    "Record-Route: <sip:near.example;transport=tcp;lr>\n"
                    "Record-Route: <sip:far.example;transport=tcp;lr>\n"
                    "From: \"A\" <sip:alice@192.0.2.1>;tag=ft\n"
                    "To: <sip:+911@carrier.example>;tag=" +
                    tag +
                    "\n"
                    "Call-ID: c1\n"
                    "CSeq: 10 INVITE\n"
                    "Contact: <sip:gw@10.9.9.9:443;transport=tls>\n" +
                    extra + "Content-Length: 0\n\n");
}

Message Incoming(const std::string& method, int cseq, const std::string& extra = "") {
  return ParseOrDie(method +
                    " sip:us@192.0.2.1 SIP/2.0\n"
                    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb\n"
                    "Record-Route: <sip:first.example;lr>\n"
                    "Record-Route: <sip:second.example;lr>\n"
                    "From: <sip:bob@192.0.2.9>;tag=theirs\n"
                    "To: <sip:us@192.0.2.1>" +
                    std::string(method == "INVITE" && extra.empty() ? "" : ";tag=ours") +
                    "\n"
                    "Call-ID: c2\n"
                    "CSeq: " +
                    std::to_string(cseq) + " " + method +
                    "\n"
                    "Contact: <sip:bob@192.0.2.9:5062>\n" +
                    extra + "Content-Length: 0\n\n");
}

Dialog Uas() {
  NameAddr contact;
  contact.uri = Uri::Parse("sip:192.0.2.1:5060").value();
  return Dialog::FromRequest(Incoming("INVITE", 5), "ours", contact, Flow{}).value();
}

std::vector<std::string> Hosts(const std::vector<NameAddr>& routes) {
  std::vector<std::string> hosts;
  for (const NameAddr& route : routes) hosts.push_back(route.uri.host);
  return hosts;
}

TEST(DialogTest, AsUacTheRouteSetIsReversedAndLeadsTheWay) {
  Dialog dialog = Dialog::FromResponse(Invite(), Response(200, "tt"), Flow{}).value();
  EXPECT_EQ(dialog.state, DialogState::kConfirmed);
  EXPECT_EQ(Hosts(dialog.route_set), (std::vector<std::string>{"far.example", "near.example"}));
  EXPECT_EQ(dialog.NextHop().host, "far.example");  // never the Contact (T-01)
  const Message ack = dialog.MakeAck(10);
  EXPECT_EQ(ack.request_uri.host, "10.9.9.9");
  EXPECT_EQ(Hosts(ack.route), (std::vector<std::string>{"far.example", "near.example"}));
  EXPECT_EQ(ack.cseq, (CSeq{10, Method::kAck}));
  EXPECT_EQ(ack.from.tag(), "ft");
  EXPECT_EQ(ack.to.tag(), "tt");
  const Message bye = dialog.MakeRequest(Method::kBye);
  EXPECT_EQ(bye.cseq, (CSeq{11, Method::kBye}));
  EXPECT_TRUE(bye.contact.empty());
  EXPECT_EQ(bye.max_forwards, 70);
}

TEST(DialogTest, AsUasTheRouteSetKeepsItsOrder) {
  Dialog dialog = Uas();
  EXPECT_EQ(dialog.state, DialogState::kEarly);
  EXPECT_EQ(Hosts(dialog.route_set), (std::vector<std::string>{"first.example", "second.example"}));
  const Message bye = dialog.MakeRequest(Method::kBye);
  EXPECT_EQ(bye.cseq.number, 1u);
  EXPECT_EQ(bye.from.tag(), "ours");
  EXPECT_EQ(bye.to.tag(), "theirs");
  EXPECT_EQ(bye.request_uri.port, 5062);
}

TEST(DialogTest, WithoutRouteSetTheTargetIsTheNextHop) {
  Message response = Response(200, "tt");
  response.record_route.clear();
  EXPECT_EQ(Dialog::FromResponse(Invite(), response, Flow{}).value().NextHop().host, "10.9.9.9");
}

// RFC 3261 section 12.2.1.1, its own example: the route set is <sip:proxy1>,<sip:proxy2>.
TEST(DialogTest, AStrictRouterGetsItselfInTheRequestLine) {
  Message response = Response(200, "tt");
  response.record_route[1].uri.parameters.clear();  // far.example without lr
  Dialog dialog = Dialog::FromResponse(Invite(), response, Flow{}).value();
  const Message bye = dialog.MakeRequest(Method::kBye);
  EXPECT_EQ(bye.request_uri.host, "far.example");
  EXPECT_EQ(Hosts(bye.route), (std::vector<std::string>{"near.example", "10.9.9.9"}));
  EXPECT_EQ(dialog.NextHop().host, "far.example");
}

TEST(DialogTest, ALaterRouteSetIsIgnored) {
  Dialog dialog = Dialog::FromResponse(Invite(), Response(200, "tt"), Flow{}).value();
  const Dialog before = dialog;
  Message later = Response(200, "tt");
  later.cseq.number = 12;
  later.record_route.clear();
  dialog.AcceptResponse(later, Flow{});
  EXPECT_EQ(dialog.route_set, before.route_set);
  later.record_route.push_back(
      {.display_name = {}, .uri = Uri::Parse("sip:evil.example;lr").value(), .parameters = {}});
  dialog.AcceptResponse(later, Flow{});
  EXPECT_EQ(dialog.route_set, before.route_set);
}

// RFC 3261 section 13.2.2.4 for the first, trap T-03 for the second.
TEST(DialogTest, TheFinalAnswerMayBringTheRouteSetButNotTakeIt) {
  Message ringing = Response(180, "tt");
  ringing.record_route.clear();
  Dialog late = Dialog::FromResponse(Invite(), ringing, Flow{}).value();
  EXPECT_TRUE(late.route_set.empty());
  late.AcceptResponse(Response(200, "tt"), Flow{});
  EXPECT_EQ(late.route_set.size(), 2u);
  EXPECT_EQ(late.state, DialogState::kConfirmed);

  Dialog early = Dialog::FromResponse(Invite(), Response(180, "tt"), Flow{}).value();
  Message bare = Response(200, "tt");
  bare.record_route.clear();
  early.AcceptResponse(bare, Flow{});
  EXPECT_EQ(early.route_set.size(), 2u);
}

TEST(DialogTest, TheTargetMovesByTargetRefreshAlone) {
  Dialog dialog = Uas();
  Message info = Incoming("INFO", 6);
  info.contact[0].uri.host = "192.0.2.66";
  EXPECT_EQ(dialog.AcceptRequest(info, Flow{}), DialogVerdict::kAccept);
  dialog.MoveTarget(info);
  EXPECT_EQ(dialog.remote_target.host, "192.0.2.9");
  Message update = Incoming("UPDATE", 7);
  update.contact[0].uri.host = "192.0.2.66";
  EXPECT_EQ(dialog.AcceptRequest(update, Flow{}), DialogVerdict::kAccept);
  EXPECT_EQ(dialog.remote_target.host, "192.0.2.9") << "it may be refused yet";
  dialog.MoveTarget(update);
  EXPECT_EQ(dialog.remote_target.host, "192.0.2.66");
  EXPECT_EQ(Hosts(dialog.route_set), (std::vector<std::string>{"first.example", "second.example"}));

  const Message reinvite = dialog.MakeRequest(Method::kInvite);
  ASSERT_EQ(reinvite.contact.size(), 1u);
  Message refused;
  refused.is_request = false;
  refused.status = 488;
  refused.cseq = reinvite.cseq;
  refused.contact = info.contact;
  refused.contact[0].uri.host = "192.0.2.99";
  dialog.AcceptResponse(refused, Flow{});
  EXPECT_EQ(dialog.remote_target.host, "192.0.2.66");
  refused.status = 200;
  dialog.AcceptResponse(refused, Flow{});
  EXPECT_EQ(dialog.remote_target.host, "192.0.2.99");
}

TEST(DialogTest, ALowerCSeqIsOldAndAGapIsNot) {
  Dialog dialog = Uas();
  EXPECT_EQ(dialog.AcceptRequest(Incoming("INFO", 4), Flow{}), DialogVerdict::kOldCSeq);
  EXPECT_EQ(dialog.AcceptRequest(Incoming("INFO", 5), Flow{}), DialogVerdict::kOldCSeq);
  EXPECT_EQ(dialog.AcceptRequest(Incoming("INFO", 50), Flow{}), DialogVerdict::kAccept);
  EXPECT_EQ(dialog.remote_cseq, 50u);
  Message stranger = Incoming("BYE", 51);
  stranger.from.set_tag("other");
  EXPECT_EQ(dialog.AcceptRequest(stranger, Flow{}), DialogVerdict::kMismatch);
  EXPECT_EQ(dialog.remote_cseq, 50u);
}

TEST(DialogTest, NoDialogFromWhatMakesNone) {
  EXPECT_FALSE(Dialog::FromResponse(Invite(), Response(100, "tt"), Flow{}).ok());
  EXPECT_FALSE(Dialog::FromResponse(Invite(), Response(486, "tt"), Flow{}).ok());
  Message no_tag = Response(180, "tt");
  no_tag.to.parameters.clear();
  EXPECT_FALSE(Dialog::FromResponse(Invite(), no_tag, Flow{}).ok());
  Message request = Incoming("INVITE", 5);
  request.contact.clear();
  EXPECT_FALSE(Dialog::FromRequest(request, "ours", NameAddr(), Flow{}).ok());
}

// What an old element or a careless one leaves out of its answer (12.1.2).
TEST(DialogTest, A2xxMakesADialogWhateverItLacks) {
  Message answer = Response(200, "tt");
  answer.contact.clear();
  answer.to.parameters.clear();
  Dialog dialog = Dialog::FromResponse(Invite(), answer, Flow{}).value();
  EXPECT_EQ(dialog.state, DialogState::kConfirmed);
  EXPECT_EQ(dialog.remote_target, Invite().request_uri);
  EXPECT_EQ(dialog.MakeRequest(Method::kBye).to.tag(), "");
  Message bye = Incoming("BYE", 1);
  bye.call_id = "c1";
  bye.from.parameters.clear();
  bye.to.set_tag("ft");
  EXPECT_TRUE(dialog.Matches(bye));
}

TEST(DialogTest, ReliableProvisionalsComeInOrder) {
  Dialog dialog = Dialog::FromResponse(Invite(), Response(183, "tt"), Flow{}).value();
  const auto reliable = [](int rseq) {
    return Response(183, "tt", "Require: 100rel\nRSeq: " + std::to_string(rseq) + "\n");
  };
  EXPECT_EQ(dialog.AcceptReliable(Response(183, "tt")), ReliableVerdict::kUnreliable);
  EXPECT_EQ(dialog.AcceptReliable(reliable(9)), ReliableVerdict::kNew);
  EXPECT_EQ(dialog.AcceptReliable(reliable(9)), ReliableVerdict::kRepeated);
  EXPECT_EQ(dialog.AcceptReliable(reliable(11)), ReliableVerdict::kOutOfOrder);
  EXPECT_EQ(dialog.AcceptReliable(reliable(10)), ReliableVerdict::kNew);
  const Message prack = dialog.MakePrack(reliable(10));
  EXPECT_EQ(prack.cseq, (CSeq{11, Method::kPrack}));
  EXPECT_EQ(prack.rack, (RAck{10, {10, Method::kInvite}}));
}

// Trap T-11: 183 with one tag, 200 with another.
TEST(ForksTest, EachTagIsADialogAndOneIsTaken) {
  Forks forks(Invite());
  const auto first = forks.OnResponse(Response(183, "one"), Flow{});
  ASSERT_NE(first.dialog, nullptr);
  EXPECT_TRUE(first.created);
  EXPECT_FALSE(forks.OnResponse(Response(180, "one"), Flow{}).created);
  const auto second = forks.OnResponse(Response(200, "two"), Flow{});
  ASSERT_TRUE(second.created);
  EXPECT_EQ(second.dialog->state, DialogState::kConfirmed);
  EXPECT_EQ(first.dialog->state, DialogState::kEarly);
  EXPECT_EQ(forks.size(), 2u);
  EXPECT_EQ(forks.Take("two").remote.tag(), "two");
  EXPECT_EQ(forks.size(), 0u);
}

TEST(ForksTest, TheirNumberIsBounded) {
  Forks forks(Invite());
  for (size_t i = 0; i < 100; ++i) forks.OnResponse(Response(180, std::to_string(i)), Flow{});
  EXPECT_EQ(forks.size(), kForksMax);
}

TEST(DialogRecordTest, ComesBackEqual) {
  Flow flow{.protocol = Protocol::kTcp, .listener = 3, .connection = 0x123456789a, .remote = {}};
  flow.remote = {relay::abi::Address::Ipv4(203, 0, 113, 7), 5070};
  Dialog dialog = Dialog::FromResponse(Invite(), Response(200, "tt"), flow).value();
  dialog.secure = true;
  dialog.remote_rseq = 77;
  auto bytes = dialog.Serialize();
  ASSERT_TRUE(bytes.ok());
  EXPECT_LT(bytes->size(), 600u);
  EXPECT_EQ(Dialog::Parse(*bytes).value(), dialog);
  EXPECT_EQ(Dialog::Parse(Uas().Serialize().value()).value(), Uas());
}

TEST(DialogRecordTest, EachShortenedLengthenedOrForeignRecordIsRefused) {
  const std::string bytes = Uas().Serialize().value();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Dialog::Parse(std::string_view(bytes).substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(Dialog::Parse(bytes + "x").ok());
  std::string other = bytes;
  other[0] = 2;
  EXPECT_FALSE(Dialog::Parse(other).ok());
}

TEST(DialogRecordTest, TooLongIsSaidClearly) {
  Dialog dialog = Uas();
  while (dialog.route_set.size() < 40) dialog.route_set.push_back(dialog.route_set.front());
  EXPECT_TRUE(absl::IsResourceExhausted(dialog.Serialize().status()));
  dialog = Uas();
  dialog.call_id = std::string(100000, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(dialog.Serialize().status()));
}

// Whatever bytes come, either they are refused or they are a record that writes itself again.
TEST(DialogRecordTest, DamagedRecordsAreRefusedOrRead) {
  const std::string good = Uas().Serialize().value();
  Dice dice(20261121);
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (uint64_t i = 0; i <= dice.Below(4); ++i) {
      bytes[dice.Below(bytes.size())] = static_cast<char>(dice.Next());
    }
    const auto dialog = Dialog::Parse(bytes);
    if (!dialog.ok()) continue;
    ++read;
    const auto again = dialog->Serialize();
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(Dialog::Parse(*again).value(), *dialog);
  }
  EXPECT_GT(read, 1000);
}

}  // namespace
}  // namespace sipctl::sip
