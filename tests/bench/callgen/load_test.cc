// Callers and callees against each other, with nothing between them or with something that loses.
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/callgen/callee.h"
#include "bench/callgen/caller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "sipctl/sip/socket.h"
#include "sipctl/sip/stream_framing.h"
#include "sipctl/sip/tcp_listener.h"
#include "sipctl/sip/udp_listener.h"
#include "tests/support/certificates.h"
#include "tests/support/turn_until.h"

namespace bench::callgen {
namespace {

using sipctl::sip::Protocol;
using sipctl::sip::SocketAddress;
using testing::ElementsAre;
using testing::Pair;

SocketAddress At(const char* text) {
  return *sipctl::sip::ParseSocketAddress(text);
}

const SocketAddress kCallee = At("127.0.61.1:5060");
const SocketAddress kBetween = At("127.0.62.1:5060");

class LoadTest : public testing::Test {
 protected:
  // Seconds of protocol pass in a fraction of one; real sockets do not know.
  static constexpr int kHaste = 20;

  void SetUp() override {
    auto loop = sipctl::Loop::Create([] { return sipctl::MonotonicNow() * kHaste; });
    ASSERT_TRUE(loop.ok());
    loop_ = *std::move(loop);
  }

  CallerOptions Load(Protocol protocol, const SocketAddress& to) {
    CallerOptions options{.from = {At("127.0.60.1:0"), At("127.0.60.2:0")}, .to = to};
    options.wire.protocol = protocol;
    options.connections = 4;
    options.rate = 500;
    options.ramp_s = 0;
    options.calls = 30;
    options.hold_ms = 200;
    options.patience_ms = 600'000;
    return options;
  }

  void Listen(const WireOptions& wire) {
    auto callee = Callee::Make(loop_.get(), wire, {kCallee});
    ASSERT_TRUE(callee.ok()) << callee.status();
    callee_ = *std::move(callee);
  }

  Report Run(const CallerOptions& options) {
    auto caller = Caller::Make(loop_.get(), options);
    EXPECT_TRUE(caller.ok()) << caller.status();
    sipctl::support::TurnUntil(loop_.get(), [&] { return (*caller)->IsReady(); });
    (*caller)->Begin();
    sipctl::support::TurnUntil(loop_.get(), [&] { return (*caller)->done(); });
    Report report = (*caller)->report();
    if (callee_ != nullptr) callee_->Tell(&report);
    return report;
  }

  void ExpectAllWell(const Report& report, uint64_t calls) {
    EXPECT_EQ(report.placed, calls);
    EXPECT_EQ(report.ended, calls);
    EXPECT_EQ(report.failed(), 0u);
    EXPECT_EQ(report.open, 0u);
    EXPECT_EQ(report.called, calls);
    EXPECT_EQ(report.not_acknowledged, 0u);
    EXPECT_EQ(report.setup.count(), calls);
    EXPECT_EQ(report.hangup.count(), calls);
    EXPECT_GT(report.open_max, 0u);
    EXPECT_EQ(callee_->open(), 0u);
  }

  std::unique_ptr<sipctl::Loop> loop_;
  std::unique_ptr<Callee> callee_;
};

TEST_F(LoadTest, EveryCallEndsOverEachTransport) {
  const sipctl::support::Certificates certificates(CERTIFICATES_SCRIPT);
  for (const Protocol protocol : {Protocol::kUdp, Protocol::kTcp, Protocol::kTls}) {
    SCOPED_TRACE(ProtocolName(protocol));
    CallerOptions options = Load(protocol, kCallee);
    options.wire.certificate = certificates("edge.pem");
    options.wire.trust = certificates("ca.pem");
    options.wire.tls_name = "edge.example.test";
    Listen(options.wire);
    ExpectAllWell(Run(options), options.calls);
    callee_.reset();
  }
}

// Between the two sides; loses each n-th datagram.
class Lossy {
 public:
  Lossy(sipctl::Loop* loop, int every) : every_(every) {
    front_ = Open(loop, kBetween, [this](std::string_view bytes, const SocketAddress& from) {
      caller_ = from;
      Pass(*back_, kCallee, bytes);
    });
    back_ = Open(loop, At("127.0.62.1:0"), [this](std::string_view bytes, const SocketAddress&) {
      Pass(*front_, caller_, bytes);
    });
  }
  int lost() const { return lost_; }

 private:
  std::unique_ptr<sipctl::sip::UdpListener> Open(sipctl::Loop* loop, const SocketAddress& at,
                                                 sipctl::sip::UdpListener::Received received) {
    return *sipctl::sip::UdpListener::Open(loop, at, 1 << 20, &counters_, std::move(received));
  }
  void Pass(sipctl::sip::UdpListener& socket, const SocketAddress& to, std::string_view bytes) {
    if (++count_ % every_ == 0) {
      ++lost_;
    } else {
      ASSERT_TRUE(socket.Send(to, bytes).ok());
    }
  }

  const int every_;
  int count_ = 0, lost_ = 0;
  sipctl::sip::TransportCounters counters_;
  SocketAddress caller_;
  std::unique_ptr<sipctl::sip::UdpListener> front_, back_;
};

TEST_F(LoadTest, ALostDatagramIsNoFailedCall) {
  CallerOptions options = Load(Protocol::kUdp, kBetween);
  options.connections = 1;
  Listen(options.wire);
  Lossy lossy(loop_.get(), 4);
  const Report report = Run(options);
  EXPECT_EQ(report.ended, options.calls);
  EXPECT_EQ(report.failed(), 0u);
  EXPECT_GT(lossy.lost(), 10);
  EXPECT_GT(report.repeated, 0u);
  EXPECT_GT(report.answers_repeated, 0u);
}

TEST_F(LoadTest, NoAnswerIsAFailureByName) {
  CallerOptions options = Load(Protocol::kUdp, kBetween);
  options.patience_ms = 2000;
  Lossy mute(loop_.get(), 1);
  EXPECT_THAT(Run(options).failures, ElementsAre(Pair("no final answer to INVITE", options.calls)));
}

TEST_F(LoadTest, ARefusalIsAFailureByItsStatus) {
  sipctl::sip::TransportCounters counters;
  std::unique_ptr<sipctl::sip::UdpListener> busy;
  busy = *sipctl::sip::UdpListener::Open(
      loop_.get(), kCallee, 1 << 20, &counters,
      [&](std::string_view bytes, const SocketAddress& from) {
        Glance request;
        ASSERT_TRUE(Read(bytes, &request));
        if (request.method == "ACK") return;
        const std::string answer =
            WriteAnswer(request, {.status = 486, .reason = "Busy Here", .tag = "b"});
        ASSERT_TRUE(busy->Send(from, answer).ok());
      });
  const CallerOptions options = Load(Protocol::kUdp, kCallee);
  EXPECT_THAT(Run(options).failures, ElementsAre(Pair("486", options.calls)));
}

TEST_F(LoadTest, ALostConnectionIsAFailureByName) {
  CallerOptions options = Load(Protocol::kTcp, kCallee);
  sipctl::sip::TransportCounters counters;
  const auto closing = sipctl::sip::TcpListener::Open(
      loop_.get(), kCallee, &counters,
      [](sipctl::sip::Socket socket, const SocketAddress&) { socket.Reset(); });
  ASSERT_TRUE(closing.ok());
  const Report report = Run(options);
  EXPECT_THAT(report.failures, ElementsAre(Pair("connection lost", options.calls)));
  EXPECT_GE(report.connections_lost, options.connections);
}

// Answers an INVITE, and is gone before the ACK can be written.
class Breaking {
 public:
  explicit Breaking(sipctl::Loop* loop) : loop_(loop) {
    listener_ = *sipctl::sip::TcpListener::Open(
        loop, kCallee, &counters_, [this](sipctl::sip::Socket socket, const SocketAddress&) {
          const int fd = socket.fd();
          sockets_.insert_or_assign(fd, std::move(socket));
          loop_->Watch(fd, EPOLLIN, [this, fd](uint32_t) { AnswerAndReset(fd); });
        });
  }
  ~Breaking() {
    for (const auto& [fd, socket] : sockets_) loop_->Unwatch(fd);
  }
  uint64_t answered() const { return answered_; }

 private:
  void AnswerAndReset(int fd) {
    char buffer[65536];
    const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    sipctl::sip::StreamFraming framing;
    framing.Feed({buffer, static_cast<size_t>(std::max<ssize_t>(size, 0))});
    std::string_view message;
    Glance request;
    if (framing.Next(&message) == sipctl::sip::StreamFraming::Cut::kMessage &&
        Read(message, &request) && request.method == "INVITE") {
      const std::string answer = WriteAnswer(request, {.tag = "b"});
      answered_ += send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) > 0;
    }
    loop_->Unwatch(fd);
    sockets_.at(fd).Reset();
    sockets_.erase(fd);
  }

  sipctl::Loop* const loop_;
  sipctl::sip::TransportCounters counters_;
  std::unique_ptr<sipctl::sip::TcpListener> listener_;
  std::map<int, sipctl::sip::Socket> sockets_;
  uint64_t answered_ = 0;
};

TEST_F(LoadTest, AConnectionThatBreaksUnderTheAckIsALostOne) {
  const CallerOptions options = Load(Protocol::kTcp, kCallee);
  const Breaking breaking(loop_.get());
  const Report report = Run(options);
  EXPECT_GT(breaking.answered(), 0u);
  EXPECT_GT(report.without_trying, 0u);  // those answers were read
  EXPECT_EQ(report.answered, 0u);
  EXPECT_EQ(report.open, 0u);
  EXPECT_EQ(report.setup.count(), 0u);
  EXPECT_THAT(report.failures, ElementsAre(Pair("connection lost", options.calls)));
  EXPECT_GE(report.connections_lost, breaking.answered());
}

TEST(Report, IsJson) {
  Report report;
  report.placed = 3;
  report.failures["486"] = 2;
  const nlohmann::json json = nlohmann::json::parse(ReportJson(report));
  EXPECT_EQ(json["placed"], 3);
  EXPECT_EQ(json["failed"], 2);
  EXPECT_EQ(json["failures"]["486"], 2);
}

}  // namespace
}  // namespace bench::callgen
