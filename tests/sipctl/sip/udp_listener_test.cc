#include "sipctl/sip/udp_listener.h"

#include <sys/syscall.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sip_socket_fixture.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What the kernel says to the next datagrams; 0: it does its work.
struct Refusal {
  int error = 0;
  int calls = 0;
};
Refusal refusal;

class UdpListenerTest : public SocketFixture {
 protected:
  ~UdpListenerTest() override { refusal = {}; }
};

TEST_F(UdpListenerTest, DatagramsThatTheKernelDroppedAreCounted) {
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

TEST_F(UdpListenerTest, ADatagramHasTheAgeThatTheKernelSaw) {
  Start();
  Peer peer(SOCK_DGRAM);
  peer.Connect(transport->bound(kUdp4));
  std::vector<Backlog> backlogs;
  user.on_message = [&] { backlogs.push_back(transport->backlog()); };
  // The kernel begins to stamp a little after it was asked to; until then it gives the present.
  Until([&] {
    peer.Write(Options(1));
    const auto old_at = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
    while (std::chrono::steady_clock::now() < old_at) std::this_thread::yield();
    loop->Turn(0);
    return !backlogs.empty() && backlogs.back().age >= 50;
  });
  EXPECT_LT(backlogs.back().age, 10'000);
  EXPECT_EQ(backlogs.back().full_percent, 0);
  EXPECT_EQ(transport->backlog(), Backlog{});  // no message is handed up now
}

TEST_F(UdpListenerTest, ABatchKnowsHowFullTheBufferIs) {
  Start();
  Peer peer(SOCK_DGRAM);
  peer.Connect(transport->bound(kUdp4));
  const std::string big = Options(1, "192.0.2.1", std::string(40'000, 'x'));
  for (int i = 0; i < 500; ++i) peer.Write(big);
  std::vector<uint8_t> full;
  user.on_message = [&] { full.push_back(transport->backlog().full_percent); };
  Until([&] { return !full.empty() && full.back() == 0; });
  EXPECT_GT(full.front(), 75);
  EXPECT_LE(*std::max_element(full.begin(), full.end()), 100);
}

TEST_F(UdpListenerTest, WhatTheKernelRefusesForNowIsLossAndNotUnreachable) {
  Start();
  Peer peer(SOCK_DGRAM);
  const Flow flow{Protocol::kUdp, kUdp4, 0, peer.address()};
  for (int error : {EPERM, ENOBUFS, ECONNREFUSED}) {
    refusal.error = error;
    EXPECT_TRUE(Send(flow, Options(1)).ok()) << error;
  }
  EXPECT_EQ(transport->counters().datagrams_not_taken, 3u);
  for (int error : {EHOSTUNREACH, ENETUNREACH, EMSGSIZE}) {
    refusal.error = error;
    EXPECT_FALSE(Send(flow, Options(1)).ok()) << error;
  }
  EXPECT_EQ(transport->counters().datagram_send_failures, 3u);
  refusal.error = 0;
  EXPECT_TRUE(Send(flow, Options(2)).ok());
  std::string heard;
  UntilRead(&peer, "CSeq: 2", &heard);
  EXPECT_THAT(heard, Not(HasSubstr("CSeq: 1")));
}

// Epoll says that the socket can be written to while the queue of the interface is full.
TEST_F(UdpListenerTest, AFullInterfaceIsNotWaitedForInABusyLoop) {
  Start();
  Peer peer(SOCK_DGRAM);
  refusal.error = ENOBUFS;
  ASSERT_TRUE(Send({Protocol::kUdp, kUdp4, 0, peer.address()}, Options(1)).ok());
  refusal.calls = 0;
  for (int i = 0; i < 100; ++i) loop->Turn(0);
  EXPECT_EQ(refusal.calls, 0);
  refusal.error = EAGAIN;  // the socket's own buffer: this one is waited for
  ASSERT_TRUE(Send({Protocol::kUdp, kUdp4, 0, peer.address()}, Options(2)).ok());
  refusal.error = ENOBUFS;
  Until([&] { return transport->counters().datagrams_not_taken == 2; });
  refusal.calls = 0;
  for (int i = 0; i < 100; ++i) loop->Turn(0);
  EXPECT_EQ(refusal.calls, 0) << "dropped from the queue, which is empty now";
}

TEST_F(UdpListenerTest, AFullQueueLoses) {
  options.datagram_queue_bytes_max = 1000;
  Start();
  Peer peer(SOCK_DGRAM);
  refusal.error = EAGAIN;
  const Flow flow{Protocol::kUdp, kUdp4, 0, peer.address()};
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Send(flow, Options(i)).ok());
  EXPECT_GT(transport->counters().datagram_queue_full, 10u);
  refusal.error = 0;
  std::string heard;
  UntilRead(&peer, "CSeq: 1 ", &heard);
}

}  // namespace
}  // namespace sipctl::sip

// Stands in front of the C library's, so that the kernel can be made to refuse.
extern "C" ssize_t sendto(int fd, const void* bytes, size_t size, int flags, const sockaddr* to,
                          socklen_t to_size) {
  sipctl::sip::Refusal& refusal = sipctl::sip::refusal;
  ++refusal.calls;
  if (refusal.error == 0) return syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
  errno = refusal.error;
  return -1;
}
