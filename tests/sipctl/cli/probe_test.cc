#include "sipctl/cli/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "gtest/gtest.h"
#include "sipctl/sdp/address.h"
#include "sipctl/sip/tls.h"
#include "tests/support/certificates.h"
#include "tests/support/stub_resolver.h"

namespace sipctl::cli {
namespace {

// "dns   ok   12 ms  text" as "dns   ok N ms  text"
std::string WithoutTimes(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t ms = text.find(" ms  ", at);
    const size_t end = std::min(text.find('\n', at), text.size() - 1);
    if (ms < end) {
      const size_t digits = text.find_last_not_of("0123456789", ms - 1);
      const size_t word = text.find_last_not_of(' ', digits);
      out += text.substr(at, word + 1 - at) + " N" + text.substr(ms, end + 1 - ms);
    } else {
      out += text.substr(at, end + 1 - at);
    }
    at = end + 1;
  }
  return out;
}

// A server on a free port of loopback that answers the first thing it hears.
class Server {
 public:
  Server(int type, std::string answer) : answer_(std::move(answer)) {
    fd_ = socket(AF_INET, type, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_, 1), 0);
      thread_ = std::thread([this] {
        const int peer = accept(fd_, nullptr, nullptr);
        char bytes[4096];
        const ssize_t got = peer < 0 ? -1 : recv(peer, bytes, sizeof bytes, 0);
        if (got > 0) heard_.assign(bytes, static_cast<size_t>(got));
        if (got > 0) send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        if (peer >= 0) close(peer);
      });
    } else {
      thread_ = std::thread([this] {
        char bytes[4096];
        sockaddr_in from{};
        socklen_t length = sizeof from;
        // The first one is lost on the way.
        for (int i = 0; i < 2; ++i) {
          const ssize_t got =
              recvfrom(fd_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &length);
          if (got <= 0) return;
          heard_.assign(bytes, static_cast<size_t>(got));
        }
        sendto(fd_, answer_.data(), answer_.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
      });
    }
  }
  ~Server() { Stop(); }
  void Stop() {
    if (fd_ < 0) return;
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
    fd_ = -1;
  }
  uint16_t port() const { return port_; }
  const std::string& heard() const { return heard_; }

 private:
  std::string answer_;
  std::string heard_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

class ProbeTest : public testing::Test {
 protected:
  ProbeTest() {
    char folder[] = "/tmp/probe_test_XXXXXX";
    folder_ = mkdtemp(folder);
    Proc("32768\t60999", "");
    world_.proc = folder_;
    world_.wait_ms = 2000;
    world_.dns_wait_ms = 2000;
    world_.make_resolver = [this](Loop* loop) -> absl::StatusOr<std::unique_ptr<sip::Resolver>> {
      auto resolver = std::make_unique<::support::StubResolver>(&loop->timers());
      names_(resolver.get());
      return resolver;
    };
  }
  ~ProbeTest() override { EXPECT_EQ(std::system(("rm -r " + folder_).c_str()), 0); }

  void Proc(const std::string& range, const std::string& reserved) {
    std::ofstream(folder_ + "/ip_local_port_range") << range << "\n";
    std::ofstream(folder_ + "/ip_local_reserved_ports") << reserved << "\n";
  }
  static sdp::IpAddress Ip(const char* text) { return *sdp::ParseIpAddress(text); }

  // Probes a trunk; what it printed, with times as "N ms".
  int Run(const std::string& destination, const std::string& transport,
          const std::string& more = "", const std::string& listener = "127.0.0.1:5999") {
    std::ofstream(folder_ + "/c.yaml")
        << "listeners:\n  - {name: l, transport: " << transport << ", bind: \"" << listener
        << "\"}\nrelay:\n  addresses:\n    - local: 127.0.0.1\n"
        << "trunks:\n  - name: carrier\n    sources: [127.0.0.0/24]\n    media_networks: "
           "[127.0.0.1]\n"
        << (destination.empty() ? "" : "    destination: \"" + destination + "\"\n")
        << "    transport: " << transport << "\n"
        << more << "  - name: pbx\n    sources: [127.0.1.2]\n    media_networks: [127.0.1.2]\n"
        << "    transport: " << transport
        << "\n"
           "routes:\n  - {from: pbx, to: carrier}\n";
    std::ostringstream out, err;
    const int status =
        RunProbe({.trunk = "carrier", .config = folder_ + "/c.yaml"}, out, err, world_);
    EXPECT_EQ(err.str(), "");
    said_ = WithoutTimes(out.str());
    return status;
  }
  bool Says(const std::string& text) const { return said_.find(text) != std::string::npos; }

  std::string folder_, said_;
  ProbeWorld world_;
  std::function<void(::support::StubResolver*)> names_ = [](::support::StubResolver*) {};
};

TEST_F(ProbeTest, AnAnsweringServerIsFineStepByStep) {
  Proc("32768 60999", "10000-39999");
  Server server(SOCK_STREAM, "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(server.port()), "tcp"), 0);
  server.Stop();
  const std::string where = "127.0.0.1:" + std::to_string(server.port());
  EXPECT_EQ(said_,
            "dns         ok N ms  127.0.0.1 is an address\n"
            "connect     ok N ms  " +
                where +
                "/tcp from 127.0.0.1\n"
                "options     ok N ms  200 OK: it is there and speaks SIP\n"
                "our name    skipped N ms  we are known by the address 127.0.0.1\n"
                "our address ok N ms  listener l is known as 127.0.0.1:5999\n"
                "media       ok N ms  127.0.0.1\n"
                "ports       ok N ms  UDP 10000-39999 on 1 address for 1000 calls; the carrier "
                "must reach them through every firewall\n"
                "ephemeral   ok N ms  32768-39999 are reserved for the relay\n"
                "probe: 0 failed, 0 warnings\n");
  EXPECT_TRUE(server.heard().starts_with("OPTIONS sip:" + where +
                                         ";transport=tcp SIP/2.0\r\n"
                                         "Via: SIP/2.0/TCP 127.0.0.1:"))
      << server.heard();
}

TEST_F(ProbeTest, OverUdpTheQuestionIsAskedAgain) {
  Server server(SOCK_DGRAM, "SIP/2.0 403 Forbidden\r\n\r\n");
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(server.port()), "udp"), 0);
  EXPECT_TRUE(
      Says("options     warning N ms  403 Forbidden\n  likely, the most likely first:\n"
           "  1. it is there and does not want us"))
      << said_;
}

TEST_F(ProbeTest, ARefusedConnectionHasItsCauses) {
  uint16_t port = 0;
  {
    Server server(SOCK_STREAM, "");
    port = server.port();
  }
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(port), "tcp"), 1);
  EXPECT_TRUE(
      Says("/tcp: Connection refused\n  likely, the most likely first:\n"
           "  1. nobody listens for tcp on port "))
      << said_;
  EXPECT_FALSE(Says("options ")) << said_;
  EXPECT_TRUE(Says("probe: 1 failed, 1 warning\n"));
}

TEST_F(ProbeTest, SilenceAndOtherServicesAreTold) {
  world_.wait_ms = 100;
  Server silent(SOCK_DGRAM, "");
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(silent.port()), "udp"), 1);
  EXPECT_TRUE(Says("options     FAILED N ms  no answer\n")) << said_;
  world_.wait_ms = 2000;
  Server web(SOCK_STREAM, "HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(web.port()), "tcp"), 1);
  EXPECT_TRUE(Says("this is no SIP: HTTP/1.1 400 Bad Request")) << said_;
  Server closing(SOCK_STREAM, "");
  EXPECT_EQ(Run("127.0.0.1:" + std::to_string(closing.port()), "tcp"), 1);
  EXPECT_TRUE(Says("the connection was closed without an answer")) << said_;
}

TEST_F(ProbeTest, ANameThatLeadsElsewhereThanTheSourcesIsAWarning) {
  Server server(SOCK_STREAM, "SIP/2.0 200 OK\r\n\r\n");
  const std::string port = std::to_string(server.port());
  names_ = [](auto* dns) { dns->Addresses("edge.example.com", 30, {"127.0.0.1", "127.0.3.7"}); };
  EXPECT_EQ(Run("edge.example.com:" + port, "tcp"), 1);
  EXPECT_TRUE(
      Says("dns         warning N ms  CV-06: edge.example.com:" + port + "/tcp is at 127.0."))
      << said_;
  EXPECT_TRUE(Says("; sources do not have 127.0.3.7\n")) << said_;
  // Every address is asked, not only the first one.
  EXPECT_TRUE(Says("connect     ok N ms  127.0.0.1:" + port + "/tcp from 127.0.0.1\n")) << said_;
  EXPECT_TRUE(Says("connect     FAILED N ms  127.0.3.7:" + port + "/tcp: Connection refused\n"))
      << said_;
}

TEST_F(ProbeTest, ANameWithoutAPortIsFoundByItsServices) {
  Server server(SOCK_STREAM, "SIP/2.0 200 OK\r\n\r\n");
  const uint16_t port = server.port();
  names_ = [port](auto* dns) {
    dns->Srv("_sip._tcp.example.com", 30, {{1, 1, port, "edge.example.com"}});
    dns->Addresses("edge.example.com", 30, {"127.0.0.1", "2001:db8::1"});
  };
  EXPECT_EQ(Run("example.com", "tcp"), 0) << said_;
  EXPECT_TRUE(Says("dns         ok N ms  example.com/tcp is at 127.0.0.1:" + std::to_string(port) +
                   "/tcp\n"))
      << said_;
  EXPECT_TRUE(Says("options     ok N ms  200 OK: it is there and speaks SIP\n")) << said_;
  server.Stop();
  EXPECT_TRUE(server.heard().starts_with("OPTIONS sip:example.com;transport=tcp SIP/2.0\r\n"))
      << server.heard();
}

TEST_F(ProbeTest, EveryDestinationIsAsked) {
  Server first(SOCK_STREAM, "SIP/2.0 200 OK\r\n\r\n"),
      second(SOCK_STREAM, "SIP/2.0 403 No\r\n\r\n");
  EXPECT_EQ(Run("", "tcp",
                "    destinations:\n      - {to: \"127.0.0.1:" + std::to_string(first.port()) +
                    "\"}\n      - {to: \"127.0.0.1:" + std::to_string(second.port()) + "\"}\n"),
            0)
      << said_;
  EXPECT_TRUE(Says("options     ok N ms  200 OK")) << said_;
  EXPECT_TRUE(Says("options     warning N ms  403 No\n")) << said_;
}

TEST_F(ProbeTest, ANameWithoutAnAddressEndsTheWayThere) {
  EXPECT_EQ(Run("edge.example.com:5070", "tcp"), 1);
  EXPECT_TRUE(Says("dns         FAILED N ms  edge.example.com:5070/tcp cannot be looked up\n"))
      << said_;
  EXPECT_FALSE(Says("connect ")) << said_;
  names_ = [](auto* dns) { dns->Addresses("edge.example.com", 30, {"2001:db8::1"}); };
  EXPECT_EQ(Run("edge.example.com:5070", "tcp"), 1);
  EXPECT_TRUE(Says("edge.example.com:5070/tcp has no IPv4 address\n")) << said_;
  // A name server that says nothing.
  world_.dns_wait_ms = 50;
  names_ = [](auto* dns) { dns->delay_ms = 5000; };
  EXPECT_EQ(Run("edge.example.com:5070", "tcp"), 1);
  EXPECT_TRUE(Says("edge.example.com:5070/tcp: no name server answered\n")) << said_;
}

TEST_F(ProbeTest, OurOwnNameMustBeYoungAndNoAlias) {
  const std::string named = "127.0.0.1:5999\", advertise: \"sbc.example.com:5999";
  Run("127.0.0.1:1", "udp", "", named);
  EXPECT_TRUE(Says("our name    FAILED N ms  sbc.example.com: no address\n")) << said_;
  names_ = [](auto* dns) { dns->Addresses("sbc.example.com", 3600, {"127.0.0.1"}); };
  Run("127.0.0.1:1", "udp", "", named);
  EXPECT_TRUE(Says("our name    warning N ms  CV-18: sbc.example.com: 127.0.0.1 for 3600 s\n"))
      << said_;
  names_ = [](auto* dns) {
    dns->Addresses("sbc.example.com", 30, {"127.0.0.1"});
    dns->Alias("sbc.example.com", "host.example.net");
  };
  Run("127.0.0.1:1", "udp", "", named);
  EXPECT_TRUE(Says("CV-18: sbc.example.com: 127.0.0.1, by an alias to host.example.net\n"))
      << said_;
  names_ = [](auto* dns) { dns->Addresses("sbc.example.com", 60, {"127.0.0.1", "::1"}); };
  Run("127.0.0.1:1", "udp", "", named);
  EXPECT_TRUE(Says("our name    ok N ms  sbc.example.com: 127.0.0.1, ::1\n")) << said_;
}

TEST_F(ProbeTest, AddressesThatAreNotHereAndPortsThatAreNotReserved) {
  EXPECT_EQ(
      Run("127.0.0.1:1", "udp", "    media_addresses: [{local: 192.0.2.99}]\n", "192.0.2.98:5999"),
      1);
  EXPECT_TRUE(Says("  1. 192.0.2.98 (bind of listener l) is no address of this machine\n"))
      << said_;
  EXPECT_TRUE(Says("  1. 192.0.2.99 is no address of this machine\n")) << said_;
  EXPECT_TRUE(
      Says("ephemeral   warning N ms  the kernel may give ports of 32768-39999 to other "
           "programs\n"))
      << said_;
  EXPECT_TRUE(Says("  1. sysctl -w net.ipv4.ip_local_reserved_ports=10000-39999\n"));
  Proc("50000 60000", "");
  Run("127.0.0.1:1", "udp");
  EXPECT_TRUE(Says("ephemeral   ok N ms  the kernel gives away 50000-60000\n")) << said_;
}

// A TLS server on a free port of loopback that answers the first thing it hears on each connection.
class TlsServer {
 public:
  TlsServer(const sip::TlsServerOptions& options, std::string answer)
      : context_(*sip::MakeTlsServer(options)), answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(listen(listener_, 4), 0);
    thread_ = std::thread([this] {
      for (int peer; (peer = accept(listener_, nullptr, nullptr)) >= 0; close(peer)) Serve(peer);
    });
  }
  ~TlsServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string where() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void Serve(int peer) {
    const auto stream = context_->MakeStream(peer, {}, {});
    if (stream->Handshake().outcome != sip::Stream::Outcome::kDone) return;
    char bytes[4096];
    const auto heard = stream->Read(bytes, sizeof bytes);
    if (heard.outcome == sip::Stream::Outcome::kDone) stream->Write(answer_);
    stream->Shutdown();
  }

  const std::shared_ptr<sip::TlsContext> context_;
  const std::string answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

class ProbeTlsTest : public ProbeTest {
 protected:
  static const support::Certificates& Files() {
    static const support::Certificates files(CERTIFICATES_SCRIPT);
    return files;
  }
  static sip::TlsServerOptions Shows(const char* file) {
    return {.identity = {.certificate = Files()(file), .key = ""}, .client_trust = ""};
  }
  int RunTls(const std::string& destination, const std::string& tls) {
    return Run(destination, "tls", tls, "127.0.0.1:5999\", certificate: \"" + Files()("edge.pem"));
  }
  const std::string trust_ = "    tls_trust: \"" + Files()("ca.pem") + "\"\n";
};

TEST_F(ProbeTlsTest, ChainNameAndEndOfTheCertificateAreTold) {
  TlsServer server(Shows("edge.pem"), "SIP/2.0 200 OK\r\n\r\n");
  EXPECT_EQ(RunTls(server.where(), trust_), 0) << said_;
  EXPECT_TRUE(
      Says("tls         ok N ms  TLSv1.3, TLS_AES_256_GCM_SHA384, certificate of "
           "edge.example.test, 127.0.0.1, 127.0.0.2, 127.0.0.3 by Laboratory root, ends in "))
      << said_;
  EXPECT_TRUE(Says("options     ok N ms  200 OK: it is there and speaks SIP\n")) << said_;
  EXPECT_EQ(RunTls(server.where(), "    tls_verify: false\n"), 0);
  EXPECT_TRUE(Says("; not verified\n")) << said_;
}

TEST_F(ProbeTlsTest, AWrongNameAnUnknownRootAndAShortLifeHaveTheirCauses) {
  TlsServer wildcard(Shows("wildcard.pem"), "");
  EXPECT_EQ(RunTls(wildcard.where(), trust_), 1);
  EXPECT_TRUE(
      Says("tls         FAILED N ms  IP address mismatch: certificate of *.example.test by "
           "Laboratory root\n  likely, the most likely first:\n"
           "  1. it does not carry 127.0.0.1: "))
      << said_;
  EXPECT_FALSE(Says("options ")) << said_;
  TlsServer unknown(Shows("edge.pem"), "");
  EXPECT_EQ(RunTls(unknown.where(), "    tls_name: edge.example.test\n"), 1);
  EXPECT_TRUE(
      Says("likely, the most likely first:\n"
           "  1. this machine does not know Laboratory root: install ca-certificates"))
      << said_;
  TlsServer soon(Shows("soon.pem"), "SIP/2.0 200 OK\r\n\r\n");
  EXPECT_EQ(RunTls(soon.where(), trust_), 0);
  EXPECT_TRUE(
      Says("days\n  likely, the most likely first:\n"
           "  1. the carrier has forgotten to renew it"))
      << said_;
}

TEST_F(ProbeTlsTest, APlainPortAndAServerThatWantsOurCertificate) {
  Server plain(SOCK_STREAM, "SIP/2.0 400 Bad Request\r\n\r\n");
  EXPECT_EQ(RunTls("127.0.0.1:" + std::to_string(plain.port()), trust_), 1);
  EXPECT_TRUE(
      Says("tls         FAILED N ms  wrong version number\n"
           "  likely, the most likely first:\n"
           "  1. the port takes plain SIP over TCP, not TLS\n"))
      << said_;
  sip::TlsServerOptions mutual = Shows("edge.pem");
  mutual.client_trust = Files()("ca.pem");
  TlsServer server(mutual, "SIP/2.0 200 OK\r\n\r\n");
  EXPECT_EQ(RunTls(server.where(), trust_), 1);
  EXPECT_TRUE(Says("options     FAILED N ms  ")) << said_;
  EXPECT_TRUE(
      Says("likely, the most likely first:\n"
           "  1. it asks for a certificate of ours: tls_certificate and tls_key\n"))
      << said_;
  EXPECT_EQ(
      RunTls(server.where(), trust_ + "    tls_certificate: \"" + Files()("client.pem") + "\"\n"),
      0)
      << said_;
}

}  // namespace
}  // namespace sipctl::cli
