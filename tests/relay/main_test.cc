// The real relay process on the kernel's sockets: started, attached to, a call carried both ways,
// looked at with the real relaystat, taken down with nothing left behind.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "relay/abi/attach.h"
#include "tests/support/relay_harness.h"

namespace {

using relay::abi::Attachment;
using relay::abi::Command;
using relay::abi::Descriptor;
using relay::abi::Event;
using relay::abi::EventKind;

constexpr int kDeadlineMs = 20'000;
constexpr uint16_t kPortFirst = 24000;

class RelayProgram {
 public:
  explicit RelayProgram(const std::string& socket_path) {
    const char* arguments[] = {
        RELAY_PROGRAM, "--socket", socket_path.c_str(), "--listen", kListen, "--sessions", "64",
        "--log-level", "warn",     "--drain-timeout",   "60",       nullptr};
    pid_ = fork();
    if (pid_ == 0) {
      execv(RELAY_PROGRAM, const_cast<char**>(arguments));
      _exit(127);
    }
  }
  ~RelayProgram() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  void Signal(int number) const { kill(pid_, number); }
  // Its exit status.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  static constexpr const char* kListen = "127.0.0.1:24000-24099";
  pid_t pid_ = -1;
};

// A far party on loopback.
class FarParty {
 public:
  FarParty() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t length = sizeof address;
    getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    const timeval timeout{kDeadlineMs / 1000, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  relay::abi::Endpoint endpoint() const {
    relay::abi::Endpoint endpoint{};
    endpoint.address = relay::abi::Address::Ipv4(127, 0, 0, 1);
    endpoint.port = port_;
    return endpoint;
  }
  void Send(uint16_t to, const std::vector<uint8_t>& packet) {
    const sockaddr_in address = Loopback(to);
    EXPECT_EQ(sendto(socket_.get(), packet.data(), packet.size(), 0,
                     reinterpret_cast<const sockaddr*>(&address), sizeof address),
              static_cast<ssize_t>(packet.size()));
  }
  // The sequence number of the next packet; -1 after the deadline.
  int Receive() {
    std::array<uint8_t, 2048> packet;
    const ssize_t got = recv(socket_.get(), packet.data(), packet.size(), 0);
    return got == 172 ? packet[2] << 8 | packet[3] : -1;
  }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  Descriptor socket_;
  uint16_t port_ = 0;
};

Attachment AttachTo(const std::string& path) {
  Attachment client;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
  relay::abi::AttachFailure failure;
  do {
    poll(nullptr, 0, 20);
    failure = client.Attach({.path = path, .owner_cookie = 1});
  } while (failure.retry() && std::chrono::steady_clock::now() < deadline);
  EXPECT_TRUE(failure.ok()) << failure.Text();
  return client;
}

// Waits for the next event of that kind.
Event Await(Attachment& client, EventKind kind) {
  Event event{};
  while (client.WaitEvents(kDeadlineMs)) {
    client.ClearSignal();
    while (client.Pop(&event) == relay::abi::RingResult::kOk) {
      if (event.kind == kind) return event;
    }
    if (client.RelayGone()) break;
  }
  ADD_FAILURE() << "event " << static_cast<int>(kind) << " did not come";
  return event;
}

void Do(Attachment& client, const Command& command) {
  ASSERT_EQ(client.Push(command), relay::abi::RingResult::kOk);
  client.Signal();
  Await(client, EventKind::kCommandDone);
}

nlohmann::json Relaystat(const std::string& path) {
  const std::string command = std::string(RELAYSTAT_PROGRAM) + " --json --socket " + path;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  std::array<char, 4096> part;
  while (const size_t got = fread(part.data(), 1, part.size(), pipe.get())) {
    text.append(part.data(), got);
  }
  return nlohmann::json::parse(text);
}

TEST(MainTest, ASecondRelayOnTheSamePortsDoesNotStart) {
  const std::string path = testing::TempDir() + "main-" + std::to_string(getpid()) + ".sock";
  const RelayProgram first(path);
  ASSERT_TRUE(AttachTo(path).attached());
  RelayProgram second(path + "2");
  EXPECT_EQ(second.Wait(), 1);
}

TEST(MainTest, ACallOnLoopback) {
  const std::string path = testing::TempDir() + "main-" + std::to_string(getpid()) + ".sock";
  RelayProgram relay(path);
  Attachment client = AttachTo(path);
  ASSERT_TRUE(client.attached());
  FarParty far[2];
  for (uint8_t leg : {0, 1}) {
    Command open = support::LegOpen(7, leg, static_cast<uint16_t>(kPortFirst + 2 * leg));
    open.body.leg.plan.remote_rtp = far[leg].endpoint();
    open.body.leg.plan.remote_rtcp = {};
    Do(client, open);
  }
  Do(client, support::Bridge(7, 0, 1));

  constexpr uint16_t kPackets = 20;
  for (uint16_t i = 0; i < kPackets; ++i) {
    for (uint8_t leg : {0, 1}) {
      far[leg].Send(static_cast<uint16_t>(kPortFirst + 2 * leg),
                    support::RtpPacket(i, 0x100u + leg));
    }
    EXPECT_EQ(far[0].Receive(), i);
    EXPECT_EQ(far[1].Receive(), i);
  }
  const nlohmann::json seen = Relaystat(path);
  ASSERT_EQ(seen["sessions"].size(), 1u);
  EXPECT_EQ(seen["sessions"][0]["legs"].size(), 2u);
  EXPECT_EQ(seen["counters"]["forwarded"], 2 * kPackets);

  relay.Signal(SIGTERM);  // drains: the call stays
  far[0].Send(kPortFirst, support::RtpPacket(kPackets, 0x100));
  EXPECT_EQ(far[1].Receive(), kPackets);
  Command close = support::SessionClose(7);
  ASSERT_EQ(client.Push(close), relay::abi::RingResult::kOk);
  client.Signal();
  const Event ended = Await(client, EventKind::kLegEnded);
  EXPECT_EQ(ended.body.statistics.lost_packets, 0);
  EXPECT_EQ(ended.body.statistics.received_packets, kPackets + (ended.leg == 0 ? 1u : 0u));
  Await(client, EventKind::kSessionEnded);
  EXPECT_EQ(relay.Wait(), 0);
  EXPECT_TRUE(client.RelayGone());
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
