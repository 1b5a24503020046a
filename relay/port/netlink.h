// Questions to the kernel's network tables and news of their changes (rtnetlink(7)), by libmnl.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/endpoint.h"

namespace relay::port {

// A message being written.
class NetlinkMessage {
 public:
  // `flags` beside NLM_F_REQUEST: NLM_F_ACK, NLM_F_DUMP, NLM_F_CREATE ...
  NetlinkMessage(uint16_t type, uint16_t flags);
  NetlinkMessage(const NetlinkMessage&) = delete;
  NetlinkMessage& operator=(const NetlinkMessage&) = delete;

  // The family's own header, zeroed; once, before all attributes.
  template <typename Header>
  Header* Extra() {
    return static_cast<Header*>(mnl_nlmsg_put_extra_header(header(), sizeof(Header)));
  }
  void Put(uint16_t type, uint32_t value);
  void Put(uint16_t type, std::string_view text);
  // 4 or 16 bytes.
  void Put(uint16_t type, const abi::Address& address);

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_); }

 private:
  alignas(nlmsghdr) uint8_t bytes_[1024] = {};
};

using NetlinkReader = std::function<void(const nlmsghdr&)>;

class Netlink {
 public:
  // Hears the named multicast groups (RTNLGRP_...); none for a socket that only asks.
  static absl::StatusOr<Netlink> Open(std::span<const int> groups);

  int descriptor() const { return mnl_socket_get_fd(socket_.get()); }

  // Waits for the kernel's answer, which it gives within the system call. `read` gets each message
  // of it. An error has the kernel's errno; ABORTED: the answer to a dump is not whole, because it
  // changed meanwhile or was lost; ask again, and forget what `read` got. After any error the next
  // question is answered as if nothing had been.
  absl::Status Ask(NetlinkMessage& message, const NetlinkReader& read = {});
  // All news there are, without waiting. False when the kernel had to throw some away.
  bool Hear(const NetlinkReader& read);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  // DATA_LOSS, as no errno is: the socket has to be opened anew.
  absl::Status AskOnce(NetlinkMessage& message, const NetlinkReader& read);
  absl::Status Reopen();

  std::unique_ptr<mnl_socket, Close> socket_;
  uint32_t sequence_ = 0;
};

// An attribute of a message whose family header has `header_length` bytes; null when absent.
const nlattr* FindAttribute(const nlmsghdr& message, size_t header_length, uint16_t type);
// The same inside another attribute.
const nlattr* FindAttribute(const nlattr& nest, uint16_t type);
// Of 4 or 16 bytes.
abi::Address AddressOf(const nlattr& attribute);

// AF_INET or AF_INET6.
uint8_t FamilyOf(const abi::Address& address);

}  // namespace relay::port
