#include "sipctl/sip/socket_transport.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sip_socket_fixture.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SocketTransportTest : public SocketFixture {};

TEST_F(SocketTransportTest, UdpBothWaysOverIpv4AndIpv6) {
  Start();
  for (uint16_t listener : {kUdp4, kUdp6}) {
    Peer peer(SOCK_DGRAM, listener == kUdp4 ? "127.0.0.1:0" : "[::1]:0");
    peer.Connect(transport->bound(listener));
    user.messages.clear();
    user.flows.clear();
    peer.Write(Options(1));
    Until([&] { return !user.messages.empty(); });
    EXPECT_EQ(user.flows[0], (Flow{Protocol::kUdp, listener, 0, peer.address()}));
    const Parameters& via = user.messages[0].via[0].parameters;
    EXPECT_EQ(Find(via, "received")->value, AddressText(peer.address().address));
    EXPECT_EQ(Find(via, "rport")->value, std::to_string(peer.address().port));
    ASSERT_TRUE(Send(user.flows[0], "SIP/2.0 200 OK\r\n\r\n").ok());
    std::string answer;
    UntilRead(&peer, "200 OK", &answer);
    EXPECT_EQ(transport->advertised(listener).port, transport->bound(listener).port);
  }
  EXPECT_EQ(transport->advertised(kTcp6).host, "sip.example.com");
  EXPECT_EQ(transport->advertised(kTcp6).port, 5070);
}

TEST_F(SocketTransportTest, AnswersGoBackOnTheConnectionOfTheRequest) {
  Start();
  user.answer_on = transport.get();
  for (uint16_t listener : {kTcp4, kTcp6}) {
    Peer peer(SOCK_STREAM, listener == kTcp4 ? "127.0.0.1:0" : "[::1]:0");
    peer.Connect(transport->bound(listener));
    peer.Write(Options(1) + Options(2));
    std::string answers;
    UntilRead(&peer, "CSeq: 2 OPTIONS", &answers);
    EXPECT_THAT(answers, HasSubstr("CSeq: 1 OPTIONS"));
    EXPECT_EQ(transport->connections(), 1u);
    peer.Close();
    Until([&] { return transport->connections() == 0; });
  }
  EXPECT_EQ(transport->counters().opened, 0u);
  EXPECT_THAT(user.broken, IsEmpty());  // everything had arrived
}

TEST_F(SocketTransportTest, OneConnectionIsReusedAndReplacedWhenItIsGone) {
  Start();
  Peer server(SOCK_STREAM);
  ASSERT_EQ(listen(server.fd(), 8), 0);
  Flow flow{Protocol::kTcp, kTcp4, 0, server.address()};
  const absl::StatusOr<Flow> first = Send(flow, Options(1));
  ASSERT_TRUE(first.ok());
  EXPECT_NE(first->connection, 0u);
  EXPECT_EQ(*Send(flow, Options(2)), *first);    // by the remote address
  EXPECT_EQ(*Send(*first, Options(3)), *first);  // by the connection
  Socket accepted(accept(server.fd(), nullptr, nullptr));
  std::string got;
  char buffer[4096];
  Until([&] {
    const ssize_t count = recv(accepted.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) got.append(buffer, static_cast<size_t>(count));
    return got.size() == 3 * Options(1).size();
  });
  EXPECT_EQ(got, Options(1) + Options(2) + Options(3));
  accepted.Close();
  Until([&] { return transport->connections() == 0; });
  const absl::StatusOr<Flow> second = Send(*first, Options(4));
  ASSERT_TRUE(second.ok());
  EXPECT_NE(second->connection, first->connection);
  Socket again(accept(server.fd(), nullptr, nullptr));
  Until([&] { return recv(again.fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0; });
}

TEST_F(SocketTransportTest, StrangersGetNoAnswerAndAreNotRead) {
  std::vector<std::string> traced;
  options.trace = [&](Direction, const Flow&, std::string_view bytes) {
    traced.emplace_back(bytes);
  };
  std::vector<uint16_t> asked;
  options.access = [&](const SocketAddress& source, uint16_t listener) {
    asked.push_back(listener);
    return source.address != Address("127.0.0.1:0").address;
  };
  Start();
  Peer datagrams(SOCK_DGRAM);
  datagrams.Connect(transport->bound(kUdp4));
  datagrams.Write(Options(1));
  datagrams.Write("garbage");
  Peer stream(SOCK_STREAM);
  stream.Connect(transport->bound(kTcp4));
  std::string end;
  UntilRead(&stream, "(reset)", &end);
  EXPECT_EQ(end, "(reset)");
  Until([&] { return transport->counters().stranger_datagrams == 2; });
  EXPECT_EQ(transport->counters().stranger_connections, 1u);
  EXPECT_EQ(datagrams.Read(), "");
  EXPECT_THAT(user.messages, IsEmpty());
  EXPECT_THAT(traced, IsEmpty());
  EXPECT_EQ(transport->counters().bytes_in, 0u);
  EXPECT_THAT(asked, testing::UnorderedElementsAre(kUdp4, kUdp4, kTcp4));
}

TEST_F(SocketTransportTest, AMalformedRequestIsAnsweredAndItsConnectionStays) {
  Start();
  user.answer_on = transport.get();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  std::string bad = Options(1);
  bad.insert(bad.find("Content-Length"), "Contact: <sip:\r\n");
  peer.Write(bad + "SIP/2.0 nonsense\r\nContent-Length: 0\r\n\r\n" + Options(2));
  std::string answers;
  UntilRead(&peer, "CSeq: 2 OPTIONS", &answers);
  EXPECT_THAT(answers, HasSubstr("SIP/2.0 400 Bad Request\r\n"));
  EXPECT_THAT(answers, HasSubstr("Warning: 399 tandem \"header field Contact is malformed\""));
  EXPECT_THAT(answers, HasSubstr("SIP/2.0 200 OK\r\n"));
  EXPECT_THAT(answers, Not(HasSubstr("(closed)")));
  EXPECT_EQ(transport->counters().malformed_answered, 1u);
  EXPECT_EQ(transport->counters().malformed_dropped, 1u);

  Peer datagrams(SOCK_DGRAM);
  datagrams.Connect(transport->bound(kUdp4));
  datagrams.Write(bad);
  std::string first;
  UntilRead(&datagrams, "\r\n\r\n", &first);
  EXPECT_THAT(first, HasSubstr(";received=127.0.0.1"));
  datagrams.Write(bad);
  std::string second;
  UntilRead(&datagrams, "\r\n\r\n", &second);
  EXPECT_EQ(first, second);  // the same tag, without keeping a thing
}

TEST_F(SocketTransportTest, ConnectionsAreLimitedPerSourceAndAltogether) {
  options.accepted_per_source_max = 2;
  options.accepted_max = 3;
  Start();
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::string_view source :
       {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.2:0", "127.0.0.2:0"}) {
    peers.push_back(std::make_unique<Peer>(SOCK_STREAM, source));
    peers.back()->Connect(transport->bound(kTcp4));
  }
  std::string end;
  UntilRead(peers[2].get(), "(reset)", &end);
  UntilRead(peers[4].get(), "(reset)", &end);
  EXPECT_EQ(transport->counters().source_limit, 1u);
  EXPECT_EQ(transport->counters().connection_limit, 1u);
  peers[0]->Close();
  Until([&] { return transport->connections() == 2; });
  Peer next(SOCK_STREAM);
  next.Connect(transport->bound(kTcp4));
  Until([&] { return transport->connections() == 3; });
}

// Whoever is at an access listener may be a stranger.
TEST_F(SocketTransportTest, AnAccessListenerAnswersNothingMalformed) {
  for (ListenerOptions& listener : options.listeners) listener.access = true;
  Start();
  user.answer_on = transport.get();
  std::string bad = Options(1);
  bad.insert(bad.find("Content-Length"), "Contact: <sip:\r\n");
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    user.messages.clear();
    Peer peer(type);
    peer.Connect(transport->bound(type == SOCK_DGRAM ? kUdp4 : kTcp4));
    peer.Write(bad);
    peer.Write(Options(2));
    std::string answers;
    UntilRead(&peer, "CSeq: 2 OPTIONS", &answers);
    EXPECT_THAT(answers, Not(HasSubstr("400")));
  }
  EXPECT_EQ(transport->counters().malformed_answered, 0u);
  EXPECT_EQ(transport->counters().malformed_dropped, 2u);
}

TEST_F(SocketTransportTest, AConnectionOfAStrangerIsClosedAndATrustedOneStays) {
  for (ListenerOptions& listener : options.listeners) listener.access = true;
  options.stranger_ms = 200;
  options.peer_of = [](const SocketAddress&) { return uint16_t{1}; };
  Start();
  Peer stranger(SOCK_STREAM), known(SOCK_STREAM);
  known.Connect(transport->bound(kTcp4));
  known.Write(Options(1));
  Until([&] { return !user.flows.empty(); });
  const Flow flow = user.flows[0];
  EXPECT_EQ(flow.peer, 0);  // nobody's, until it has logged in
  transport->Trust(flow);
  stranger.Connect(transport->bound(kTcp4));
  Until([&] { return transport->connections() == 2; });
  now += options.stranger_ms;
  std::string end;
  UntilRead(&stranger, "(closed)", &end);
  EXPECT_EQ(transport->counters().strangers_closed, 1u);
  EXPECT_EQ(transport->connections(), 1u);
  EXPECT_TRUE(transport->IsOpen(flow));
  known.Close();
  Until([&] { return transport->connections() == 0; });
  // It came from behind a NAT: there is nothing that could be called.
  EXPECT_FALSE(transport->IsOpen(flow));
  EXPECT_FALSE(Send(flow, Options(2)).ok());
  EXPECT_EQ(transport->counters().opened, 0u);
}

// An office behind one NAT has as many telephones as it likes: what is limited are strangers.
TEST_F(SocketTransportTest, WhoHasLoggedInDoesNotCountAmongTheStrangersOfHisAddress) {
  for (ListenerOptions& listener : options.listeners) listener.access = true;
  options.accepted_per_source_max = 2;
  options.accepted_max = 28;
  Start();
  std::vector<std::unique_ptr<Peer>> peers;
  const auto connect = [&] {
    peers.push_back(std::make_unique<Peer>(SOCK_STREAM));
    peers.back()->Connect(transport->bound(kTcp4));
  };
  for (size_t i = 0; i < 5; ++i) {
    connect();
    peers.back()->Write(Options(static_cast<int>(i)));
    Until([&] { return user.flows.size() == i + 1; });
    transport->Trust(user.flows[i]);
    transport->Trust(user.flows[i]);  // again: no more than once
  }
  EXPECT_EQ(transport->connections(), 5u);
  for (int i = 0; i < 3; ++i) connect();
  std::string end;
  UntilRead(peers.back().get(), "(reset)", &end);
  EXPECT_EQ(transport->connections(), 7u);
  EXPECT_EQ(transport->counters().source_limit, 1u);
  // Nor may one address have all the room, whoever is there: half of what such listeners get.
  peers.resize(5);
  Until([&] { return transport->connections() == 5; });
  for (size_t i = 5; i < 7; ++i) {
    connect();
    peers.back()->Write(Options(static_cast<int>(i)));
    Until([&] { return user.flows.size() == i + 1; });
    transport->Trust(user.flows[i]);
  }
  connect();
  end.clear();
  UntilRead(peers.back().get(), "(reset)", &end);
  EXPECT_EQ(transport->counters().source_limit, 2u);
  peers.clear();
  Until([&] { return transport->connections() == 0; });
}

TEST_F(SocketTransportTest, AStrangerOnAConnectionHasSoManyMessages) {
  for (ListenerOptions& listener : options.listeners) listener.access = true;
  options.stranger_messages_max = 5;
  Start();
  Peer stranger(SOCK_STREAM), known(SOCK_STREAM);
  stranger.Connect(transport->bound(kTcp4));
  std::string all;
  for (int i = 0; i < 20; ++i) all += Options(i);
  stranger.Write(all);
  std::string end;
  Until([&] {
    end += stranger.Read();
    return end.find(')') != std::string::npos;
  });
  EXPECT_EQ(user.messages.size(), 5u);
  EXPECT_THAT(end, testing::AnyOf("(closed)", "(reset)"));  // not a byte of an answer
  EXPECT_EQ(transport->counters().strangers_cut, 1u);
  EXPECT_EQ(transport->counters().strangers_closed, 0u);
  // Malformed ones count, and who has logged in may say what he likes.
  user.messages.clear();
  user.flows.clear();
  known.Connect(transport->bound(kTcp4));
  known.Write("BAD\r\nContent-Length: 0\r\n\r\n" + Options(1));
  Until([&] { return user.messages.size() == 1; });
  transport->Trust(user.flows[0]);
  known.Write(all);
  Until([&] { return user.messages.size() == 21; });
  EXPECT_EQ(transport->counters().strangers_cut, 1u);
  EXPECT_EQ(transport->connections(), 1u);
}

TEST_F(SocketTransportTest, StrangersTakeHalfOfTheConnectionsAtMost) {
  options.listeners[kTcp4].access = true;
  options.accepted_max = 4;
  Start();
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<Peer>(SOCK_STREAM));
    peers.back()->Connect(transport->bound(kTcp4));
  }
  Until([&] { return transport->counters().connection_limit == 1; });
  EXPECT_EQ(transport->connections(), 2u);
  Peer trunk(SOCK_STREAM, "[::1]:0");
  trunk.Connect(transport->bound(kTcp6));
  Until([&] { return transport->connections() == 3; });
  peers.clear();
  Until([&] { return transport->connections() == 1; });
  Peer again(SOCK_STREAM);
  again.Connect(transport->bound(kTcp4));
  Until([&] { return transport->connections() == 2; });
}

// Two listeners on one address are two targets; only what a peer opened may come from any port.
TEST_F(SocketTransportTest, AConnectionThatWeOpenedLeadsToOnePort) {
  Start();
  Peer first(SOCK_STREAM), second(SOCK_STREAM);
  ASSERT_EQ(listen(first.fd(), 8), 0);
  ASSERT_EQ(listen(second.fd(), 8), 0);
  auto flow = Send({Protocol::kTcp, kTcp4, 0, first.address()}, Options(1));
  ASSERT_TRUE(flow.ok());
  flow->remote = second.address();  // as a Route with another port says
  const auto other = Send(*flow, Options(2));
  ASSERT_TRUE(other.ok());
  EXPECT_NE(other->connection, flow->connection);
  EXPECT_EQ(other->remote, second.address());
  flow->remote = first.address();
  EXPECT_EQ(Send(*flow, Options(3))->connection, flow->connection);
  EXPECT_EQ(transport->counters().opened, 2u);

  Peer caller(SOCK_STREAM);
  caller.Connect(transport->bound(kTcp4));
  caller.Write(Options(4));
  Until([&] { return !user.flows.empty(); });
  Flow back = user.flows[0];
  back.remote.port = 5060;
  EXPECT_EQ(Send(back, Options(5))->connection, user.flows[0].connection);
}

TEST_F(SocketTransportTest, NoDescriptorIsLeftBehind) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = descriptors();
  Start();
  for (int i = 0; i < 50; ++i) {
    Peer peer(SOCK_STREAM);
    peer.Connect(transport->bound(kTcp4));
    peer.Write(Options(i));
    Until([&] { return user.messages.size() == static_cast<size_t>(i) + 1; });
    if (i % 2 == 0) peer.Reset();
  }
  Until([&] { return transport->connections() == 0; });
  Peer server(SOCK_STREAM);
  ASSERT_EQ(listen(server.fd(), 8), 0);
  ASSERT_TRUE(Send({Protocol::kTcp, kTcp4, 0, server.address()}, Options(1)).ok());
  transport.reset();  // with a connection alive and one being told
  server.Close();
  loop->Turn(0);
  EXPECT_EQ(descriptors(), before);
}

TEST_F(SocketTransportTest, TraceSeesEveryByteBothWays) {
  std::string in;
  std::string out;
  options.trace = [&](Direction direction, const Flow& flow, std::string_view bytes) {
    EXPECT_EQ(flow.protocol, Protocol::kTcp);
    (direction == Direction::kIn ? in : out) += bytes;
  };
  Start();
  user.answer_on = transport.get();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write(Options(1));
  std::string answer;
  UntilRead(&peer, "\r\n\r\n", &answer);
  EXPECT_EQ(in, Options(1));
  EXPECT_EQ(out, answer);
}

TEST_F(SocketTransportTest, WhatCannotBeIsRefusedInPlainWords) {
  Start();
  options.listeners[1].bind = transport->bound(kTcp4);
  const auto taken = SocketTransport::Create(loop.get(), options, &user);
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("cannot bind 127.0.0.1:"));
  const SocketAddress remote = Address("127.0.0.1:9");
  EXPECT_FALSE(Send({Protocol::kTcp, 9, 0, remote}, "x").ok());
  EXPECT_FALSE(Send({Protocol::kTcp, kUdp4, 0, remote}, "x").ok());
  EXPECT_FALSE(Send({Protocol::kTcp, kTcp6, 0, remote}, "x").ok());
}

TEST(TransportCounters, HaveNamesAndSentences) {
  TransportCounters counters;
  counters.pings_out = 7;
  std::string last;
  uint64_t sum = 0;
  counters.ForEach([&](std::string_view name, std::string_view sentence, uint64_t value) {
    EXPECT_FALSE(sentence.empty());
    last = name;
    sum += value;
  });
  EXPECT_EQ(last, "pings_out");
  EXPECT_EQ(sum, 7u);
}

}  // namespace
}  // namespace sipctl::sip
