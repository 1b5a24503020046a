#include "relay/port/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace relay::port {
namespace {

// A dump comes in pieces of at most this size.
constexpr size_t kPieceMax = 32768;
constexpr int kReceiveBufferBytes = 1 << 20;  // for bursts of news: a thousand routes at once
// The kernel answers within the system call that asks: what has not come by then was lost.
constexpr timeval kAnswerWithin{.tv_sec = 1, .tv_usec = 0};

int ReadOne(const nlmsghdr* message, void* reader) {
  const auto& read = *static_cast<const NetlinkReader*>(reader);
  if (read) read(*message);
  return MNL_CB_OK;
}

// An answer, as far as it has come.
struct Answer {
  bool ended = false;
  bool interrupted = false;  // what it lists was changed meanwhile, and something may be missing
  int error = 0;             // the kernel's

  // One datagram. Messages of an earlier question, whose answer nobody took, are passed over.
  void Take(std::span<const uint8_t> piece, uint32_t sequence, const NetlinkReader& read) {
    auto left = static_cast<int>(piece.size());
    for (auto* message = reinterpret_cast<const nlmsghdr*>(piece.data());
         !ended && mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence) continue;
      interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      ended = message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
      if (!ended && read) read(*message);
      // Both begin with zero, or an errno below it.
      int32_t code = 0;
      if (ended && mnl_nlmsg_get_payload_len(message) >= sizeof(code)) {
        std::memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
      }
      error = code < 0 ? -code : 0;
    }
  }
};

// The socket is of no use any more: an answer was lost, or does not come.
absl::Status Broken(const char* what) {
  return absl::DataLossError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Among the attributes from `attribute` up to `end`.
const nlattr* Find(const nlattr* attribute, const uint8_t* end, uint16_t type) {
  while (
      mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const uint8_t*>(attribute)))) {
    if (mnl_attr_get_type(attribute) == type) return attribute;
    attribute = mnl_attr_next(attribute);
  }
  return nullptr;
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags) {
  mnl_nlmsg_put_header(bytes_);
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

void NetlinkMessage::Put(uint16_t type, uint32_t value) {
  mnl_attr_put_u32(header(), type, value);
}

void NetlinkMessage::Put(uint16_t type, std::string_view text) {
  mnl_attr_put_strz(header(), type, std::string(text).c_str());
}

void NetlinkMessage::Put(uint16_t type, const abi::Address& address) {
  if (address.IsIpv4()) {
    mnl_attr_put(header(), type, 4, address.bytes.data() + 12);
  } else {
    mnl_attr_put(header(), type, 16, address.bytes.data());
  }
}

absl::StatusOr<Netlink> Netlink::Open(std::span<const int> groups) {
  mnl_socket* socket =
      mnl_socket_open2(NETLINK_ROUTE, groups.empty() ? SOCK_CLOEXEC : SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) return absl::ErrnoToStatus(errno, "netlink socket");
  Netlink netlink(socket);
  // Past net.core.rmem_max where that is allowed.
  for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE}) {
    setsockopt(netlink.descriptor(), SOL_SOCKET, option, &kReceiveBufferBytes,
               sizeof(kReceiveBufferBytes));
  }
  setsockopt(netlink.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerWithin, sizeof(kAnswerWithin));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
    return absl::ErrnoToStatus(errno, "netlink bind");
  }
  for (int group : groups) {
    if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
      return absl::ErrnoToStatus(errno, "netlink group");
    }
  }
  return netlink;
}

absl::Status Netlink::Ask(NetlinkMessage& message, const NetlinkReader& read) {
  const bool dump = (message.header()->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!dump) message.header()->nlmsg_flags |= NLM_F_ACK;  // so that every question has an end
  absl::Status status = AskOnce(message, read);
  // A new socket has nothing left of an answer that came in part.
  if (!absl::IsDataLoss(status)) return status;
  if (absl::Status opened = Reopen(); !opened.ok()) return opened;
  if (dump) return absl::AbortedError(status.message());  // `read` had some of it
  status = AskOnce(message, read);
  if (absl::IsDataLoss(status)) Reopen().IgnoreError();
  return status;
}

absl::Status Netlink::AskOnce(NetlinkMessage& message, const NetlinkReader& read) {
  message.header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), message.header(), message.header()->nlmsg_len) < 0) {
    return Broken("netlink send");
  }
  std::array<uint8_t, kPieceMax> piece;
  Answer answer;
  while (!answer.ended) {
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), piece.data(), piece.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Broken("netlink receive");
    answer.Take({piece.data(), static_cast<size_t>(length)}, sequence_, read);
  }
  if (answer.error != 0) return absl::ErrnoToStatus(answer.error, "netlink");
  if (answer.interrupted) return absl::AbortedError("netlink: changed while it was told");
  return absl::OkStatus();
}

absl::Status Netlink::Reopen() {
  absl::StatusOr<Netlink> fresh = Open({});
  if (!fresh.ok()) return fresh.status();
  socket_ = std::move(fresh->socket_);
  return absl::OkStatus();
}

bool Netlink::Hear(const NetlinkReader& read) {
  std::array<uint8_t, kPieceMax> piece;
  auto* reader = const_cast<NetlinkReader*>(&read);
  bool whole = true;
  while (true) {
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), piece.data(), piece.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
      whole = false;
      continue;
    }
    if (length < 0) return whole;
    mnl_cb_run(piece.data(), static_cast<size_t>(length), 0, 0, ReadOne, reader);
  }
}

const nlattr* FindAttribute(const nlmsghdr& message, size_t header_length, uint16_t type) {
  const auto* first =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, MNL_ALIGN(header_length)));
  return Find(first, static_cast<const uint8_t*>(mnl_nlmsg_get_payload_tail(&message)), type);
}

const nlattr* FindAttribute(const nlattr& nest, uint16_t type) {
  const auto* first = static_cast<const nlattr*>(mnl_attr_get_payload(&nest));
  return Find(first, reinterpret_cast<const uint8_t*>(first) + mnl_attr_get_payload_len(&nest),
              type);
}

abi::Address AddressOf(const nlattr& attribute) {
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(&attribute));
  if (mnl_attr_get_payload_len(&attribute) == 4) {
    return abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  abi::Address address{};
  if (mnl_attr_get_payload_len(&attribute) == 16) std::memcpy(address.bytes.data(), bytes, 16);
  return address;
}

uint8_t FamilyOf(const abi::Address& address) {
  return address.IsIpv4() ? AF_INET : AF_INET6;
}

}  // namespace relay::port
