// Who may speak to us at all: asked before a byte is parsed (trap T-35).
#pragma once

#include <cstdint>
#include <functional>

#include "sipctl/sip/transport.h"

namespace sipctl::sip {

// True if `source` may speak to that listener. Who may not gets no answer: a datagram is dropped,
// a connection reset, both unread. The kernel has kept most of them away before (packet_filter.h);
// this is the word that counts.
using AccessCheck = std::function<bool(const SocketAddress& source, uint16_t listener)>;

}  // namespace sipctl::sip
