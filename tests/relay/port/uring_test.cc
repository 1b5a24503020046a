// What is special about the uring port: the kernel stands behind it. What all ports have in common
// is in port_suite.cc.
#include "relay/port/uring.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "relay/port/socket.h"

namespace relay::port {
namespace {

using EngineChoice = UringOptions::EngineChoice;

// An address of its own, so that no other test's ports are in the way.
const abi::Endpoint kLoopback{.address = abi::Address::Ipv4(127, 0, 14, 1)};

// A plain socket on loopback.
class Peer {
 public:
  Peer() : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    SocketAddress address;
    socklen_t length = WriteSocketAddress(kLoopback, &address);
    ok_ = bind(descriptor_, &address.any, length) == 0 &&
          getsockname(descriptor_, &address.any, &length) == 0;
    endpoint_ = kLoopback;
    endpoint_.port = ntohs(address.ipv4.sin_port);
  }
  ~Peer() { Close(); }
  void Close() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }

  bool ok() const { return ok_; }
  int descriptor() const { return descriptor_; }
  const abi::Endpoint& endpoint() const { return endpoint_; }

  bool Say(uint16_t port, size_t length) const {
    abi::Endpoint to = kLoopback;
    to.port = port;
    SocketAddress address;
    const socklen_t address_length = WriteSocketAddress(to, &address);
    const std::vector<uint8_t> bytes(length);
    return sendto(descriptor_, bytes.data(), length, 0, &address.any, address_length) ==
           static_cast<ssize_t>(length);
  }

 private:
  int descriptor_;
  bool ok_ = false;
  abi::Endpoint endpoint_;
};

class UringPortTest : public testing::TestWithParam<EngineChoice> {
 protected:
  void Make(UringOptions options = {}) {
    options.engine = GetParam();
    options.counters = &counters_;
    absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make(options);
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *std::move(port);
    ASSERT_TRUE(port_->AttachThread().ok());
    ASSERT_TRUE(peer_.ok());
  }

  void OpenLocal() {
    for (local_port_ = 14000; local_port_ < 15000; ++local_port_) {
      const absl::StatusOr<Handle> handle =
          port_->Bind({.address = 0, .port = local_port_}, kLoopback);
      if (!handle.ok()) continue;
      handle_ = *handle;
      port_->Adopt(handle_);
      return;
    }
    FAIL() << "no port is free";
  }

  // Receives and releases until `count` are there or for so long there was none.
  size_t ReceiveAll(size_t count, TimeNs quiet_ns = kSecond) {
    std::array<Packet, kBurstMax> packets;
    size_t received = 0;
    TimeNs deadline = MonotonicNow() + quiet_ns;
    while (received < count && MonotonicNow() < deadline) {
      const size_t burst = port_->Receive(packets, 1);
      port_->Release({packets.data(), burst});
      received += burst;
      if (burst != 0) deadline = MonotonicNow() + quiet_ns;
      if (burst == 0) port_->Wait(kMillisecond);
    }
    return received;
  }

  bool SendTo(const abi::Endpoint& to) {
    Packet packet;
    if (!port_->Allocate(&packet)) return false;
    packet.length = 20;
    packet.handle = handle_;
    packet.remote = to;
    return port_->Send({&packet, 1}) == 1;
  }

  abi::CounterBlock counters_{};
  std::unique_ptr<UringPort> port_;
  Peer peer_;
  uint16_t local_port_ = 0;
  Handle handle_ = kNoHandle;
};

TEST_P(UringPortTest, APortOfAnotherProgramIsRefusedByName) {
  Make();
  const absl::StatusOr<Handle> handle =
      port_->Bind({.address = 0, .port = peer_.endpoint().port}, kLoopback);
  EXPECT_EQ(handle.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::string(handle.status().message()),
            "UDP port 127.0.14.1:" + std::to_string(peer_.endpoint().port) +
                " is taken by another process");
  EXPECT_EQ(port_->bound(), 0u);
}

TEST_P(UringPortTest, AnAddressThatIsNotHereIsRefusedByName) {
  Make();
  const abi::Endpoint elsewhere{.address = abi::Address::Ipv4(192, 0, 2, 1)};
  const absl::StatusOr<Handle> handle = port_->Bind({.address = 0, .port = 14000}, elsewhere);
  EXPECT_EQ(handle.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(handle.status().message()),
            "address of 192.0.2.1:14000 is not configured on this machine");
}

TEST_P(UringPortTest, AnEndpointIsBoundToItsInterface) {
  Make({.interfaces = {"", "lo", "no-such-device"}});
  // Each engine its own: the kernel takes a moment to give back the port of a closed ring.
  const uint16_t local = GetParam() == EngineChoice::kUring ? 15400 : 15401;
  abi::Endpoint as = kLoopback;
  as.interface = 2;
  const absl::Status status = port_->Bind({.address = 0, .port = local}, as).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("interface no-such-device"), std::string::npos);
  as.interface = 1;
  const absl::StatusOr<Handle> handle = port_->Bind({.address = 0, .port = local}, as);
  ASSERT_TRUE(handle.ok()) << handle.status();
  port_->Adopt(*handle);
  ASSERT_TRUE(peer_.Say(local, 20));
  std::array<Packet, kBurstMax> packets;
  size_t received = 0;
  for (int turn = 0; turn < 1000 && received == 0; ++turn) {
    received = port_->Receive(packets, 1);
    if (received == 0) port_->Wait(kMillisecond);
  }
  ASSERT_EQ(received, 1u);
  EXPECT_EQ(packets[0].remote.interface, 1);
  port_->Release({packets.data(), 1});
}

TEST_P(UringPortTest, AnIcmpErrorEndsNothing) {
  Make();
  OpenLocal();
  Peer gone;
  ASSERT_TRUE(gone.ok());
  gone.Close();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(SendTo(gone.endpoint()));  // answered with port unreachable
    ASSERT_TRUE(peer_.Say(local_port_, 20));
    EXPECT_EQ(ReceiveAll(1), 1u);
  }
  EXPECT_EQ(counters_.Read(abi::Counter::kSendFailed), 0u);
}

TEST_P(UringPortTest, WhatTheKernelDroppedIsCounted) {
  Make({.receive_window = 64, .receive_buffer_bytes = 4096});
  OpenLocal();
  constexpr size_t kSaid = 1000;
  for (size_t i = 0; i < kSaid; ++i) ASSERT_TRUE(peer_.Say(local_port_, 172));
  const size_t received = ReceiveAll(kSaid, 100 * kMillisecond);
  EXPECT_LT(received, kSaid);
  // The drops before the last packet were told with it, the others when the socket is closed.
  port_->Drop(handle_);
  for (int turn = 0; turn < 1000 && port_->bound() != 0; ++turn) {
    ReceiveAll(1, kMillisecond);
  }
  EXPECT_EQ(received + counters_.Read(abi::Counter::kKernelDropped), kSaid);
}

TEST_P(UringPortTest, WhatIsTooLongIsCountedAndNotCut) {
  Make();
  OpenLocal();
  ASSERT_TRUE(peer_.Say(local_port_, kPayloadMax + 1));
  ASSERT_TRUE(peer_.Say(local_port_, 9000));
  ASSERT_TRUE(peer_.Say(local_port_, 20));
  EXPECT_EQ(ReceiveAll(1), 1u);
  EXPECT_EQ(counters_.Read(abi::Counter::kTooLong), 2u);
}

TEST_P(UringPortTest, TheHopLimitIsThatOfTheEgressRule) {
  Make();
  OpenLocal();
  const int one = 1;
  ASSERT_EQ(setsockopt(peer_.descriptor(), IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)), 0);
  ASSERT_TRUE(SendTo(peer_.endpoint()));
  char bytes[100];
  alignas(cmsghdr) char control[100];
  iovec vector{.iov_base = bytes, .iov_len = sizeof(bytes)};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ASSERT_EQ(recvmsg(peer_.descriptor(), &message, 0), 20);
  ASSERT_NE(CMSG_FIRSTHDR(&message), nullptr);
  int hop_limit = 0;
  std::memcpy(&hop_limit, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(hop_limit));
  EXPECT_EQ(hop_limit, 64);
}

TEST_P(UringPortTest, ManySocketsStarvedTogetherLoseNothing) {
  Make({.buffers = 128, .receive_window = 16});
  std::vector<uint16_t> ports;
  for (uint16_t port = 14000; ports.size() < 100 && port < 15000; ++port) {
    const absl::StatusOr<Handle> handle = port_->Bind({.address = 0, .port = port}, kLoopback);
    if (!handle.ok()) continue;
    port_->Adopt(*handle);
    ports.push_back(port);
  }
  for (int round = 0; round < 5; ++round) {
    for (uint16_t port : ports) ASSERT_TRUE(peer_.Say(port, 172));
  }
  EXPECT_EQ(ReceiveAll(500), 500u);
  EXPECT_EQ(port_->buffers_free(), 128u);
}

// A relay that was killed is started again and wants its ports at once.
const abi::Endpoint kRestarted{.address = abi::Address::Ipv4(127, 0, 14, 2)};

TEST_P(UringPortTest, PortsOfAKilledProcessAreFreeSoon) {
  // Each engine its own ports: the kernel takes a moment to give back those of a closed ring.
  const uint16_t first = GetParam() == EngineChoice::kUring ? 14000 : 15000;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make({.engine = GetParam()});
    if (!port.ok() || !(*port)->AttachThread().ok()) _exit(1);
    for (uint16_t local = first; local < first + 200; ++local) {
      const absl::StatusOr<Handle> handle =
          (*port)->Bind({.address = 0, .port = local}, kRestarted);
      if (!handle.ok()) _exit(1);
      (*port)->Adopt(*handle);
    }
    std::array<Packet, kBurstMax> packets;
    (*port)->Receive(packets, 1);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  close(ready[1]);
  const bool started = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(started);

  Make();
  const TimeNs start = MonotonicNow();
  for (uint16_t local = first; local < first + 200; ++local) {
    while (!port_->Bind({.address = 0, .port = local}, kRestarted).ok()) {
      ASSERT_LT(MonotonicNow() - start, kSecond) << "port " << local << " is still taken";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, UringPortTest,
                         testing::Values(EngineChoice::kUring, EngineChoice::kMmsg),
                         [](const auto& choice) {
                           return std::string(choice.param == EngineChoice::kUring ? "uring"
                                                                                   : "mmsg");
                         });

TEST(UringPort, TheFastEngineIsTakenWhereItIsAllowed) {
  const absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make({});
  ASSERT_TRUE(port.ok());
  EXPECT_EQ((*port)->name(), "uring");
  EXPECT_EQ((*port)->why_not_uring(), "");
}

// The kernel takes requests of a ring from one thread only. From another one it refuses them all,
// as it does when it has no memory for them.
TEST(UringPort, WhatTheKernelDoesNotTakeIsKeptForLater) {
  absl::StatusOr<std::unique_ptr<UringPort>> made =
      UringPort::Make({.engine = EngineChoice::kUring});
  ASSERT_TRUE(made.ok()) << made.status();
  UringPort& port = **made;
  ASSERT_TRUE(port.AttachThread().ok());
  constexpr size_t kMoreThanTheQueueHolds = 600;
  std::vector<Handle> handles;
  for (uint16_t local = 17000; handles.size() < kMoreThanTheQueueHolds && local < 20000; ++local) {
    const absl::StatusOr<Handle> handle = port.Bind({.address = 0, .port = local}, kLoopback);
    if (!handle.ok()) continue;
    handles.push_back(*handle);
    port.Adopt(*handle);
  }
  ASSERT_EQ(handles.size(), kMoreThanTheQueueHolds);
  std::array<Packet, kBurstMax> packets;
  EXPECT_EQ(port.Receive(packets, 1), 0u);

  std::thread([&] {
    for (const Handle handle : handles) port.Drop(handle);
  }).join();
  EXPECT_GT(port.bound(), 0u);
  const TimeNs deadline = MonotonicNow() + 5 * kSecond;
  while (port.bound() > 0 && MonotonicNow() < deadline) {
    EXPECT_EQ(port.Receive(packets, 1), 0u);
    port.Wait(kMillisecond);
  }
  EXPECT_EQ(port.bound(), 0u);
}

// As a container's seccomp profile does it.
void ForbidUring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = 4, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(3);
  }
}

TEST(UringPort, PlainCallsAreTakenWhereUringIsForbidden) {
  const auto child = [] {
    ForbidUring();
    const absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make({});
    if (!port.ok() || (*port)->name() != "mmsg" || (*port)->why_not_uring().empty()) _exit(1);
    const absl::StatusOr<std::unique_ptr<UringPort>> forced =
        UringPort::Make({.engine = EngineChoice::kUring});
    _exit(forced.ok() ? 2 : 0);
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST(UringPort, OptionsThatCannotBeAreRefused) {
  EXPECT_FALSE(UringPort::Make({.buffers = 65537}).ok());
  EXPECT_FALSE(UringPort::Make({.receive_window = 1000}).ok());
  EXPECT_FALSE(UringPort::Make({.buffers = 1024, .receive_window = 1024}).ok());
}

}  // namespace
}  // namespace relay::port
