#include "sipctl/sip/transport.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sipctl/sip/message_grammar.h"

namespace sipctl::sip {

std::string AddressText(const relay::abi::Address& address) {
  char text[INET6_ADDRSTRLEN];
  const bool ipv4 = address.IsIpv4();
  const void* bytes = address.bytes.data() + (ipv4 ? 12 : 0);
  inet_ntop(ipv4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return text;
}

std::optional<relay::abi::Address> ParseAddress(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  const std::string copy(text);
  if (in_addr ipv4; inet_pton(AF_INET, copy.c_str(), &ipv4) == 1) {
    uint8_t bytes[4];
    std::memcpy(bytes, &ipv4, sizeof bytes);
    return relay::abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  relay::abi::Address ipv6{};
  if (inet_pton(AF_INET6, copy.c_str(), ipv6.bytes.data()) == 1) return ipv6;
  return std::nullopt;
}

std::string ToString(const SocketAddress& address) {
  const std::string text = AddressText(address.address);
  return address.address.IsIpv4() ? absl::StrCat(text, ":", address.port)
                                  : absl::StrCat("[", text, "]:", address.port);
}

absl::StatusOr<SocketAddress> ParseSocketAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  const bool bracketed = !text.empty() && text.front() == '[';
  if (colon != std::string_view::npos && (bracketed || text.find(':') == colon)) {
    const std::string_view host = text.substr(0, colon);
    const auto port = ParseNumber(text.substr(colon + 1), 65535);
    const auto address = ParseAddress(host);
    if (port && address && (!bracketed || host.back() == ']')) {
      return SocketAddress{*address, static_cast<uint16_t>(*port)};
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", std::string(text),
                   "' is no address and port; write 192.0.2.1:5060 or [2001:db8::1]:5060"));
}

void FillReceived(const SocketAddress& source, Via* top) {
  const Parameter* rport = Find(top->parameters, "rport");
  const auto sent_by = ParseAddress(top->host);
  if (rport != nullptr || !sent_by || *sent_by != source.address) {
    Set(&top->parameters, "received", AddressText(source.address));
  }
  if (rport != nullptr) Set(&top->parameters, "rport", std::to_string(source.port));
}

Flow ResponseFlow(const Message& request, const Flow& flow) {
  const Via& via = request.via.front();
  Flow back = flow;
  const Parameter* rport = Find(via.parameters, "rport");
  const auto asked = rport == nullptr ? std::nullopt : ParseNumber(rport->value, UINT16_MAX);
  if (!IsReliable(flow.protocol) && asked && *asked > 0) {
    back.remote.port = static_cast<uint16_t>(*asked);
  } else {
    const uint16_t usual = flow.protocol == Protocol::kTls ? 5061 : 5060;
    back.remote.port = via.port != 0 ? via.port : usual;
  }
  return back;
}

}  // namespace sipctl::sip
