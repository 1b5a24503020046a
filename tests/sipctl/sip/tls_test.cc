#include "sipctl/sip/tls.h"

#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/loop.h"
#include "sipctl/sip/socket_transport.h"
#include "tests/support/certificates.h"
#include "tests/support/turn_until.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const support::Certificates& Files() {
  static const support::Certificates files(CERTIFICATES_SCRIPT);
  return files;
}

std::string Options(int number, size_t body_bytes = 0) {
  const std::string n = std::to_string(number);
  return "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5099;branch=z9hG4bK" + n +
         ";rport\r\nFrom: <sip:b@example.com>;tag=" + n +
         "\r\nTo: <sip:a@example.com>\r\nCall-ID: c" + n + "\r\nCSeq: " + n +
         " OPTIONS\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
         std::string(body_bytes, 'x');
}

// An INVITE, a BYE; with a tag it is of a dialog that is there.
std::string Request(const std::string& method, int number, const std::string& tag = "") {
  std::string text = Options(number);
  for (size_t at = 0; (at = text.find("OPTIONS", at)) != text.npos;) text.replace(at, 7, method);
  const std::string to = "To: <sip:a@example.com>";
  if (!tag.empty()) text.insert(text.find(to) + to.size(), ";tag=" + tag);
  return text;
}

class User : public TransportUser {
 public:
  void OnMessage(Message message, const Flow& flow) override {
    flows.push_back(flow);
    if (answer_on != nullptr && message.is_request) {
      ages.push_back(answer_on->backlog().age);
      if (on_request) on_request();
      EXPECT_TRUE(answer_on->Send(flow, Encode(MakeResponse(message, 200, "t"))).ok());
    }
    messages.push_back(std::move(message));
  }
  void OnFlowBroken(const Flow& flow, const absl::Status& why) override {
    broken.push_back(flow);
    reason = std::string(why.message());
  }

  std::vector<Message> messages;
  std::vector<Flow> flows;
  std::vector<Flow> broken;
  std::vector<TimeMs> ages;  // of what was answered, when it was read
  std::string reason;
  Transport* answer_on = nullptr;
  std::function<void()> on_request;
};

// Two ends in one loop: `server` listens, `client` calls.
class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    server_options.listeners = {Listener("edge.pem")};
    client_options.listeners = {Listener("client.pem")};
    for (auto* options : {&server_options, &client_options}) {
      options->connection.keep_alive_ms = 0;
      options->accepted_per_source_max = 1000;
    }
    client_options.peers = {Peer("edge.example.test")};
  }

  static ListenerOptions Listener(const std::string& certificate) {
    ListenerOptions listener{Protocol::kTls, *ParseSocketAddress("127.0.0.1:0"), "", 0, {}};
    listener.tls.identity.certificate = Files()(certificate);
    return listener;
  }
  static TlsClientOptions Peer(const std::string& name) {
    return {.name = name, .trust = Files()("ca.pem"), .identity = {}};
  }

  void Start() {
    auto listening = SocketTransport::Create(loop.get(), server_options, &at_server);
    ASSERT_TRUE(listening.ok()) << listening.status();
    server = *std::move(listening);
    at_server.answer_on = server.get();
    auto calling = SocketTransport::Create(loop.get(), client_options, &at_client);
    ASSERT_TRUE(calling.ok()) << calling.status();
    client = *std::move(calling);
  }

  void Until(const std::function<bool()>& done) { support::TurnUntil(loop.get(), done); }

  Flow ToServer(uint16_t peer = 1) { return {Protocol::kTls, 0, 0, server->bound(0), peer}; }
  // A request that gets its answer.
  void Exchange(int number) {
    const size_t before = at_client.messages.size();
    const auto sent = client->Send(ToServer(), Options(number));
    ASSERT_TRUE(sent.ok()) << sent.status();
    Until([&] { return at_client.messages.size() > before; });
  }
  // A request that cannot be sent; why.
  std::string Refusal() {
    const auto sent = client->Send(ToServer(), Options(1));
    EXPECT_TRUE(sent.ok()) << sent.status();
    Until([&] { return !at_client.broken.empty(); });
    return at_client.reason;
  }
  void CloseAll() {
    client.reset();
    Until([&] { return server->connections() == 0; });
  }

  TimeMs now = 1'000'000;
  std::unique_ptr<Loop> loop = *Loop::Create([this] { return now; });
  User at_server;
  User at_client;
  SocketTransportOptions server_options;
  SocketTransportOptions client_options;
  std::unique_ptr<SocketTransport> server;
  std::unique_ptr<SocketTransport> client;
};

TEST_F(TlsTest, MessagesGoBothWaysOnOneConnection) {
  Start();
  Exchange(1);
  Exchange(2);
  ASSERT_TRUE(client->Send(ToServer(), Options(3, 60'000)).ok());  // several records
  Until([&] { return at_client.messages.size() == 3; });
  EXPECT_EQ(at_server.messages.back().body, std::string(60'000, 'x'));
  EXPECT_EQ(client->counters().opened, 1u);
  EXPECT_EQ(client->counters().handshakes, 1u);
  EXPECT_EQ(server->counters().handshakes, 1u);
  EXPECT_EQ(at_client.flows[0].protocol, Protocol::kTls);
  // The server's own request goes back on it, too.
  ASSERT_TRUE(server->Send(at_server.flows[0], Options(9)).ok());
  Until([&] { return at_client.messages.size() == 4; });
  EXPECT_EQ(server->connections(), 1u);
}

TEST_F(TlsTest, AThousandMessagesInOneGoArriveInOrder) {
  Start();
  at_server.answer_on = nullptr;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(client->Send(ToServer(), Options(i)).ok());
  Until([&] { return at_server.messages.size() == 1000; });
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(at_server.messages[i].cseq.number, i);
}

// A record is read at a time, four in a turn; whether that was all only the socket knows.
TEST_F(TlsTest, AMessageIsNoOlderThanTheLastLookAtItsConnection) {
  Start();
  Exchange(1);
  at_server.ages.clear();
  at_server.on_request = [this] { now += 70; };
  int next = 2;
  const auto burst = [&](int records) {
    for (int i = 0; i < records; ++i) ASSERT_TRUE(client->Send(ToServer(), Options(next++)).ok());
    Until([&] { return at_server.messages.size() == static_cast<size_t>(next) - 1; });
  };
  burst(5);  // the fifth has waited for all the others
  EXPECT_EQ(at_server.ages, (std::vector<TimeMs>{0, 70, 140, 210, 280}));
  burst(4);
  now += 60'000;
  loop->Turn(0);
  at_server.ages.clear();
  burst(1);
  EXPECT_EQ(at_server.ages, std::vector<TimeMs>{0});
}

TEST_F(TlsTest, AWildcardStandsForOneLabel) {
  server_options.listeners[0] = Listener("wildcard.pem");
  client_options.peers = {Peer("pop7.example.test"), Peer("a.pop7.example.test")};
  Start();
  Exchange(1);
  ASSERT_TRUE(client->Send(ToServer(2), Options(2)).ok());
  Until([&] { return !at_client.broken.empty(); });
  EXPECT_THAT(at_client.reason, HasSubstr("hostname mismatch"));
  EXPECT_EQ(at_server.messages.size(), 1u);
}

TEST_F(TlsTest, OfSeveralServersEachIsCalledByItsOwnName) {
  server_options.listeners[0] = Listener("wildcard.pem");
  std::string name = "pop7.example.test";
  client_options.name_of = [&](const Flow&) { return name; };
  Start();
  Exchange(1);
  CloseAll();
  name = "pop7.elsewhere.test";
  Start();
  EXPECT_THAT(Refusal(), HasSubstr("hostname mismatch"));
}

// The server_name of a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3) as a server reads
// it; "(none)" where there is no such extension.
std::string ServerNameOf(std::string_view record) {
  const auto number = [&](size_t bytes) {
    size_t value = 0;
    for (const char c : record.substr(0, bytes)) value = value << 8 | static_cast<uint8_t>(c);
    record.remove_prefix(std::min(bytes, record.size()));
    return value;
  };
  const auto skip = [&](size_t bytes) { record.remove_prefix(std::min(bytes, record.size())); };
  skip(5 + 4 + 2 + 32);  // heads of the record and of the message, version, random
  skip(number(1));       // session
  skip(number(2));       // ciphers
  skip(number(1));       // compression
  number(2);             // length of all extensions
  while (record.size() >= 4) {
    const size_t type = number(2), size = number(2);
    if (type != 0) {
      skip(size);
      continue;
    }
    number(2);  // length of the list
    EXPECT_EQ(number(1), 0u) << "host_name";
    const size_t length = number(2);
    return std::string(record.substr(0, length));
  }
  return "(none)";
}

TEST_F(TlsTest, TheServerIsToldItsNameAndNoAddress) {
  Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(listen(listener.fd(), 8), 0);
  SocketAddress there = LocalAddressOf(listener.fd());
  there.address = relay::abi::Address::Ipv4(127, 0, 0, 1);
  client_options.peers = {Peer("edge.example.test"), Peer("127.0.0.1")};
  Start();
  std::vector<std::string> names;
  for (const uint16_t peer : {uint16_t{1}, uint16_t{2}}) {
    ASSERT_TRUE(client->Send({Protocol::kTls, 0, 0, there, peer}, Options(peer)).ok());
    Socket accepted(accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    std::string hello;
    Until([&] {
      char buffer[4096];
      const ssize_t count = recv(accepted.fd(), buffer, sizeof buffer, 0);
      if (count > 0) hello.append(buffer, static_cast<size_t>(count));
      return hello.size() > 5 && hello.size() >= 5u + static_cast<uint8_t>(hello[3]) * 256 +
                                                     static_cast<uint8_t>(hello[4]);
    });
    names.push_back(ServerNameOf(hello));
  }
  EXPECT_THAT(names, testing::ElementsAre("edge.example.test", "(none)"));  // trap T-27
}

TEST_F(TlsTest, AnAddressCanBeTheName) {
  client_options.peers = {Peer("127.0.0.1")};
  Start();
  Exchange(1);
}

TEST_F(TlsTest, AnotherNameIsRefused) {
  client_options.peers = {Peer("other.example.test")};
  Start();
  EXPECT_THAT(Refusal(), HasSubstr("hostname mismatch"));
  EXPECT_EQ(client->counters().handshake_failures, 1u);
}

TEST_F(TlsTest, ACertificateOfAnUnknownRootIsRefusedUnlessAnybodyMayAnswer) {
  server_options.listeners[0] = Listener("stranger.pem");
  Start();
  EXPECT_THAT(Refusal(), HasSubstr("self-signed certificate"));
  CloseAll();
  client_options.peers[0]->verify = false;
  Start();
  Exchange(1);
}

TEST_F(TlsTest, WithoutItsChainACertificateIsRefused) {
  server_options.listeners[0] = Listener("leaf.pem");
  Start();
  EXPECT_THAT(Refusal(), HasSubstr("unable to get local issuer certificate"));
}

TEST_F(TlsTest, WhoeverWantsACertificateGetsTheTrunksOwn) {
  server_options.listeners[0].tls.client_trust = Files()("ca.pem");
  client_options.peers = {Peer("edge.example.test"), Peer("edge.example.test")};
  client_options.peers[1]->identity.certificate = Files()("client.pem");
  Start();
  ASSERT_TRUE(client->Send(ToServer(2), Options(1)).ok());
  Until([&] { return at_client.messages.size() == 1; });
  // The first peer shows none, and may not use the connection of the second.
  ASSERT_TRUE(client->Send(ToServer(1), Options(2)).ok());
  Until([&] { return server->counters().handshake_failures == 1; });
  EXPECT_EQ(at_server.messages.size(), 1u);
}

TEST_F(TlsTest, NobodyIsCalledWithoutKnowingWhoThatWouldBe) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Send(ToServer(0), Options(1)).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Send(ToServer(7), Options(1)).status()));
  EXPECT_EQ(client->connections(), 0u);
}

TEST_F(TlsTest, ASecondConnectionTakesUpTheSession) {
  const auto server_context = MakeTlsServer(server_options.listeners[0].tls);
  const auto client_context = MakeTlsClient(*client_options.peers[0]);
  ASSERT_TRUE(server_context.ok() && client_context.ok());
  for (uint64_t round = 0; round < 3; ++round) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    {
      const auto called = (*server_context)->MakeStream(ends[0], "", "");
      const auto caller = (*client_context)->MakeStream(ends[1], "", "192.0.2.1:5061");
      bool done[2] = {false, false};
      for (int i = 0; i < 10 && !(done[0] && done[1]); ++i) {
        done[1] = done[1] || caller->Handshake().outcome == Stream::Outcome::kDone;
        done[0] = done[0] || called->Handshake().outcome == Stream::Outcome::kDone;
      }
      ASSERT_TRUE(done[0] && done[1]);
      char buffer[16];  // the tickets come with the first reading
      EXPECT_EQ(caller->Read(buffer, sizeof buffer).outcome, Stream::Outcome::kWantRead);
      caller->Shutdown();  // without a farewell a session is not taken up again
    }
    close(ends[0]);
    close(ends[1]);
    EXPECT_EQ((*client_context)->resumed(), round);
    EXPECT_EQ((*server_context)->resumed(), round);
  }
}

TEST_F(TlsTest, CertificatesAreReadAgainWithoutLosingAConnection) {
  const std::string file = Files()("changing.pem");
  const auto put = [&](const std::string& name) {
    std::filesystem::copy_file(Files()(name), file,
                               std::filesystem::copy_options::overwrite_existing);
  };
  put("edge.pem");
  server_options.listeners[0].tls.identity.certificate = file;
  client_options.peers = {Peer("edge.example.test"), Peer("new.example.test")};
  Start();
  Exchange(1);
  put("wildcard.pem");
  ASSERT_TRUE(server->ReloadTls().ok());
  Exchange(2);  // on the old connection
  EXPECT_EQ(client->counters().opened, 1u);
  ASSERT_TRUE(client->Send(ToServer(2), Options(3)).ok());
  Until([&] { return at_client.messages.size() == 3; });
  // A file that is no good changes nothing.
  std::filesystem::resize_file(file, 10);
  const absl::Status refused = server->ReloadTls();
  EXPECT_THAT(std::string(refused.message()), HasSubstr(file));
  Exchange(4);
}

// What a reload asks of a server is asked of it before anything new is sent.
TEST_F(TlsTest, OtherRulesMeanAnotherConnection) {
  client_options.peers[0]->name = "other.example.test";
  client_options.peers[0]->verify = false;
  Start();
  Exchange(1);
  const Flow old = at_client.flows[0];
  ASSERT_TRUE(client->SetPeers({client_options.peers[0]}).ok());
  Exchange(2);
  EXPECT_EQ(client->counters().opened, 1u) << "nothing has changed";
  ASSERT_TRUE(client->SetPeers({Peer("other.example.test")}).ok());
  EXPECT_THAT(Refusal(), HasSubstr("hostname mismatch"));
  EXPECT_EQ(client->counters().opened, 2u);
  EXPECT_NE(at_client.broken[0].connection, old.connection);
  // A dialog that began on it goes on there.
  ASSERT_TRUE(client->Send(old, Options(3)).ok());
  Until([&] { return at_client.messages.size() == 3; });
  EXPECT_EQ(client->counters().opened, 2u);
  // Until nothing has been said for longer than anything rings.
  now += client_options.retired_idle_ms - 1;
  ASSERT_TRUE(client->Send(old, Options(4)).ok());
  Until([&] { return at_client.messages.size() == 4; });
  now += client_options.retired_idle_ms - 1;
  loop->Turn(0);
  EXPECT_EQ(client->connections(), 1u);
  now += 1;
  Until([&] { return client->connections() == 0; });
  EXPECT_TRUE(at_client.broken.size() == 1) << "nobody is told: nothing is lost";
}

TEST_F(TlsTest, NothingNewBeginsOnAConnectionOfOtherRules) {
  Start();
  Exchange(1);
  const Flow back = at_server.flows[0];
  ASSERT_TRUE(client->SetPeers({Peer("other.example.test")}).ok());
  const auto arrives = [&](const std::string& request) {
    const size_t before = at_client.messages.size();
    ASSERT_TRUE(server->Send(back, request).ok());
    Until([&] { return at_client.messages.size() > before; });
  };
  arrives(Request("BYE", 2, "theirs"));
  arrives(Options(3));  // a carrier asks whether we are there
  ASSERT_TRUE(server->Send(back, Request("INVITE", 4)).ok());
  Until([&] { return at_server.messages.size() == 2; });
  EXPECT_EQ(at_server.messages[1].status, 503);
  EXPECT_EQ(at_client.messages.size(), 3u) << "nobody else has heard of it";
  EXPECT_EQ(client->counters().refused_retired, 1u);
  // Its peer is to come by another one, whatever goes on here.
  now += client_options.retired_end_ms - 1;
  arrives(Request("BYE", 5, "theirs"));
  ASSERT_TRUE(server->Send(back, Request("INVITE", 6)).ok());
  Until([&] { return client->counters().refused_retired == 2; });
  EXPECT_EQ(client->connections(), 1u);
  now += 1;
  Until([&] { return client->connections() == 0; });
  Until([&] { return at_client.broken.size() == 1; });
}

TEST_F(TlsTest, WhoOnlyAsksKeepsNoConnectionOfOtherRules) {
  Start();
  Exchange(1);
  ASSERT_TRUE(client->SetPeers({Peer("other.example.test")}).ok());
  now += client_options.retired_idle_ms - 1;
  at_client.answer_on = client.get();
  ASSERT_TRUE(server->Send(at_server.flows[0], Options(2)).ok());
  Until([&] { return at_server.messages.size() == 2; });
  EXPECT_EQ(client->connections(), 1u);
  now += 1;
  Until([&] { return client->connections() == 0; });
}

// A peer that connects from the port where it listens comes by the same road as we went to it.
TEST_F(TlsTest, AConnectionWhoseRoadIsAnothersRetiresToo) {
  client_options.peer_of = [](const SocketAddress&) { return uint16_t{1}; };
  client_options.connection.handshake_timeout_ms = 100'000 * kSecondMs;
  Start();
  SocketAddress there = *ParseSocketAddress("127.0.0.1:0");
  const auto open = [&] {
    Socket opened(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    setsockopt(opened.fd(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    KernelAddress address(there);
    EXPECT_EQ(bind(opened.fd(), address.data(), address.size), 0);
    there = LocalAddressOf(opened.fd());
    return opened;
  };
  const Socket listener = open();
  ASSERT_EQ(listen(listener.fd(), 8), 0);
  ASSERT_TRUE(client->Send({Protocol::kTls, 0, 0, there, 1}, Options(1)).ok());
  const Socket caller = open();
  KernelAddress us(client->bound(0));
  connect(caller.fd(), us.data(), us.size);
  Until([&] { return client->connections() == 2; });
  ASSERT_TRUE(client->SetPeers({Peer("other.example.test")}).ok());
  now += client_options.retired_idle_ms;
  Until([&] { return client->connections() == 1; });
  EXPECT_EQ(client->counters().accepted, 1u);
}

TEST_F(TlsTest, OtherRootsMeanAnotherConnectionToo) {
  const std::string roots = Files()("changing_roots.pem");
  std::filesystem::copy_file(Files()("ca.pem"), roots);
  client_options.peers[0]->trust = roots;
  Start();
  Exchange(1);
  ASSERT_TRUE(client->ReloadTls().ok());
  Exchange(2);
  EXPECT_EQ(client->counters().opened, 1u);
  std::filesystem::remove(roots);
  std::filesystem::copy_file(Files()("stranger.pem"), roots);
  ASSERT_TRUE(client->ReloadTls().ok());
  EXPECT_THAT(Refusal(), HasSubstr("certificate"));
  EXPECT_EQ(client->counters().opened, 2u);
}

TEST_F(TlsTest, HandshakesHaveFiveSecondsAndMessagesFour) {
  Start();
  Socket silent(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  KernelAddress address(server->bound(0));
  ASSERT_EQ(connect(silent.fd(), address.data(), address.size), 0);
  Until([&] { return server->connections() == 1; });
  now += 4'999;
  loop->Turn(0);
  EXPECT_EQ(server->connections(), 1u);
  now += 1;
  Until([&] { return server->connections() == 0; });
  EXPECT_EQ(server->counters().handshake_failures, 1u);
  EXPECT_THAT(at_server.broken, IsEmpty());  // nothing of ours was lost

  Exchange(1);
  ASSERT_TRUE(client->Send(ToServer(), Options(2).substr(0, 50)).ok());
  Until([&] { return server->counters().bytes_in > Options(1).size(); });
  now += 4'000;
  Until([&] { return server->counters().unfinished_messages == 1; });
}

TEST_F(TlsTest, ADeafServerIsGivenUp) {
  Start();
  Socket deaf(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(listen(deaf.fd(), 8), 0);
  SocketAddress there = LocalAddressOf(deaf.fd());
  there.address = relay::abi::Address::Ipv4(127, 0, 0, 1);
  ASSERT_TRUE(client->Send({Protocol::kTls, 0, 0, there, 1}, Options(1)).ok());
  Socket accepted(accept(deaf.fd(), nullptr, nullptr));
  char buffer[1024];
  Until([&] { return recv(accepted.fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0; });
  now += 5'000;
  Until([&] { return !at_client.broken.empty(); });
  EXPECT_THAT(at_client.reason, HasSubstr("no TLS hand-shake"));
}

TEST_F(TlsTest, AnIdleConnectionIsPinged) {
  client_options.connection.keep_alive_ms = 30'000;
  Start();
  Exchange(1);
  now += 30'000;
  Until([&] { return server->counters().pings_in == 1; });
  EXPECT_EQ(client->counters().pings_out, 1u);
}

TEST_F(TlsTest, OneBadMessageBetweenTwoGoodOnesCostsNoConnection) {
  Start();
  std::string bad = Options(2);
  bad.replace(bad.find("CSeq: 2 OPTIONS"), 15, "CSeq: two OPT  ");
  ASSERT_TRUE(client->Send(ToServer(), Options(1) + bad + Options(3)).ok());
  Until([&] { return at_server.messages.size() == 2; });
  EXPECT_EQ(at_server.messages[1].cseq.number, 3u);
  EXPECT_EQ(server->connections(), 1u);
  EXPECT_EQ(server->counters().malformed_dropped + server->counters().malformed_answered, 1u);
}

// Hand-shakes that are broken off at each of their stages leave nothing behind.
TEST_F(TlsTest, AbortedHandshakesLeaveNothing) {
  Start();
  const auto context = MakeTlsClient(*client_options.peers[0]);
  ASSERT_TRUE(context.ok());
  const auto abort_one = [&](int stage) {
    Socket caller(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    KernelAddress address(server->bound(0));
    ASSERT_EQ(connect(caller.fd(), address.data(), address.size), 0);
    Until([&] { return server->connections() == 1; });
    if (stage == 1) {
      const uint64_t before = server->counters().handshake_failures;
      ASSERT_EQ(send(caller.fd(), "OPTIONS sip:a SIP/2.0\r\n\r\n", 25, MSG_NOSIGNAL), 25);
      Until([&] { return server->counters().handshake_failures == before + 1; });
    }
    if (stage == 2) {
      const auto stream = (*context)->MakeStream(caller.fd(), "", "");
      timeval soon{.tv_sec = 0, .tv_usec = 1000};
      setsockopt(caller.fd(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
      stream->Handshake();  // ClientHello leaves; the answer is not waited for
      for (int i = 0; i < 3; ++i) loop->Turn(0);
    }
    if (stage == 3) caller.Reset();
    caller.Close();
    Until([&] { return server->connections() == 0; });
  };
  for (int i = 0; i < 40; ++i) abort_one(i % 4);  // what OpenSSL keeps once and for all
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 400; ++i) abort_one(i % 4);
  EXPECT_LT(mallinfo2().uordblks, before + 40'000);
  EXPECT_THAT(at_server.broken, IsEmpty());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
  server_options.listeners[0].tls.identity.certificate = "/nonexistent/edge.pem";
  const auto missing = SocketTransport::Create(loop.get(), server_options, &at_server);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/nonexistent/edge.pem"));
  const auto mixed =
      MakeTlsServer({.identity = {.certificate = Files()("edge.crt"), .key = Files()("client.key")},
                     .client_trust = {}});
  EXPECT_THAT(std::string(mixed.status().message()), HasSubstr("client.key"));
  EXPECT_FALSE(MakeTlsServer({}).ok());
  EXPECT_FALSE(MakeTlsClient({.name = "", .trust = "", .identity = {}}).ok());
  EXPECT_FALSE(MakeTlsClient({.name = "a", .trust = Files()("edge.key"), .identity = {}}).ok());
}

}  // namespace
}  // namespace sipctl::sip
