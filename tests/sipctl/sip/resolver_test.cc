#include "sipctl/sip/resolver.h"

#include <sys/socket.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/sip/socket.h"
#include "tests/support/dns_reply.h"

namespace sipctl::sip {
namespace {

using support::DnsReply;
using ::testing::Contains;
using ::testing::ElementsAre;

// A name server on loopback; `Answer` serves one question.
class NameServer {
 public:
  NameServer() : socket_(*OpenUdp(*ParseSocketAddress("127.0.0.1:0"))) {}

  std::string address() const { return ToString(LocalAddressOf(socket_.fd())); }
  // False: nobody has asked yet.
  bool Answer(std::string reply) {
    char question[512];
    KernelAddress from;
    const ssize_t count =
        recvfrom(socket_.fd(), question, sizeof question, MSG_DONTWAIT, from.data(), &from.size);
    if (count < 12) return false;
    reply[0] = question[0];
    reply[1] = question[1];
    EXPECT_EQ(sendto(socket_.fd(), reply.data(), reply.size(), 0, from.data(), from.size),
              static_cast<ssize_t>(reply.size()));
    return true;
  }

 private:
  Socket socket_;
};

class AresResolverTest : public testing::Test {
 protected:
  void Until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "did not happen";
      loop->Turn(5);
    }
  }

  NameServer server;
  std::unique_ptr<Loop> loop = *Loop::Create();
};

TEST_F(AresResolverTest, AsksAndIsAnswered) {
  auto resolver = AresResolver::Create(loop.get(), server.address());
  ASSERT_TRUE(resolver.ok()) << resolver.status();
  std::optional<DnsAnswer> got;
  (*resolver)->Ask("edge.example.test", DnsType::kA,
                   [&](const DnsAnswer& answer) { got = answer; });
  EXPECT_FALSE(got.has_value());
  const std::string reply =
      DnsReply("edge.example.test", 1).Address("edge.example.test", 60, {192, 0, 2, 1}).bytes();
  Until([&] { return server.Answer(reply); });
  Until([&] { return got.has_value(); });
  EXPECT_EQ(got->outcome, DnsAnswer::Outcome::kFound);
  EXPECT_EQ(got->ttl_s, 60u);
  EXPECT_THAT(got->addresses, ElementsAre(*ParseAddress("192.0.2.1")));

  got.reset();
  (*resolver)->Ask("nobody.example.test", DnsType::kSrv,
                   [&](const DnsAnswer& answer) { got = answer; });
  Until([&] { return server.Answer(DnsReply("nobody.example.test", 33, 3).bytes()); });
  Until([&] { return got.has_value(); });
  EXPECT_EQ(got->outcome, DnsAnswer::Outcome::kNothing);
}

TEST_F(AresResolverTest, ASilentServerIsAFailure) {
  auto resolver = AresResolver::Create(loop.get(), server.address());
  ASSERT_TRUE(resolver.ok());
  std::optional<DnsAnswer> got;
  (*resolver)->Ask("edge.example.test", DnsType::kA,
                   [&](const DnsAnswer& answer) { got = answer; });
  Until([&] { return got.has_value(); });
  EXPECT_EQ(got->outcome, DnsAnswer::Outcome::kFailed);
}

TEST_F(AresResolverTest, AQuestionOfAResolverThatIsGoneIsForgotten) {
  bool called = false;
  {
    auto resolver = AresResolver::Create(loop.get(), server.address());
    ASSERT_TRUE(resolver.ok());
    (*resolver)->Ask("edge.example.test", DnsType::kA, [&](const DnsAnswer&) { called = true; });
  }
  for (int i = 0; i < 5; ++i) loop->Turn(1);
  EXPECT_FALSE(called);
  EXPECT_FALSE(AresResolver::Create(loop.get(), "not an address").ok());
}

TEST_F(AresResolverTest, QuestionsUnderWayFailWhenItIsReadAgain) {
  auto resolver = AresResolver::Create(loop.get(), server.address());
  ASSERT_TRUE(resolver.ok());
  std::optional<DnsAnswer> got;
  (*resolver)->Ask("edge.example.test", DnsType::kA,
                   [&](const DnsAnswer& answer) { got = answer; });
  ASSERT_TRUE((*resolver)->Reload().ok());
  Until([&] { return got.has_value(); });
  EXPECT_EQ(got->outcome, DnsAnswer::Outcome::kFailed);
}

// Of this machine's /etc/hosts the first name with an IPv4 address; it may have none.
std::optional<std::pair<std::string, std::string>> FirstOfHostsFile() {
  std::ifstream file("/etc/hosts");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string address, name;
    if (words >> address >> name && address.find(':') == address.npos) return {{name, address}};
  }
  return std::nullopt;
}

TEST_F(AresResolverTest, TheHostsFileComesFirst) {
  auto resolver = AresResolver::Create(loop.get(), server.address());
  ASSERT_TRUE(resolver.ok());
  const auto entry = FirstOfHostsFile();
  std::optional<DnsAnswer> address, service;
  (*resolver)->Ask(entry ? entry->first : "none.example.test", DnsType::kA,
                   [&](const DnsAnswer& answer) { address = answer; });
  if (!entry) {
    Until([&] { return server.Answer(DnsReply("none.example.test", 1, 3).bytes()); });
    return;
  }
  (*resolver)->Ask("_sip._udp." + entry->first, DnsType::kSrv,
                   [&](const DnsAnswer& answer) { service = answer; });
  Until([&] { return address.has_value() && service.has_value(); });
  EXPECT_EQ(address->outcome, DnsAnswer::Outcome::kFound);
  EXPECT_THAT(address->addresses, Contains(*ParseAddress(entry->second)));
  EXPECT_EQ(service->outcome, DnsAnswer::Outcome::kNothing);
}

}  // namespace
}  // namespace sipctl::sip
