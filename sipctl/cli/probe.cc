#include "sipctl/cli/probe.h"

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <optional>
#include <ostream>
#include <random>
#include <sstream>
#include <utility>
#include <vector>

#include "sipctl/cli/probe_socket.h"
#include "sipctl/cli/trunk_of.h"
#include "sipctl/loop.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

enum class Verdict { kOk, kWarning, kFailed, kSkipped };

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string text;
  std::vector<std::string> causes;  // the most likely first
};

std::string At(const sdp::IpAddress& address) {
  return sdp::FormatIpAddress(address);
}

// A carrier that dials our name believes an old answer for as long as it says (S3-09).
constexpr uint32_t kOwnNameTtlMaxS = 60;

class Probe {
 public:
  Probe(const trunk::Config& config, const trunk::Trunk& trunk, const ProbeWorld& world,
        std::ostream& out)
      : config_(config),
        trunk_(trunk),
        listener_(config.listeners[trunk.listener]),
        world_(world),
        out_(out) {}

  int Run() {
    if (!trunk_.destinations.empty()) {
      Step("dns", [this] { return Dns(); });
      Step("connect", [this] { return Connect(); });
      Step("options", [this] { return Options(); });
    } else {
      Step("dns", [] { return Finding{Verdict::kSkipped, "the trunk only calls us", {}}; });
    }
    Step("our name", [this] { return OwnName(); });
    Step("our address", [this] { return OwnAddress(); });
    Step("media", [this] { return Media(); });
    Step("ports", [this] { return Ports(); });
    Step("ephemeral", [this] { return Ephemeral(); });
    out_ << "probe: " << failed_ << " failed, " << warnings_
         << (warnings_ == 1 ? " warning\n" : " warnings\n");
    return failed_ == 0 ? 0 : 1;
  }

 private:
  template <typename Work>
  void Step(std::string_view name, Work work) {
    constexpr std::string_view kWords[] = {"ok", "warning", "FAILED", "skipped"};
    const TimeMs begun = MonotonicNow();
    const Finding finding = work();
    const TimeMs took = MonotonicNow() - begun;
    out_ << std::left << std::setw(12) << name << std::setw(8)
         << kWords[static_cast<size_t>(finding.verdict)] << std::right << std::setw(5) << took
         << " ms  " << trunk::AsciiSafe(finding.text) << '\n';
    if (!finding.causes.empty()) out_ << "  likely, the most likely first:\n";
    for (size_t i = 0; i < finding.causes.size(); ++i) {
      out_ << "  " << i + 1 << ". " << trunk::AsciiSafe(finding.causes[i]) << '\n';
    }
    failed_ += finding.verdict == Verdict::kFailed ? 1 : 0;
    warnings_ += finding.verdict == Verdict::kWarning ? 1 : 0;
  }

  Finding Dns() {
    const std::string& host = trunk_.destinations.front().host;
    if (const auto address = sdp::ParseIpAddress(host)) {
      peer_ = address;
      return {Verdict::kOk, Concat(host, " is an address"), {}};
    }
    const NameAnswer answer = world_.look_up(host);
    if (answer.addresses.empty()) {
      return {Verdict::kFailed,
              Concat(host, ": ", answer.error.empty() ? "no address" : answer.error),
              {"the name is misspelt: compare it with what the carrier gave you",
               "this machine asks no name server: see /etc/resolv.conf",
               "a firewall stops UDP and TCP 53"}};
    }
    peer_ = answer.addresses[0];
    std::string text = Concat(host, ": ", Join(answer.addresses, ", ", At));
    if (answer.ttl_s > 0) text += Concat(" for ", answer.ttl_s, " s");
    return Compare(answer, std::move(text));
  }

  // CV-06: who answers at the edge's name is who calls from it, as far as anybody can tell.
  Finding Compare(const NameAnswer& answer, std::string text) {
    std::vector<std::string> strange;
    for (const sdp::IpAddress& address : answer.addresses) {
      const bool known =
          std::any_of(trunk_.sources.begin(), trunk_.sources.end(),
                      [&](const sdp::IpNetwork& network) { return network.Contains(address); });
      if (!known) strange.push_back(At(address));
    }
    if (strange.empty() || trunk_.way == trunk::Way::kOutbound) {
      return {Verdict::kOk, std::move(text), {}};
    }
    return {Verdict::kWarning,
            Concat("CV-06: ", text, "; sources do not have ", Join(strange, ", ")),
            {"the carrier has moved: ask which addresses its SIP comes from now, and add them",
             "the carrier calls from other addresses than it answers at: let it confirm that"}};
  }

  Finding Connect() {
    if (!peer_.has_value()) return {Verdict::kSkipped, "no address", {}};
    const trunk::Destination& to = trunk_.destinations.front();
    const std::string_view transport = trunk::TransportName(to.transport);
    const std::string where = Concat(sdp::FormatIpEndpoint({*peer_, to.port}), "/", transport);
    const bool stream = to.transport != trunk::Transport::kUdp;
    const absl::Status done =
        socket_.Connect(listener_.bind.address, {*peer_, to.port}, stream, world_.wait_ms);
    connected_ = done.ok();
    if (done.ok()) {
      return {Verdict::kOk,
              Concat(where, " from ", At(socket_.local().address),
                     stream ? "" : " (UDP has no connection: only the answer shows)"),
              {}};
    }
    const std::string text = Concat(where, ": ", std::string(done.message()));
    if (absl::IsFailedPrecondition(done)) {
      return {Verdict::kFailed,
              text,
              {Concat(At(listener_.bind.address), " (bind of listener ", listener_.name,
                      ") is no address of this machine")}};
    }
    if (absl::IsDeadlineExceeded(done)) {
      return {Verdict::kFailed,
              text,
              {"a firewall on the way out, or at the carrier: is our address on its allow-list?",
               Concat("the carrier listens on another port than ", to.port),
               "the address is a media server: it answers no SIP (sipctl check --explain CV-01)"}};
    }
    return {Verdict::kFailed,
            text,
            {Concat("nobody listens for ", transport, " on port ", to.port,
                    " there: compare transport and port with the carrier's"),
             "the carrier refuses addresses that are not on its allow-list",
             "no route to it from this machine"}};
  }

  std::string OptionsText() const {
    const trunk::Destination& to = trunk_.destinations.front();
    const std::string_view transport = trunk::TransportName(to.transport);
    std::string upper(transport);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return static_cast<char>(c - 32); });
    const std::string here = sdp::FormatIpEndpoint(socket_.local());
    std::random_device random;
    const std::string unique = Concat(random(), random());
    const std::string host =
        to.host.find(':') == std::string::npos ? to.host : Concat("[", to.host, "]");
    return Concat("OPTIONS sip:", host, ":", to.port, ";transport=", transport,
                  " SIP/2.0\r\nVia: SIP/2.0/", upper, " ", here, ";rport;branch=z9hG4bK", unique,
                  "\r\nMax-Forwards: 70\r\nFrom: <sip:probe@",
                  trunk_.from_domain.empty() ? listener_.advertise_host : trunk_.from_domain,
                  ">;tag=", unique, "\r\nTo: <sip:", host, ">\r\nCall-ID: ", unique,
                  "\r\nCSeq: 1 OPTIONS\r\nContact: <sip:probe@", here, ";transport=", transport,
                  ">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n");
  }

  Finding Options() {
    if (!connected_) return {Verdict::kSkipped, "no connection", {}};
    if (trunk_.destinations.front().transport == trunk::Transport::kTls) {
      return {Verdict::kSkipped, "over TLS, which the probe does not speak", {}};
    }
    const auto answer = socket_.Ask(OptionsText(), world_.wait_ms);
    if (!answer.ok()) {
      return {Verdict::kFailed,
              std::string(answer.status().message()),
              {"our address is not on the carrier's allow-list: strangers get no answer",
               "the port takes TLS, not plain SIP, or the other way round",
               "the far side answers no OPTIONS: make a call before you believe this"}};
    }
    const std::string line = answer->substr(0, answer->find("\r\n"));
    if (!line.starts_with("SIP/2.0 ")) {
      return {Verdict::kFailed,
              Concat("this is no SIP: ", line.substr(0, 60)),
              {"another service listens on this port"}};
    }
    const std::string status = line.substr(8);
    if (status.starts_with("403") || status.starts_with("401") || status.starts_with("407")) {
      return {Verdict::kWarning,
              status,
              {"it is there and does not want us: allow-list, from_domain or digest"}};
    }
    return {Verdict::kOk, Concat(status, ": it is there and speaks SIP"), {}};
  }

  // CV-18: a carrier that dials our name.
  Finding OwnName() {
    const std::string& host = listener_.advertise_host;
    if (sdp::ParseIpAddress(host).has_value()) {
      return {Verdict::kSkipped, Concat("we are known by the address ", host), {}};
    }
    const NameAnswer answer = world_.look_up(host);
    if (answer.addresses.empty()) {
      return {Verdict::kFailed,
              Concat(host, ": ", answer.error.empty() ? "no address" : answer.error),
              {"the name is not in the domain name system yet"}};
    }
    const std::string text = Concat(host, ": ", Join(answer.addresses, ", ", At));
    if (!answer.alias.empty()) {
      return {Verdict::kWarning,
              Concat("CV-18: ", text, ", by an alias to ", answer.alias),
              {"some carriers follow no CNAME: give the name an A record of its own"}};
    }
    if (answer.ttl_s > kOwnNameTtlMaxS) {
      return {Verdict::kWarning,
              Concat("CV-18: ", text, " for ", answer.ttl_s, " s"),
              {Concat("after a move, calls go to the old address for that long: TTL ",
                      kOwnNameTtlMaxS, " s or less")}};
    }
    return {Verdict::kOk, text, {}};
  }

  Finding OwnAddress() {
    const std::string where = Concat(listener_.advertise_host, ":", listener_.advertise_port);
    const auto advertised = sdp::ParseIpAddress(listener_.advertise_host);
    const sdp::IpAddress& bound = listener_.bind.address;
    if (!advertised.has_value() || *advertised == bound) {
      return {Verdict::kOk, Concat("listener ", listener_.name, " is known as ", where), {}};
    }
    if (bound.IsUnspecified()) {
      return {Verdict::kOk,
              Concat("listener ", listener_.name, " on all addresses, known as ", where),
              {}};
    }
    return {Verdict::kOk,
            Concat("behind NAT: ", where, " must lead to ", sdp::FormatIpEndpoint(listener_.bind),
                   "; from inside nobody can see whether it does"),
            {}};
  }

  Finding Media() {
    std::vector<std::string> lines, causes;
    for (const trunk::MediaAddress& address : trunk_.addresses) {
      ProbeSocket socket;
      // Connecting a datagram socket to itself sends nothing: it only shows whose the address is.
      const absl::Status bound =
          socket.Connect(address.local, {address.local, 9}, /*stream=*/false, 0);
      if (absl::IsFailedPrecondition(bound)) {
        causes.push_back(Concat(At(address.local), " is no address of this machine"));
      }
      lines.push_back(Concat(At(address.local), address.local == address.advertise
                                                    ? ""
                                                    : " as " + At(address.advertise)));
    }
    return {causes.empty() ? Verdict::kOk : Verdict::kFailed, Join(lines, ", "), causes};
  }

  Finding Ports() {
    const trunk::PortRange& range = config_.relay_ports;
    const uint64_t there = trunk_.addresses.size() * (range.last - range.first + 1ull);
    const std::string text =
        Concat("UDP ", range.first, "-", range.last, " on ", trunk_.addresses.size(),
               trunk_.addresses.size() == 1 ? " address" : " addresses", " for ", trunk_.calls_max,
               " calls; the carrier must reach them through every firewall");
    if (there >= trunk::PortsWanted(trunk_.calls_max)) return {Verdict::kOk, text, {}};
    return {Verdict::kWarning,
            Concat("CV-19: ", text),
            {Concat("a call takes two ports, with half as many again for those that rest: ",
                    trunk::PortsWanted(trunk_.calls_max), " are wanted")}};
  }

  std::string ReadProc(const char* name) const {
    std::ifstream file(world_.proc + "/" + name);
    std::string line;
    std::getline(file, line);
    return line;
  }

  // The kernel must not give ports of the relay's range to other programs.
  Finding Ephemeral() {
    std::istringstream limits(ReadProc("ip_local_port_range"));
    uint32_t low = 0, high = 0;
    if (!(limits >> low >> high)) return {Verdict::kSkipped, "the kernel does not say", {}};
    const trunk::PortRange& range = config_.relay_ports;
    const uint32_t from = std::max<uint32_t>(low, range.first);
    const uint32_t to = std::min<uint32_t>(high, range.last);
    if (from > to) return {Verdict::kOk, Concat("the kernel gives away ", low, "-", high), {}};
    std::vector<bool> reserved(65536);
    const std::string text = ReadProc("ip_local_reserved_ports");
    for (const std::string_view part : Split(text, ',')) {
      const size_t dash = part.find('-');
      const auto first = ParseNumber<uint16_t>(part.substr(0, dash));
      const auto last =
          dash == std::string_view::npos ? first : ParseNumber<uint16_t>(part.substr(dash + 1));
      if (!first.has_value() || !last.has_value()) continue;
      for (uint32_t port = *first; port <= *last; ++port) reserved[port] = true;
    }
    const bool all = std::all_of(reserved.begin() + from, reserved.begin() + to + 1,
                                 [](bool each) { return each; });
    if (all) return {Verdict::kOk, Concat(from, "-", to, " are reserved for the relay"), {}};
    return {Verdict::kWarning,
            Concat("the kernel may give ports of ", from, "-", to, " to other programs"),
            {Concat("sysctl -w net.ipv4.ip_local_reserved_ports=", range.first, "-", range.last)}};
  }

  const trunk::Config& config_;
  const trunk::Trunk& trunk_;
  const trunk::Listener& listener_;
  const ProbeWorld& world_;
  std::ostream& out_;
  std::optional<sdp::IpAddress> peer_;
  ProbeSocket socket_;
  bool connected_ = false;
  int failed_ = 0;
  int warnings_ = 0;
};

}  // namespace

int RunProbe(const ProbeOptions& options, std::ostream& out, std::ostream& err,
             const ProbeWorld& world) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.trunk, err);
  if (!found.has_value()) return 1;
  return Probe(*found->config, found->config->trunks[found->trunk], world, out).Run();
}

}  // namespace sipctl::cli
