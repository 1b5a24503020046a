// What the transaction layer needs from below (RFC 3261 section 18): send these bytes there, tell
// me what arrived and what broke. `SocketTransport` does it with epoll; the simulation of the tests
// does it with a virtual network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "relay/abi/endpoint.h"
#include "sipctl/clock.h"
#include "sipctl/sip/message.h"

namespace sipctl::sip {

enum class Protocol : uint8_t { kUdp, kTcp, kTls };
constexpr bool IsReliable(Protocol protocol) {
  return protocol != Protocol::kUdp;
}
// "UDP": as in Via.
constexpr std::string_view ProtocolName(Protocol protocol) {
  constexpr std::string_view kNames[] = {"UDP", "TCP", "TLS"};
  return kNames[static_cast<size_t>(protocol)];
}

struct SocketAddress {
  relay::abi::Address address{};
  uint16_t port = 0;
  bool operator==(const SocketAddress&) const = default;
};
std::string ToString(const SocketAddress& address);
absl::StatusOr<SocketAddress> ParseSocketAddress(
    std::string_view text);  // 1.2.3.4:5060, [::1]:5060

std::string AddressText(const relay::abi::Address& address);             // IPv6 without brackets
std::optional<relay::abi::Address> ParseAddress(std::string_view text);  // brackets allowed

// What the receiver of a request writes into its topmost Via: `received` where the sent-by is a
// name or another address (RFC 3261 section 18.2.1), and both where `rport` was asked for
// (RFC 3581 section 4).
void FillReceived(const SocketAddress& source, Via* top);

// The road a message came by, or is to take. Responses and in-dialog requests prefer the
// `connection`; when that is gone, a new one to `remote` is opened from the same listener.
struct Flow {
  Protocol protocol = Protocol::kUdp;
  uint16_t listener = 0;    // index of the listener whose advertised address goes into Via, Contact
  uint64_t connection = 0;  // 0 = none yet, or UDP
  SocketAddress remote;
  // Who is to be at the other end: over TLS, whose name is verified and which certificate of ours
  // is shown. 1 + an index of the transport's peers; 0 = not known.
  uint16_t peer = 0;
  bool operator==(const Flow&) const = default;
};

// Where one of our listeners says that it can be reached.
struct Advertised {
  Protocol protocol = Protocol::kUdp;
  std::string host;  // address or name, IPv6 without brackets
  uint16_t port = 0;
};

// Where the response to a request goes that came by `flow` (RFC 3261 section 18.2.2, RFC 3581): by
// the connection it came; without one, to the source address and the port of Via's rport, else of
// its sent-by. After FillReceived.
Flow ResponseFlow(const Message& request, const Flow& flow);

// What stood before a message that is handed up: how far the process is behind its peers.
struct Backlog {
  // How long the message has waited to be read, as far as that is known; never less than it has
  // by more than a long turn of the loop, and 0 where nothing tells.
  TimeMs age = 0;
  uint8_t full_percent = 0;  // of the socket's receive buffer; of datagrams alone
  bool operator==(const Backlog&) const = default;
};

class TransportUser {
 public:
  virtual ~TransportUser() = default;
  // A well-formed message from a permitted source. Via's `received` and `rport` are filled in
  // already (RFC 3581 section 4).
  virtual void OnMessage(Message message, const Flow& flow) = 0;
  // What was sent on this flow may not have arrived: connection refused, reset or timed out.
  // Called later than the Send that caused it, never from inside.
  virtual void OnFlowBroken(const Flow& flow, const absl::Status& why) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Queues `bytes`; opens a connection if the flow needs one. Returns the flow really used (its
  // `connection` filled in). An error means that nothing was or will be sent.
  virtual absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) = 0;

  // Whether there is still a way along this flow: always for datagrams, and where a connection can
  // be opened again.
  virtual bool IsOpen(const Flow& /*flow*/) const { return true; }

  virtual const Advertised& advertised(uint16_t listener) const = 0;

  // Of the message that OnMessage brings, while it brings it.
  virtual Backlog backlog() const { return {}; }
};

}  // namespace sipctl::sip
