// A SocketTransport on loopback, peers made of bare system calls, and a user that notes everything.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sipctl/loop.h"
#include "sipctl/sip/socket_transport.h"
#include "tests/support/turn_until.h"

namespace sipctl::sip {

inline SocketAddress Address(std::string_view text) {
  return *ParseSocketAddress(text);
}

inline std::string Options(int number, std::string_view via_host = "192.0.2.1",
                           std::string body = "") {
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

class SocketFixture : public testing::Test {
 protected:
  SocketFixture() {
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

  // The loop's own time stands still meanwhile.
  void Until(const std::function<bool()>& done) { support::TurnUntil(loop.get(), done); }
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

}  // namespace sipctl::sip
