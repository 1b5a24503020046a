// RTCP: whom it is believed from, what is taken from it, what crosses to the other side, and what
// the relay reports itself (RFC 3550 section 6).
//
// Where two legs hear each other and nobody else, and both streams pass with their identity, RTCP
// passes too, translated. In all other cases each leg ends its far party's RTCP, and the worker's
// timer makes the leg's own: reports about streams that exist on this side, and no others.
#pragma once

#include <cstdint>
#include <span>

#include "relay/clock.h"
#include "relay/session/leg.h"
#include "relay/stage/verdict.h"

namespace relay::stage {

// RFC 3550 section 6.2: never more often than this on the average.
inline constexpr TimeNs kRtcpInterval = 5 * kSecond;

// The longest RTCP the relay makes or passes on.
inline constexpr size_t kRtcpLengthMax = 1024;

// Checks a compound and its source, and takes note of it. kForwarded: believed.
// RTCP comes from the address that RTP is believed from; with mux from its port, too.
Verdict ReceiveRtcp(session::Leg& leg, const abi::Endpoint& source,
                    std::span<const uint8_t> compound, TimeNs now);

// Whether RTCP of `speaker` may be translated for `listener`: they are a plain pair (the caller
// says so) and neither stream was renamed.
bool IdentityPasses(const session::Leg& speaker, const session::Leg& listener);

// What `listener` may see of it; 0 = nothing.
size_t TranslateReport(const session::Leg& speaker, const session::Leg& listener,
                       std::span<const uint8_t> compound, std::span<uint8_t> out);

// The leg's own report; 0 = there is nothing to say yet.
size_t MakeReport(session::Leg& leg, TimeNs now, int64_t wall_offset_ns, std::span<uint8_t> out);

// Section 6.3.1, two members: half to one and a half of the interval, corrected by e - 3/2.
// `random` is uniform over 32 bits.
TimeNs NextReportAfter(uint32_t random);

// Where the leg's RTCP goes and which of our sockets it leaves by.
struct RtcpPath {
  abi::Endpoint remote;  // port 0 = not known
  abi::LocalEndpoint local;
  uint32_t handle;
};
RtcpPath RtcpPathOf(const session::Leg& leg);

}  // namespace relay::stage
