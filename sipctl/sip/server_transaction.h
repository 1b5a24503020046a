// The two server machines (RFC 3261 sections 17.2.1 and 17.2.2, with the Accepted state of RFC
// 6026) as pure functions: (state, event) to (state, actions). What does not appear in the RFC's
// figures changes nothing and does nothing.
//
//   INVITE:      Proceeding -> Accepted -> Acknowledged -> Terminated
//                           -> Completed -> Confirmed -> Terminated
//   non-INVITE:  Trying -> Proceeding -> Completed -> Terminated
//
// RFC 6026 leaves the repetition of a 2xx and the absorbing of its further ACKs to the TU
// (13.3.1.4). Here the machine does both, hence its Accepted in two: before and after the ACK.
#pragma once

#include <cstdint>
#include <string_view>

#include "sipctl/clock.h"
#include "sipctl/sip/client_transaction.h"

namespace sipctl::sip {

enum class ServerState : uint8_t {
  kTrying,
  kProceeding,
  kAccepted,
  kAcknowledged,
  kCompleted,
  kConfirmed,
  kTerminated,
};
inline constexpr int kServerStates = 7;

enum class ServerEvent : uint8_t {
  kRequest,         // the request again
  kAck,             // of a failure, or of the 2xx
  kProvisional,     // 1xx from the TU
  kPassing,         // the same, but none that this machine repeats: 100, or a reliable one
  kSuccess,         // 2xx from the TU
  kFailure,         // 300-699 from the TU
  kRepeat,          // Timer G, and its like for a 2xx and for a provisional
  kTimeout,         // Timer H, L
  kLingered,        // Timer I, J
  kTransportError,  // and no other way is left to try
};
inline constexpr int kServerEvents = 10;

struct ServerAction {
  enum : uint16_t {
    kSend = 1 << 0,             // keep and send this response
    kResend = 1 << 1,           // the kept response, if there is one
    kPassAck = 1 << 2,          // the ACK goes to the TU
    kStartRepeat = 1 << 3,      // anew, by ServerRepeatInterval, if ServerRepeats
    kStopRepeat = 1 << 4,       //
    kStartTimeout = 1 << 5,     // Timer H, L: 64*T1
    kStartLinger = 1 << 6,      // Timer I, J by ServerLinger, instead of Timer H
    kForgetResponse = 1 << 7,   // its bytes are not needed any more
    kReportNoAck = 1 << 8,      // to the TU
    kReportTransport = 1 << 9,  // to the TU
    kCountNoAck = 1 << 10,      // a failure without ACK concerns nobody but the statistics
  };
};

struct ServerStep {
  ServerState next = ServerState::kTerminated;
  uint16_t actions = 0;
  bool operator==(const ServerStep&) const = default;
};

ServerStep StepInviteServer(ServerState state, ServerEvent event);
ServerStep StepNonInviteServer(ServerState state, ServerEvent event);

// How long until the kept response is sent again, when the last wait in this state was `previous`
// (0: none yet): a minute for a provisional (RFC 3261 section 13.3.1.1, so that no proxy on the way
// gives up what rings), for a final one T1, doubling up to T2.
TimeMs ServerRepeatInterval(ServerState state, TimeMs previous, const TimerValues& values);

// Whether the response of `state` repeats by itself: a provisional and a 2xx always, a failure on
// UDP. Of the INVITE machine.
bool ServerRepeats(ServerState state, bool reliable);

// Timer I in Confirmed (T4), J in Completed (64*T1); zero on reliable transports.
TimeMs ServerLinger(ServerState state, bool reliable, const TimerValues& values);

std::string_view Name(ServerState state);
std::string_view Name(ServerEvent event);

}  // namespace sipctl::sip
