// What is known of a carrier beforehand: edges, ports, media addresses, headers, limits. Dated data
// files (profiles/*.yaml) that are part of the program; no carrier's address stands in code.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sdp/address.h"
#include "sipctl/sdp/format.h"

namespace sipctl::trunk {

struct TransportPort {
  std::string transport;  // "udp", "tcp", "tls"
  uint16_t port = 0;      // where the carrier listens
};

// A point of presence.
struct Pop {
  std::string name;
  bool live = true;                   // false: announced, no address yet
  std::string edge;                   // where SIP goes; may be empty
  std::vector<sdp::IpNetwork> media;  // where RTP comes from and goes to; never sends SIP
};

struct HeaderRules {
  std::vector<std::string> mandatory;          // of an INVITE to the carrier
  std::vector<std::string> flow;               // and of one that shall enter a call flow
  std::vector<std::string> reserved_prefixes;  // the carrier's own, but for those in `flow`
};

struct Profile {
  std::string name;
  std::string title;       // as messages call the carrier
  std::string dated;       // YYYY-MM-DD of the last comparison with what the carrier says
  bool confirmed = false;  // false: from public material that nobody has confirmed
  std::vector<TransportPort> transports;  // empty: any
  std::vector<Pop> pops;
  std::vector<sdp::IpNetwork> signalling;   // whose SIP is the carrier's; empty: to be asked
  std::string media_ports;                  // "10000-40000"; empty: not known
  std::vector<sdp::Codec> codecs;           // best first; empty: any
  std::string account_domain;               // suffix of the account's name; may be empty
  bool account_domain_is_next_hop = false;  // else it stands in From alone
  bool static_address_required = false;     // calls to it come from allow-listed addresses only
  bool srtp_with_tls = false;               // SRTP on trunks over TLS and nowhere else
  bool numbers_e164 = false;
  std::vector<std::string> methods_not_sent;  // what it is not to be asked: UPDATE, PRACK
  uint32_t calls_per_minute = 0;              // that it takes; 0 = not known
  std::string api;       // where trunks are set up, https://HOST; empty: nowhere
  std::string flow_url;  // what flows are called by, there
  HeaderRules headers;

  // The POP whose media network holds all of `network`.
  const Pop* FindMedia(const sdp::IpNetwork& network) const;
  const Pop* FindPop(std::string_view pop) const;  // case-insensitive
  // Whether SIP goes over this transport; its port, 0 when the carrier does not say.
  std::optional<uint16_t> PortOf(std::string_view transport) const;
  // Whether `host` is an account's name below account_domain.
  bool IsAccountName(std::string_view host) const;
  bool IsReserved(std::string_view header) const;

  std::string TransportsText() const;  // "tcp/5070 or tls/443"
  std::string EdgesText() const;       // names of the live edges
  std::vector<sdp::IpNetwork> AllMedia() const;
};

struct ProfileText {
  std::string_view file;
  std::string_view yaml;
};
// Made at build time from profiles/*.yaml.
std::span<const ProfileText> ProfileTexts();

// All of them, read once; a program whose own data is broken ends here.
const std::vector<Profile>& Profiles();
const Profile* FindProfile(std::string_view name);
std::vector<std::string> ProfileNames();

}  // namespace sipctl::trunk
