#include "tests/support/cable_end.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

namespace relay::test {

CableEnd::CableEnd(const char* device)
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(device));
  // A thousand frames of the largest size.
  const int room = 4 << 20;
  const int one = 1;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  setsockopt(socket_, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    std::abort();
}

CableEnd::~CableEnd() {
  close(socket_);
}

void CableEnd::Send(std::span<const uint8_t> frame) {
  if (send(socket_, frame.data(), frame.size(), 0) != std::ssize(frame)) std::abort();
}

std::optional<std::vector<uint8_t>> CableEnd::Receive(TimeNs deadline) {
  const TimeNs now = MonotonicNow();
  pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
  const int left = now < deadline ? static_cast<int>((deadline - now) / kMillisecond) + 1 : 0;
  if (poll(&ready, 1, left) != 1) return std::nullopt;
  std::vector<uint8_t> frame(2048);
  iovec vector{.iov_base = frame.data(), .iov_len = frame.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t length = recvmsg(socket_, &message, 0);
  if (length < 0) return std::nullopt;
  frame.resize(static_cast<size_t>(length));
  // The kernel takes a tag off and tells it beside.
  tpacket_auxdata aside{};
  if (const cmsghdr* told = CMSG_FIRSTHDR(&message)) {
    std::memcpy(&aside, CMSG_DATA(told), sizeof(aside));
  }
  if ((aside.tp_status & TP_STATUS_VLAN_VALID) != 0) {
    const uint8_t tag[] = {0x81, 0x00, static_cast<uint8_t>(aside.tp_vlan_tci >> 8),
                           static_cast<uint8_t>(aside.tp_vlan_tci)};
    frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  }
  return frame;
}

}  // namespace relay::test
