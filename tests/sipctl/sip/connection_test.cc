// Streams, through a whole transport: framing, time-outs, queues, keep-alive.
#include "sipctl/sip/connection.h"

#include <malloc.h>
#include <netinet/tcp.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sip_socket_fixture.h"

namespace sipctl::sip {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ConnectionTest : public SocketFixture {};

TEST_F(ConnectionTest, StreamSplitAtEveryOffset) {
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

// No kernel says when a byte of a stream came; that nothing was left at the last look does.
TEST_F(ConnectionTest, AMessageIsNoOlderThanTheLastLookAtItsConnection) {
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  Until([&] { return transport->connections() == 1; });
  std::vector<TimeMs> ages;
  TimeMs work = 0;
  user.on_message = [&] {
    ages.push_back(transport->backlog().age);
    now += work;
    if (ages.size() == 2) peer.Write(Options(3));
  };
  now += 60'000;
  loop->Turn(0);
  work = 70;
  peer.Write(Options(1) + Options(2));
  Until([&] { return ages.size() == 3; });
  // The first woke the loop, the second stood behind it, the third came during all that.
  EXPECT_EQ(ages, (std::vector<TimeMs>{0, 70, 140}));
  work = 0;
  now += 5000;  // of sleep
  loop->Turn(0);
  peer.Write(Options(4));
  Until([&] { return ages.size() == 4; });
  EXPECT_EQ(ages[3], 0);
}

TEST_F(ConnectionTest, AStreamThatCannotBeFollowedIsClosed) {
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write(Options(1) + "OPTIONS sip:a SIP/2.0\r\n\r\n");
  std::string end;
  UntilRead(&peer, "(closed)", &end);
  EXPECT_THAT(user.messages, SizeIs(1));
  EXPECT_EQ(transport->counters().broken_streams, 1u);
}

TEST_F(ConnectionTest, AMessageNotFinishedInTimeEndsItsConnection) {
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

TEST_F(ConnectionTest, ARefusedConnectionIsToldLater) {
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

TEST_F(ConnectionTest, AConnectionThatIsNotMadeInTimeIsToldLater) {
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

TEST_F(ConnectionTest, AResetPeerIsToldOnce) {
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

TEST_F(ConnectionTest, APeerThatDoesNotReadFillsItsQueueAndNothingIsTorn) {
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

TEST_F(ConnectionTest, KeepAlivePingsIdleConnectionsAndPongsAreSent) {
  options.connection.keep_alive_ms = 30'000;
  Start();
  Peer peer(SOCK_STREAM);
  peer.Connect(transport->bound(kTcp4));
  peer.Write("\r\n\r\n");
  std::string pong;
  UntilRead(&peer, "\r\n", &pong);
  EXPECT_EQ(pong, "\r\n");
  now += 23'000;
  peer.Write(Options(1));
  Until([&] { return !user.messages.empty(); });
  now += 23'000;
  loop->Turn(0);
  EXPECT_EQ(peer.Read(), "");
  now += 7'000;
  std::string ping;
  UntilRead(&peer, "\r\n\r\n", &ping);
  EXPECT_EQ(ping, "\r\n\r\n");
  EXPECT_EQ(transport->counters().pings_out, 1u);
}

// Thousands of connections that were made at once must not all ping at once.
TEST_F(ConnectionTest, PingsAreSpreadOverAFifthOfTheTime) {
  options.connection.keep_alive_ms = 30'000;
  options.accepted_per_source_max = 100;
  Start();
  constexpr size_t kPeers = 40;
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<Peer>(SOCK_STREAM));
    peers.back()->Connect(transport->bound(kTcp4));
  }
  Until([&] { return transport->connections() == kPeers; });
  now += 23'900;
  loop->Turn(0);
  EXPECT_EQ(transport->counters().pings_out, 0u);
  now += 3'100;
  loop->Turn(0);
  EXPECT_GT(transport->counters().pings_out, kPeers / 5);
  EXPECT_LT(transport->counters().pings_out, kPeers * 4 / 5);
  now += 3'000;
  loop->Turn(0);
  EXPECT_EQ(transport->counters().pings_out, kPeers);
}

TEST_F(ConnectionTest, WhoHasAnsweredPingsAndDoesNoLongerIsGone) {
  options.connection.keep_alive_ms = 30'000;
  Start();
  Peer answers(SOCK_STREAM), silent(SOCK_STREAM);
  answers.Connect(transport->bound(kTcp4));
  silent.Connect(transport->bound(kTcp4));
  Until([&] { return transport->connections() == 2; });
  const auto pinged = [&](uint64_t count) {
    now += 30'000;
    std::string got;
    UntilRead(&answers, "\r\n\r\n", &got);
    UntilRead(&silent, "\r\n\r\n", &got);
    EXPECT_EQ(transport->counters().pings_out, count);
  };
  for (uint64_t i = 1; i <= 3; ++i) {
    pinged(2 * i);
    const uint64_t before = transport->counters().bytes_in;
    answers.Write("\r\n");
    Until([&] { return transport->counters().bytes_in > before; });
    now += 10'000;
    loop->Turn(0);
    EXPECT_EQ(transport->connections(), 2u);
  }
  pinged(8);
  now += 9'999;
  loop->Turn(0);
  EXPECT_EQ(transport->connections(), 2u);
  now += 1;
  std::string end;
  UntilRead(&answers, "(closed)", &end);
  EXPECT_EQ(transport->counters().pongs_missed, 1u);
  EXPECT_EQ(transport->connections(), 1u);  // who never showed that it knows them stays
  Until([&] { return user.broken.size() == 1; });
}

// The peer's address names our end of the connection among our descriptors.
int DescriptorTo(const SocketAddress& peer) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int fd = -1;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &fd)) continue;
    KernelAddress remote;
    if (getpeername(fd, remote.data(), &remote.size) != 0) continue;
    if (remote.data()->sa_family == AF_INET && remote.ToSocketAddress() == peer) return fd;
  }
  return -1;
}

TEST_F(ConnectionTest, TheKernelWatchesBothKindsOfConnections) {
  Start();
  Peer caller(SOCK_STREAM), called(SOCK_STREAM);
  caller.Connect(transport->bound(kTcp4));
  ASSERT_EQ(listen(called.fd(), 8), 0);
  ASSERT_TRUE(Send({Protocol::kTcp, kTcp4, 0, called.address()}, Options(1)).ok());
  Until([&] { return transport->connections() == 2; });
  for (const Peer* peer : {&caller, &called}) {
    const int fd = DescriptorTo(peer->address());
    ASSERT_GE(fd, 0);
    const auto option = [fd](int level, int name) {
      int value = -1;
      socklen_t size = sizeof value;
      EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
      return value;
    };
    EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 10'000);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 60);
  }
}

TEST_F(ConnectionTest, ThousandsOfMessagesArriveOnceAndInOrder) {
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

// Thousands of idle connections must not cost what one busy one does.
TEST_F(ConnectionTest, AnIdleConnectionHoldsNoBuffers) {
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

}  // namespace
}  // namespace sipctl::sip
