#include "sipctl/sip/socket_transport.h"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/loop.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

SocketAddress Address(std::string_view text) {
  return *ParseSocketAddress(text);
}

std::string Options(int number, std::string_view via_host = "192.0.2.1", std::string body = "") {
  const std::string n = std::to_string(number);
  return "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP " + std::string(via_host) +
         ":5099;branch=z9hG4bK" + n + ";rport\r\nFrom: <sip:b@example.com>;tag=" + n +
         "\r\nTo: <sip:a@example.com>\r\nCall-ID: c" + n + "\r\nCSeq: " + n +
         " OPTIONS\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Notes everything; answers requests with 200 if told to.
class User : public TransportUser {
 public:
  void OnMessage(Message message, const Flow& flow) override {
    flows.push_back(flow);
    if (answer_on != nullptr && message.is_request) {
      EXPECT_TRUE(answer_on->Send(flow, Encode(MakeResponse(message, 200, "t"))).ok());
    }
    messages.push_back(std::move(message));
    if (on_message) on_message();
  }
  void OnFlowBroken(const Flow& flow, const absl::Status& why) override {
    EXPECT_FALSE(inside_send) << "told from inside Send";
    EXPECT_FALSE(why.ok());
    broken.push_back(flow);
  }

  std::vector<Message> messages;
  std::vector<Flow> flows;
  std::vector<Flow> broken;
  Transport* answer_on = nullptr;
  std::function<void()> on_message;
  bool inside_send = false;
};

// A peer made of bare system calls.
class Peer {
 public:
  explicit Peer(int type, std::string_view bind_to = "127.0.0.1:0")
      : socket_(Address(bind_to).address.IsIpv4() ? AF_INET : AF_INET6, type) {
    KernelAddress address(Address(bind_to));
    EXPECT_EQ(bind(fd(), address.data(), address.size), 0);
  }
  void Connect(const SocketAddress& to) {
    KernelAddress address(to);
    ASSERT_EQ(connect(fd(), address.data(), address.size), 0);
  }
  void Write(std::string_view bytes) {
    ASSERT_EQ(send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // What can be read now; "(closed)" and "(reset)" at the end of a connection.
  std::string Read() {
    std::string out;
    char buffer[65536];
    while (true) {
      const ssize_t count = recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count > 0) {
        out.append(buffer, static_cast<size_t>(count));
      } else {
        return count == 0 ? out + "(closed)" : errno == EAGAIN ? out : out + "(reset)";
      }
    }
  }
  int fd() const { return socket_.socket.fd(); }
  void Reset() { socket_.socket.Reset(); }
  void Close() { socket_.socket.Close(); }
  SocketAddress address() const { return LocalAddressOf(fd()); }

 private:
  struct Opened {
    Opened(int family, int type) : socket(::socket(family, type | SOCK_CLOEXEC, 0)) {}
    Socket socket;
  } socket_;
};

class SocketTransportTest : public testing::Test {
 protected:
  SocketTransportTest() {
    options.listeners = {{Protocol::kUdp, Address("127.0.0.1:0"), "", 0},
                         {Protocol::kTcp, Address("127.0.0.1:0"), "", 0},
                         {Protocol::kUdp, Address("[::1]:0"), "", 0},
                         {Protocol::kTcp, Address("[::1]:0"), "sip.example.com", 5070}};
    options.connection.keep_alive_ms = 0;
  }

  void Start() {
    auto created = SocketTransport::Create(loop.get(), options, &user);
    ASSERT_TRUE(created.ok()) << created.status();
    transport = *std::move(created);
  }

  // Turns until `done`, in real time at most 10 s; the loop's own time stands still.
  void Until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "did not happen";
      loop->Turn(5);
    }
  }
  void UntilRead(Peer* peer, std::string_view what, std::string* all) {
    Until([&] {
      *all += peer->Read();
      return all->find(what) != std::string::npos;
    });
  }

  absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) {
    user.inside_send = true;
    absl::StatusOr<Flow> used = transport->Send(flow, bytes);
    user.inside_send = false;
    return used;
  }

  static constexpr uint16_t kUdp4 = 0, kTcp4 = 1, kUdp6 = 2, kTcp6 = 3;

  TimeMs now = 1'000'000;
  std::unique_ptr<Loop> loop = *Loop::Create([this] { return now; });
  User user;
  SocketTransportOptions options;
  std::unique_ptr<SocketTransport> transport;
};

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

TEST_F(SocketTransportTest, StreamSplitAtEveryOffset) {
  Start();
  const std::string stream = Options(1) + Options(2, "192.0.2.1", "v=0\r\n\r\n") + Options(3);
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  for (size_t split = 1; split < stream.size(); ++split) {
    user.messages.clear();
    const uint64_t before = transport->counters().bytes_in;
    peer.Write(std::string_view(stream).substr(0, split));
    Until([&] { return transport->counters().bytes_in == before + split; });
    peer.Write(std::string_view(stream).substr(split));
    Until([&] { return transport->counters().bytes_in == before + stream.size(); });
    ASSERT_THAT(user.messages, SizeIs(3)) << split;
    ASSERT_EQ(user.messages[1].body, "v=0\r\n\r\n");
    ASSERT_EQ(user.messages[2].cseq.number, 3u);
  }
  EXPECT_EQ(transport->counters().accepted, 1u);
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

TEST_F(SocketTransportTest, AStreamThatCannotBeFollowedIsClosed) {
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write(Options(1) + "OPTIONS sip:a SIP/2.0\r\n\r\n");
  std::string end;
  UntilRead(&peer, "(closed)", &end);
  EXPECT_THAT(user.messages, SizeIs(1));
  EXPECT_EQ(transport->counters().broken_streams, 1u);
}

TEST_F(SocketTransportTest, AMessageNotFinishedInTimeEndsItsConnection) {
  Start();
  Peer slow(SOCK_STREAM);
  slow.Connect(transport->bound(kTcp4));
  Peer idle(SOCK_STREAM);
  idle.Connect(transport->bound(kTcp4));
  idle.Write(Options(1));
  slow.Write(Options(1) + "OPTIONS");
  Until([&] { return user.messages.size() == 2; });
  now += 3999;
  slow.Write(" sip:");  // dripping on does not help
  const uint64_t bytes = transport->counters().bytes_in;
  Until([&] { return transport->counters().bytes_in == bytes + 5; });
  EXPECT_EQ(slow.Read(), "");
  now += 1;
  std::string end;
  UntilRead(&slow, ")", &end);
  EXPECT_EQ(transport->counters().unfinished_messages, 1u);
  now += 60'000;
  loop->Turn(0);
  EXPECT_EQ(idle.Read(), "");
  EXPECT_EQ(transport->connections(), 1u);
}

TEST_F(SocketTransportTest, ARefusedConnectionIsToldLater) {
  Start();
  SocketAddress nobody;
  {
    Peer gone(SOCK_STREAM);
    nobody = gone.address();
  }
  const absl::StatusOr<Flow> flow = Send({Protocol::kTcp, kTcp4, 0, nobody}, Options(1));
  ASSERT_TRUE(flow.ok());
  Until([&] { return !user.broken.empty(); });
  EXPECT_THAT(user.broken, testing::ElementsAre(*flow));
  EXPECT_EQ(transport->connections(), 0u);
  EXPECT_EQ(transport->counters().connect_failures, 1u);
}

TEST_F(SocketTransportTest, AConnectionThatIsNotMadeInTimeIsToldLater) {
  Start();
  Peer deaf(SOCK_STREAM);
  ASSERT_EQ(listen(deaf.fd(), 0), 0);
  Peer filler(SOCK_STREAM);  // takes the only place in the backlog; more SYNs are dropped
  filler.Connect(deaf.address());
  const absl::StatusOr<Flow> flow = Send({Protocol::kTcp, kTcp4, 0, deaf.address()}, Options(1));
  ASSERT_TRUE(flow.ok());
  loop->Turn(20);
  EXPECT_THAT(user.broken, IsEmpty());
  now += 4000;
  Until([&] { return !user.broken.empty(); });
  EXPECT_EQ(transport->connections(), 0u);
}

TEST_F(SocketTransportTest, AResetPeerIsToldOnce) {
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write(Options(1));
  Until([&] { return !user.flows.empty(); });
  const Flow flow = user.flows[0];
  ASSERT_TRUE(Send(flow, Options(2)).ok());
  peer.Reset();
  Until([&] { return !user.broken.empty(); });
  EXPECT_THAT(user.broken, testing::ElementsAre(flow));
  // Its port answers no more: the new connection fails, later.
  ASSERT_TRUE(Send(flow, Options(3)).ok());
  Until([&] { return user.broken.size() == 2; });
}

TEST_F(SocketTransportTest, APeerThatDoesNotReadFillsItsQueueAndNothingIsTorn) {
  options.connection.queue_bytes_max = 100'000;
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write(Options(1));
  Until([&] { return !user.flows.empty(); });
  std::string sent;
  absl::Status full;
  for (int i = 0; full.ok(); ++i) {
    const std::string message = Options(i, "192.0.2.1", std::string(30'000, 'x'));
    full = Send(user.flows[0], message).status();
    if (full.ok()) sent += message;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_EQ(transport->counters().stream_queue_full, 1u);
  std::string got;
  Until([&] {
    got += peer.Read();
    return got.size() >= sent.size();
  });
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(Send(user.flows[0], Options(9)).ok());
}

TEST_F(SocketTransportTest, KeepAlivePingsIdleConnectionsAndPongsAreSent) {
  options.connection.keep_alive_ms = 30'000;
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write("\r\n\r\n");
  std::string pong;
  UntilRead(&peer, "\r\n", &pong);
  EXPECT_EQ(pong, "\r\n");
  now += 29'000;
  peer.Write(Options(1));
  Until([&] { return !user.messages.empty(); });
  now += 29'000;
  loop->Turn(0);
  EXPECT_EQ(peer.Read(), "");
  now += 1'000;
  std::string ping;
  UntilRead(&peer, "\r\n\r\n", &ping);
  EXPECT_EQ(ping, "\r\n\r\n");
  EXPECT_EQ(transport->counters().pings_out, 1u);
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

TEST_F(SocketTransportTest, ThousandsOfMessagesArriveOnceAndInOrder) {
  Start();
  user.answer_on = transport.get();
  constexpr int kMessages = 5000;
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  std::string answers;
  uint32_t expected = 0;
  user.on_message = [&] {
    ASSERT_EQ(user.messages.back().cseq.number, expected++);
    user.messages.clear();
    user.flows.clear();
  };
  // In odd portions, so that the cuts wander through the messages.
  std::string stream;
  for (int i = 0; i < kMessages; ++i) stream += Options(i);
  for (size_t at = 0; at < stream.size(); at += 9973) {
    const std::string_view portion = std::string_view(stream).substr(at, 9973);
    const uint64_t before = transport->counters().bytes_in;
    peer.Write(portion);
    Until([&] {
      answers += peer.Read();
      return transport->counters().bytes_in == before + portion.size();
    });
  }
  UntilRead(&peer, "CSeq: " + std::to_string(kMessages - 1) + " ", &answers);
  EXPECT_EQ(expected, static_cast<uint32_t>(kMessages));

  Peer datagrams(SOCK_DGRAM);
  datagrams.Connect(transport->bound(kUdp4));
  expected = 0;
  for (int i = 0; i < kMessages; ++i) {
    datagrams.Write(Options(i));
    if (i % 50 != 49) continue;
    Until([&] { return expected == static_cast<uint32_t>(i) + 1; });
    EXPECT_THAT(datagrams.Read(), Not(IsEmpty()));
  }
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

TEST_F(SocketTransportTest, DatagramsThatTheKernelDroppedAreCounted) {
  Start();
  Peer peer(SOCK_DGRAM);
  peer.Connect(transport->bound(kUdp4));
  // No turn meanwhile: 20 MB do not fit into the socket's buffer.
  const std::string big = Options(1, "192.0.2.1", std::string(40'000, 'x'));
  constexpr uint64_t kSent = 500;
  for (uint64_t i = 0; i < kSent; ++i) peer.Write(big);
  Until([&] {
    peer.Write(Options(2));  // carries the count of those lost before it
    return transport->counters().kernel_drops > 0;
  });
  const auto big_ones = [&] {
    return static_cast<uint64_t>(std::count_if(user.messages.begin(), user.messages.end(),
                                               [](const Message& m) { return !m.body.empty(); }));
  };
  EXPECT_LT(big_ones(), kSent);
  EXPECT_GE(transport->counters().kernel_drops + big_ones(), kSent);
}

// Thousands of idle connections must not cost what one busy one does.
TEST_F(SocketTransportTest, AnIdleConnectionHoldsNoBuffers) {
  options.accepted_per_source_max = 1000;
  Start();
  constexpr int kPeers = 200;
  std::vector<std::unique_ptr<Peer>> peers;
  const auto exchange = [&](int number) {
    peers.push_back(std::make_unique<Peer>(SOCK_STREAM));
    peers.back()->Connect(transport->bound(kTcp4));
    const std::string message = Options(number, "192.0.2.1", std::string(20'000, 'x'));
    const uint64_t before = transport->counters().bytes_in;
    peers.back()->Write(std::string_view(message).substr(0, 15'000));  // kept, until the rest comes
    Until([&] { return transport->counters().bytes_in == before + 15'000; });
    peers.back()->Write(std::string_view(message).substr(15'000));
    Until([&] { return transport->counters().bytes_in == before + message.size(); });
    user.messages = {};
    user.flows = {};
  };
  exchange(0);
  const size_t before = mallinfo2().uordblks;
  for (int i = 1; i <= kPeers; ++i) exchange(i);
  EXPECT_LT(mallinfo2().uordblks, before + kPeers * 2048);
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
  options.listeners.push_back({Protocol::kTls, Address("127.0.0.1:0"), "", 0});
  const auto tls = SocketTransport::Create(loop.get(), options, &user);
  EXPECT_TRUE(absl::IsUnimplemented(tls.status()));
  EXPECT_THAT(std::string(tls.status().message()), HasSubstr("TLS listener"));
  options.listeners.pop_back();
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
