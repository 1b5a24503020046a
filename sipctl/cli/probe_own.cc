#include "sipctl/cli/probe_own.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "sipctl/cli/probe_socket.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

using Verdict = Finding::Verdict;

// A carrier that dials our name believes an old answer for as long as it says (S3-09).
constexpr uint32_t kOwnNameTtlMaxS = 60;

}  // namespace

OwnProbe::OwnProbe(const trunk::Config& config, const trunk::Trunk& trunk, const ProbeWorld& world,
                   ProbeNames* names, ProbeReport* report)
    : config_(config),
      trunk_(trunk),
      listener_(config.listeners[trunk.listener]),
      world_(world),
      names_(names),
      report_(report) {}

void OwnProbe::Run() {
  report_->Step("our name", [this] { return Name(); });
  report_->Step("our address", [this] { return Address(); });
  report_->Step("media", [this] { return Media(); });
  report_->Step("ports", [this] { return Ports(); });
  report_->Step("ephemeral", [this] { return Ephemeral(); });
}

// CV-18: a carrier that dials our name.
Finding OwnProbe::Name() {
  const std::string& host = listener_.advertise_host;
  if (sdp::ParseIpAddress(host).has_value()) {
    return {Verdict::kSkipped, Concat("we are known by the address ", host), {}};
  }
  const sip::DnsAnswer answer = names_->Addresses(host);
  if (answer.outcome != sip::DnsAnswer::Outcome::kFound) {
    const bool known = answer.outcome == sip::DnsAnswer::Outcome::kNothing;
    return {Verdict::kFailed,
            Concat(host, known ? ": no address" : ": no name server answered"),
            {"the name is not in the domain name system yet"}};
  }
  const std::string text = Concat(host, ": ", Join(answer.addresses, ", ", sip::AddressText));
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

Finding OwnProbe::Address() const {
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

Finding OwnProbe::Media() const {
  std::vector<std::string> lines, causes;
  for (const trunk::MediaAddress& address : trunk_.addresses) {
    ProbeSocket socket;
    // Connecting a datagram socket to itself sends nothing: it only shows whose the address is.
    const absl::Status bound =
        socket.Connect(address.local, {address.local, 9}, /*stream=*/false, 0);
    if (absl::IsFailedPrecondition(bound)) {
      causes.push_back(
          Concat(sdp::FormatIpAddress(address.local), " is no address of this machine"));
    }
    lines.push_back(Concat(sdp::FormatIpAddress(address.local),
                           address.local == address.advertise
                               ? ""
                               : " as " + sdp::FormatIpAddress(address.advertise)));
  }
  return {causes.empty() ? Verdict::kOk : Verdict::kFailed, Join(lines, ", "), causes};
}

Finding OwnProbe::Ports() const {
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

std::string OwnProbe::ReadProc(const char* name) const {
  std::ifstream file(world_.proc + "/" + name);
  std::string line;
  std::getline(file, line);
  return line;
}

// The kernel must not give ports of the relay's range to other programs.
Finding OwnProbe::Ephemeral() const {
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

}  // namespace sipctl::cli
