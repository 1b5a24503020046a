#include "sipctl/sip/server_transaction.h"

#include <algorithm>

namespace sipctl::sip {
namespace {

using State = ServerState;
using Event = ServerEvent;
using Do = ServerAction;

constexpr TimeMs kProgressMs = 60 * kSecondMs;

constexpr ServerStep Stay(State state, uint16_t actions = 0) {
  return {state, actions};
}

ServerStep StepAccepted(Event event) {
  switch (event) {
    case Event::kAck:
      return {State::kAcknowledged, Do::kPassAck | Do::kStopRepeat | Do::kForgetResponse};
    case Event::kSuccess:
      return Stay(State::kAccepted, Do::kSend);
    case Event::kRepeat:
      return Stay(State::kAccepted, Do::kResend | Do::kStartRepeat);
    case Event::kTimeout:
      return {State::kTerminated, Do::kReportNoAck | Do::kStopRepeat};
    case Event::kTransportError:
      return Stay(State::kAccepted, Do::kReportTransport);
    default:
      return Stay(State::kAccepted);
  }
}

ServerStep StepCompletedInvite(Event event) {
  switch (event) {
    case Event::kRequest:
      return Stay(State::kCompleted, Do::kResend);
    case Event::kAck:
      return {State::kConfirmed, Do::kStopRepeat | Do::kStartLinger | Do::kForgetResponse};
    case Event::kRepeat:
      return Stay(State::kCompleted, Do::kResend | Do::kStartRepeat);
    case Event::kTimeout:
      return {State::kTerminated, Do::kStopRepeat | Do::kCountNoAck};
    case Event::kTransportError:
      return Stay(State::kCompleted, Do::kReportTransport);
    default:
      return Stay(State::kCompleted);
  }
}

}  // namespace

ServerStep StepInviteServer(State state, Event event) {
  switch (state) {
    case State::kProceeding:
      switch (event) {
        case Event::kRequest:
          return Stay(state, Do::kResend);
        case Event::kProvisional:
          return Stay(state, Do::kSend | Do::kStartRepeat);
        case Event::kPassing:
          return Stay(state, Do::kSend | Do::kStopRepeat);
        case Event::kRepeat:
          return Stay(state, Do::kResend | Do::kStartRepeat);
        case Event::kSuccess:
          return {State::kAccepted, Do::kSend | Do::kStartRepeat | Do::kStartTimeout};
        case Event::kFailure:
          return {State::kCompleted, Do::kSend | Do::kStartRepeat | Do::kStartTimeout};
        case Event::kTransportError:
          return Stay(state, Do::kReportTransport);
        default:
          return Stay(state);
      }
    case State::kAccepted:
      return StepAccepted(event);
    case State::kAcknowledged:
      return event == Event::kTimeout ? ServerStep{State::kTerminated, 0} : Stay(state);
    case State::kCompleted:
      return StepCompletedInvite(event);
    case State::kConfirmed:
      return event == Event::kLingered ? ServerStep{State::kTerminated, 0} : Stay(state);
    case State::kTrying:  // the other machine's
      return Stay(state);
    case State::kTerminated:
      break;
  }
  return Stay(State::kTerminated);
}

ServerStep StepNonInviteServer(State state, Event event) {
  switch (state) {
    case State::kTrying:
    case State::kProceeding:
      switch (event) {
        case Event::kRequest:
          return Stay(state, state == State::kProceeding ? Do::kResend : 0);
        case Event::kProvisional:
        case Event::kPassing:
          return {State::kProceeding, Do::kSend};
        case Event::kSuccess:
        case Event::kFailure:
          return {State::kCompleted, Do::kSend | Do::kStartLinger};
        case Event::kTransportError:
          // In Trying nothing was sent that could fail.
          if (state == State::kTrying) return Stay(state);
          return {State::kTerminated, Do::kReportTransport};
        default:
          return Stay(state);
      }
    case State::kCompleted:
      switch (event) {
        case Event::kRequest:
          return Stay(state, Do::kResend);
        case Event::kLingered:
          return {State::kTerminated, 0};
        case Event::kTransportError:
          return {State::kTerminated, Do::kReportTransport};
        default:
          return Stay(state);
      }
    case State::kAccepted:
    case State::kAcknowledged:
    case State::kConfirmed:  // the other machine's
      return Stay(state);
    case State::kTerminated:
      break;
  }
  return Stay(State::kTerminated);
}

TimeMs ServerRepeatInterval(ServerState state, TimeMs previous, const TimerValues& values) {
  if (state == State::kProceeding) return kProgressMs;
  return previous == 0 ? values.t1 : std::min(2 * previous, values.t2);
}

bool ServerRepeats(ServerState state, bool reliable) {
  return state == State::kProceeding || state == State::kAccepted ||
         (state == State::kCompleted && !reliable);
}

TimeMs ServerLinger(ServerState state, bool reliable, const TimerValues& values) {
  if (reliable) return 0;
  return state == State::kConfirmed ? values.t4 : values.timeout();
}

std::string_view Name(ServerState state) {
  switch (state) {
    case State::kTrying:
      return "Trying";
    case State::kProceeding:
      return "Proceeding";
    case State::kAccepted:
      return "Accepted";
    case State::kAcknowledged:
      return "Acknowledged";
    case State::kCompleted:
      return "Completed";
    case State::kConfirmed:
      return "Confirmed";
    case State::kTerminated:
      return "Terminated";
  }
  return "?";
}

std::string_view Name(ServerEvent event) {
  switch (event) {
    case Event::kRequest:
      return "request";
    case Event::kAck:
      return "ACK";
    case Event::kProvisional:
      return "1xx from TU";
    case Event::kPassing:
      return "1xx from TU, not to be repeated";
    case Event::kSuccess:
      return "2xx from TU";
    case Event::kFailure:
      return "300-699 from TU";
    case Event::kRepeat:
      return "Timer G";
    case Event::kTimeout:
      return "Timer H/L";
    case Event::kLingered:
      return "Timer I/J";
    case Event::kTransportError:
      return "transport error";
  }
  return "?";
}

}  // namespace sipctl::sip
