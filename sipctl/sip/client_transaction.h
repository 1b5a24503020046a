// The two client machines (RFC 3261 sections 17.1.1 and 17.1.2, with the Accepted state of RFC
// 6026) as pure functions: (state, event) to (state, actions). What does not appear in the RFC's
// figures changes nothing and does nothing, whatever a hostile peer sends.
//
//   INVITE:      Calling -> Proceeding -> Accepted | Completed -> Terminated
//   non-INVITE:  Calling (the RFC's Trying) -> Proceeding -> Completed -> Terminated
#pragma once

#include <cstdint>
#include <string_view>

#include "sipctl/clock.h"

namespace sipctl::sip {

enum class ClientState : uint8_t { kCalling, kProceeding, kAccepted, kCompleted, kTerminated };
inline constexpr int kClientStates = 5;

enum class ClientEvent : uint8_t {
  kProvisional,     // 1xx
  kSuccess,         // 2xx
  kFailure,         // 300-699
  kRepeat,          // Timer A, E
  kTimeout,         // Timer B, F; in INVITE's Proceeding: 64*T1 after CANCEL (section 9.1)
  kLingered,        // Timer D, K, M
  kTransportError,  // and no other way is left to try
};
inline constexpr int kClientEvents = 7;

struct ClientAction {
  enum : uint8_t {
    kPass = 1 << 0,             // the response goes to the TU
    kRetransmit = 1 << 1,       // the request again
    kAcknowledge = 1 << 2,      // the ACK of a failure: built once, the same bytes after
    kReportTimeout = 1 << 3,    // a 408 of our own to the TU
    kReportTransport = 1 << 4,  // a 503 of our own to the TU
    kStopTimers = 1 << 5,       // no more repetition, no more timeout
    kStartLinger = 1 << 6,      // Timer D, K or M by ClientLinger
  };
};

struct ClientStep {
  ClientState next = ClientState::kTerminated;
  uint8_t actions = 0;
  bool operator==(const ClientStep&) const = default;
};

ClientStep StepInviteClient(ClientState state, ClientEvent event);
ClientStep StepNonInviteClient(ClientState state, ClientEvent event);

// T1, T2, T4 (RFC 3261 table 4).
struct TimerValues {
  TimeMs t1 = 500;
  TimeMs t2 = 4000;
  TimeMs t4 = 5000;
  TimeMs timeout() const { return 64 * t1; }  // Timers B, F, H, L, M
};

// How long until the next retransmission, when the last wait was `previous` (0: none yet). Timer A
// doubles without end; Timer E doubles up to T2, and is T2 in Proceeding. Unreliable transports
// only.
TimeMs ClientRepeatInterval(bool invite, ClientState state, TimeMs previous,
                            const TimerValues& values);

// How long a finished transaction stays to absorb what repeats: Timer M in Accepted, D or K in
// Completed, the last two zero on reliable transports.
TimeMs ClientLinger(bool invite, ClientState state, bool reliable, const TimerValues& values);

std::string_view Name(ClientState state);
std::string_view Name(ClientEvent event);

}  // namespace sipctl::sip
