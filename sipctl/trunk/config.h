// The configuration as an immutable value: read once, checked as a whole, shared, swapped whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sdp/address.h"
#include "sipctl/sdp/offer_answer.h"
#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/header_names.h"
#include "sipctl/trunk/number_plan.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::trunk {

inline constexpr size_t kConfigBytesMax = 1 << 20;
inline constexpr std::string_view kControlSocketDefault = "/run/tandem/sipctl.sock";
inline constexpr std::string_view kRelaySocketDefault = "/run/tandem/relay.sock";

enum class Transport : uint8_t { kUdp, kTcp, kTls };
std::string_view TransportName(Transport transport);  // "udp", "tcp", "tls"
constexpr uint16_t DefaultPort(Transport transport) {
  return transport == Transport::kTls ? 5061 : 5060;  // RFC 3261 section 19.1.2
}

// Who may speak to a listener: the trunks' sources, or whoever logs in as a trunk's user.
enum class Role : uint8_t { kTrunk, kAccess };

// RFC 7616, RFC 8760.
enum class DigestHash : uint8_t { kMd5, kSha256 };

// Where SIP is received. Requests to a trunk leave from one of these, too.
struct Listener {
  std::string name;
  Transport transport = Transport::kUdp;
  sdp::IpEndpoint bind;
  std::string advertise_host;  // in Via and Contact: an address or a name
  uint16_t advertise_port = 5060;
  // TLS alone. PEM files; the key may lie in the certificate's.
  std::string certificate;
  std::string key;
  std::string client_trust;  // not empty: who connects must show a certificate of these roots
  Role role = Role::kTrunk;
  // Of an access listener alone.
  std::string realm;                            // that users log in to
  std::vector<DigestHash> digest;               // what they are asked for, the best first
  uint64_t expires_max_ns = 3'600'000'000'000;  // of a registration
  int line = 0;

  bool operator==(const Listener&) const = default;
};

// How a trunk is known, and we to it, over TLS.
struct Tls {
  std::string name;         // that the trunk's certificate must carry; empty = the destination's
  std::string trust;        // PEM file of roots; empty = the system's
  std::string certificate;  // ours, PEM; empty = none
  std::string key;          // empty = lies in the certificate's file
  bool verify = true;

  bool operator==(const Tls&) const = default;
};

// One local address of the relay and what the far side of a trunk must see in SDP instead (NAT).
struct MediaAddress {
  sdp::IpAddress local;
  sdp::IpAddress advertise;

  bool operator==(const MediaAddress&) const = default;
};

// How the relay decides whose packets belong to a leg; the meaning is the relay's (abi/command.h).
enum class Learning : uint8_t { kOff, kSignalled, kLatch };

// What becomes of a stream's roll-over counter when its SRTP key changes.
enum class RollOver : uint8_t { kEither, kRunsOn, kRestarts };

struct Destination {
  std::string host;  // an address or a name
  uint16_t port = 5060;
  Transport transport = Transport::kUdp;
  bool by_srv = false;    // no port was given for a name: its SRV records say where
  std::string user;       // not empty: calls go to this very URI, whatever was dialled
  uint16_t priority = 0;  // the lowest first
  uint16_t weight = 1;    // share of the calls among those of one priority

  bool operator==(const Destination&) const = default;
};

// Who we say that we are when a trunk asks (401, 407); or, of a trunk's users, who logs in to us.
// The password is in memory alone.
struct Login {
  std::string user;
  std::string realm;  // empty = any; of a user the listener's
  std::string password_file;
  std::string password_environment;  // name of a variable

  bool operator==(const Login&) const = default;
};

// How a trunk is told who calls: in From alone, or asserted by us besides.
enum class Identity : uint8_t { kFrom, kAsserted, kRemoteParty };

// Who may begin calls over a trunk, as the telephone sees it.
enum class Way : uint8_t { kBidirectional, kOutbound, kInbound };

struct Header {
  std::string name;
  std::string value;

  bool operator==(const Header&) const = default;
};

inline constexpr uint32_t kRingTimeoutMaxS = 600;  // the greatest ring_timeout

struct Trunk {
  std::string name;
  Way way = Way::kBidirectional;  // outbound: only we call; inbound: only it calls

  // The carrier.
  const Profile* carrier = nullptr;    // of `profile`, part of the program; null: nothing is known
  std::vector<std::string> numbers;    // that the carrier has given us, E.164
  std::vector<std::string> confirmed;  // rules on which the carrier has agreed otherwise
  std::string account;                 // ours, for calls into the carrier's flows
  std::vector<Header> headers;         // added to every call to it

  // What crosses between it and the other side of a call; a name may end in *.
  std::vector<std::string> headers_from;           // of its INVITE, that may go on
  std::vector<std::string> headers_to;             // that may be sent to it
  std::vector<std::string> headers_read;           // kept in the call's record
  bool trusts_identity = false;                    // its word on who calls is believed
  Identity identity = Identity::kFrom;             // how it is told
  std::string called_from;                         // "To", or a header; empty = the request URI
  NumberPlan number_plan;                          // how it writes numbers
  NumberForm number_form = NumberForm::kAsRouted;  // and wants them

  // Signalling.
  std::vector<sdp::IpNetwork> sources;    // whose SIP is this trunk's
  std::vector<Destination> destinations;  // where its calls go; empty: this trunk only calls us
  // Not empty: it has no fixed address. Whoever logs in as one of them speaks for it, and its calls
  // go to where they are.
  std::vector<Login> users;
  bool any_access_listener = false;  // users may come by each one, not by `listener` alone
  uint64_t health_ns = 0;            // how often each address is asked with OPTIONS; 0 = never
  std::optional<Login> login;        // absent: a challenge is not answered
  size_t listener = 0;               // index: its Via and Contact, its socket
  Tls tls;
  std::string from_domain;                    // host of From towards it; empty = advertise_host
  std::vector<std::string> methods_not_sent;  // UPDATE, PRACK: neither sent to it nor allowed it
  // INVITE to any answer, at each address; 0 = 5 s where another one is left, else 64*T1.
  uint64_t response_timeout_ns = 0;
  uint64_t ring_timeout_ns = 90'000'000'000;         // INVITE to final response, then CANCEL
  uint64_t session_expires_ns = 1'800'000'000'000;   // RFC 4028, asked for; 0 = none
  uint64_t call_length_max_ns = 14'400'000'000'000;  // 0 = none

  // Media. `media.networks` is what an SDP may point at; `networks` is what the relay accepts
  // packets from; they are the same list, empty = any.
  sdp::MediaPolicy media;
  std::vector<sdp::IpNetwork> networks;
  Learning learning = Learning::kOff;
  RollOver roll_over = RollOver::kEither;
  std::vector<MediaAddress> addresses;  // never empty
  uint8_t dscp = 46;
  uint64_t media_timeout_ns = 60'000'000'000;  // 0 = never

  // Limits.
  uint32_t calls_max = 1000;      // both directions together
  uint32_t calls_per_minute = 0;  // that we send to it; 0 = no limit
  uint32_t call_burst = 20;       // sent at once after a quiet time

  // No longer in the file: kept for the calls that began with it (succession.h).
  bool retired = false;

  int line = 0;

  bool operator==(const Trunk&) const = default;
};

bool Sends(const Trunk& trunk, std::string_view method);

struct PortRange {
  uint16_t first = 10000;
  uint16_t last = 39999;

  bool operator==(const PortRange&) const = default;
};

// Media ports that so many calls of a trunk take: two each, and half as many again for those that
// rest after a call.
constexpr uint64_t PortsWanted(uint64_t calls) {
  return calls * 2 * 3 / 2;
}

struct Route {
  std::optional<size_t> from;  // index of a trunk; absent = any
  std::string prefix;          // of the called number; empty = every number
  size_t to = 0;               // index of a trunk
  uint32_t strip = 0;          // characters taken from the front of the number, then
  std::string add;             // put in front of it
  int line = 0;
  std::vector<std::string> numbers;     // whole called numbers, instead of a prefix
  std::vector<sdp::IpNetwork> sources;  // the call must come from one of these; empty = anywhere
  std::string user;                     // instead of the number, when not empty
  bool flow = false;                    // into a call flow of the carrier, not to the telephone
};

struct Config {
  std::string file;
  std::string source;  // the text that it was read from
  std::vector<Listener> listeners;
  std::string relay_socket{kRelaySocketDefault};
  std::string control_socket{
      kControlSocketDefault};             // where `sipctl calls` asks; empty = no such socket
  std::vector<std::string> name_servers;  // "192.0.2.53:53"; empty = those of /etc/resolv.conf
  std::string journal;                    // file of the dialog journal; empty = none
  std::string user_agent = "Tandem";      // of User-Agent and Server; empty = neither
  uint32_t calls_max = 10'000;            // of the process
  // An INVITE that has waited so long to be read is the first whose call is turned away (503), or
  // the first of those that all are; 0 = never.
  uint64_t shed_from_ns = 200'000'000;
  uint64_t shed_all_ns = 400'000'000;
  PortRange relay_ports;  // that the relay was started with
  std::vector<MediaAddress> addresses;
  std::vector<Trunk> trunks;
  std::vector<Route> routes;
};

struct LoadResult {
  std::shared_ptr<const Config> config;  // null when there is an error among the diagnostics
  std::vector<Diagnostic> diagnostics;   // in the order of the file
};

// Never throws. All that is wrong is reported, not only the first.
LoadResult LoadConfig(const std::string& path);
LoadResult ParseConfig(std::string_view text, std::string file_name);

// The reference of every key, in Markdown, from the table that reads them.
std::string KeysMarkdown();

}  // namespace sipctl::trunk
