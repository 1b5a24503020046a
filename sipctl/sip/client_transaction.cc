#include "sipctl/sip/client_transaction.h"

#include <algorithm>

namespace sipctl::sip {
namespace {

using State = ClientState;
using Event = ClientEvent;
using Do = ClientAction;

constexpr ClientStep Stay(State state, uint8_t actions = 0) {
  return {state, actions};
}

}  // namespace

ClientStep StepInviteClient(State state, Event event) {
  switch (state) {
    case State::kCalling:
    case State::kProceeding:
      switch (event) {
        case Event::kProvisional:
          // Only the first one has timers to stop: a CANCEL's end (9.1) runs on through others.
          return {State::kProceeding,
                  static_cast<uint8_t>(state == State::kCalling ? Do::kPass | Do::kStopTimers
                                                                : Do::kPass)};
        case Event::kSuccess:
          return {State::kAccepted, Do::kPass | Do::kStopTimers | Do::kStartLinger};
        case Event::kFailure:
          return {State::kCompleted,
                  Do::kPass | Do::kAcknowledge | Do::kStopTimers | Do::kStartLinger};
        case Event::kTimeout:
          return {State::kTerminated, Do::kReportTimeout | Do::kStopTimers};
        case Event::kRepeat:
          return Stay(state, state == State::kCalling ? Do::kRetransmit : 0);
        case Event::kTransportError:
          // In Proceeding the peer has the request; it will open a connection for its answer.
          if (state == State::kProceeding) return Stay(state);
          return {State::kTerminated, Do::kReportTransport | Do::kStopTimers};
        case Event::kLingered:
          return Stay(state);
      }
      break;
    case State::kAccepted:
      if (event == Event::kSuccess) return Stay(state, Do::kPass);
      if (event == Event::kLingered) return {State::kTerminated, 0};
      return Stay(state);
    case State::kCompleted:
      if (event == Event::kFailure) return Stay(state, Do::kAcknowledge);
      if (event == Event::kLingered) return {State::kTerminated, 0};
      // The ACK could not be sent. The TU has had its final answer: nothing to report.
      if (event == Event::kTransportError) return {State::kTerminated, Do::kStopTimers};
      return Stay(state);
    case State::kTerminated:
      break;
  }
  return Stay(State::kTerminated);
}

ClientStep StepNonInviteClient(State state, Event event) {
  switch (state) {
    case State::kCalling:
    case State::kProceeding:
      switch (event) {
        case Event::kProvisional:
          return {State::kProceeding, Do::kPass};
        case Event::kSuccess:
        case Event::kFailure:
          return {State::kCompleted, Do::kPass | Do::kStopTimers | Do::kStartLinger};
        case Event::kRepeat:
          return Stay(state, Do::kRetransmit);
        case Event::kTimeout:
          return {State::kTerminated, Do::kReportTimeout | Do::kStopTimers};
        case Event::kTransportError:
          return {State::kTerminated, Do::kReportTransport | Do::kStopTimers};
        case Event::kLingered:
          return Stay(state);
      }
      break;
    case State::kCompleted:
      return event == Event::kLingered ? ClientStep{State::kTerminated, 0} : Stay(state);
    case State::kAccepted:  // INVITE's alone
      return Stay(state);
    case State::kTerminated:
      break;
  }
  return Stay(State::kTerminated);
}

TimeMs ClientRepeatInterval(bool invite, ClientState state, TimeMs previous,
                            const TimerValues& values) {
  if (!invite && state == ClientState::kProceeding) return values.t2;
  if (previous == 0) return values.t1;
  return invite ? 2 * previous : std::min(2 * previous, values.t2);
}

TimeMs ClientLinger(bool invite, ClientState state, bool reliable, const TimerValues& values) {
  if (state == ClientState::kAccepted) return values.timeout();
  if (reliable) return 0;
  return invite ? values.timeout() : values.t4;
}

std::string_view Name(ClientState state) {
  switch (state) {
    case State::kCalling:
      return "Calling";
    case State::kProceeding:
      return "Proceeding";
    case State::kAccepted:
      return "Accepted";
    case State::kCompleted:
      return "Completed";
    case State::kTerminated:
      return "Terminated";
  }
  return "?";
}

std::string_view Name(ClientEvent event) {
  switch (event) {
    case Event::kProvisional:
      return "1xx";
    case Event::kSuccess:
      return "2xx";
    case Event::kFailure:
      return "300-699";
    case Event::kRepeat:
      return "Timer A/E";
    case Event::kTimeout:
      return "Timer B/F";
    case Event::kLingered:
      return "Timer D/K/M";
    case Event::kTransportError:
      return "transport error";
  }
  return "?";
}

}  // namespace sipctl::sip
