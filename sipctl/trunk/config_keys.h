// The document as it was read, names not yet looked up, and the tables that read it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/config_reader.h"

namespace sipctl::trunk {

struct ListenerDraft {
  int line = 0;
  std::string name;
  Transport transport = Transport::kUdp;
  std::optional<sdp::IpEndpoint> bind;
  bool bind_port_given = false;
  bool advertise_port_given = false;
  std::optional<HostPort> advertise;
  std::string certificate;
  std::string key;
  std::string client_trust;
  Role role = Role::kTrunk;
  std::string realm;
  std::vector<DigestHash> digest;
  uint64_t expires_max_ns = 3'600'000'000'000;
  int access_line = 0;  // of the last key that only an access listener has; 0: none given
};

struct AddressDraft {
  int line = 0;
  std::optional<sdp::IpAddress> local;
  std::optional<sdp::IpAddress> advertise;
};

struct RelayDraft {
  std::string socket{kRelaySocketDefault};
  PortRange ports;
  int ports_line = 0;
  std::vector<AddressDraft> addresses;
};

struct DestinationDraft {
  int line = 0;
  std::optional<HostPort> to;
  bool port_given = false;
  std::string user;
  std::optional<Transport> transport;  // of a full URI
  uint16_t priority = 0;
  uint16_t weight = 1;
};

struct LoginDraft {
  int line = 0;
  Login login;
};

struct TrunkDraft {
  int line = 0;
  Trunk trunk;  // all that needs no other part of the document
  std::vector<DestinationDraft> destinations;
  int destination_line = 0;
  std::optional<LoginDraft> login;
  std::vector<LoginDraft> users;
  int users_line = 0;  // 0: not given
  std::optional<Transport> transport;
  std::string pop;
  int pop_line = 0;
  int numbers_line = 0;
  int codecs_line = 0;            // 0: not given
  int calls_per_minute_line = 0;  // 0: not given
  int srtp_line = 0;              // 0: not given
  int session_expires_line = 0;   // 0: not given
  int from_domain_line = 0;
  int tls_line = 0;  // of the last key that is about TLS; 0: none given
  bool networks_given = false;
  bool methods_given = false;
  bool learning_given = false;
  std::string listener;
  int listener_line = 0;
  int sources_line = 0;
  std::vector<AddressDraft> addresses;
  bool way_given = false;
  int headers_line = 0;
  int headers_to_line = 0;
  int number_form_line = 0;
};

struct RouteDraft {
  int line = 0;
  std::string from;  // empty or "any"
  std::string to;
  int from_line = 0;
  int to_line = 0;
  int mode_line = 0;
  Route route;
};

struct DocumentDraft {
  Config config;      // the plain values
  int shed_line = 0;  // of the last key that is about it; 0: none given
  std::vector<ListenerDraft> listeners;
  RelayDraft relay;
  std::vector<TrunkDraft> trunks;
  std::vector<RouteDraft> routes;
};

// The table of a trunk (config_trunk_keys.cc) is as long as all the others together.
std::span<const Field<AddressDraft>> AddressKeys();
std::span<const Field<TrunkDraft>> TrunkKeys();
// config_destination_keys.cc
std::span<const Field<DestinationDraft>> DestinationKeys();
std::span<const Field<LoginDraft>> LoginKeys();
std::span<const Field<LoginDraft>> UserKeys();
// "host:port", or a whole URI as platforms print it: "sip:user@host:port;transport=tls".
void ReadPlace(Reader& reader, const YAML::Node& node, DestinationDraft* draft);

template <typename Value, typename Target>
void Assign(std::optional<Value> value, Target* target) {
  if (value.has_value()) *target = *std::move(value);
}

inline void ReadTransport(Reader& reader, const YAML::Node& node, Transport* transport) {
  if (const auto choice = reader.Choice(node, {"udp", "tcp", "tls"})) {
    *transport = static_cast<Transport>(*choice);
  }
}

// Of "host:port"; a bare IPv6 address has colons of its own.
inline bool HasPort(const YAML::Node& node) {
  return node.IsScalar() && node.Scalar().find(':') != std::string::npos &&
         !sdp::ParseIpAddress(node.Scalar()).has_value();
}

void ReadDocument(Reader& reader, const YAML::Node& node, DocumentDraft* document);

}  // namespace sipctl::trunk
