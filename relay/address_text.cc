#include "relay/address_text.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay {

std::string AddressText(const abi::Address& address) {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = address.IsIpv4();
  inet_ntop(v4 ? AF_INET : AF_INET6, address.bytes.data() + (v4 ? 12 : 0), text, sizeof text);
  return text;
}

std::string ListenText(const abi::LocalAddress& address) {
  const std::string host = AddressText(address.address);
  const std::string name(address.interface_name,
                         strnlen(address.interface_name, sizeof address.interface_name));
  return absl::StrCat(address.address.IsIpv4() ? host : absl::StrCat("[", host, "]"),
                      name.empty() ? "" : absl::StrCat("@", name), ":", address.port_first, "-",
                      address.port_last);
}

}  // namespace relay
