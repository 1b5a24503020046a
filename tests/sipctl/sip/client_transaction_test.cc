// The figures of RFC 3261 section 17.1 and RFC 6026 section 7.2 as rows, and the rule that what
// stands in no row changes nothing.
#include "sipctl/sip/client_transaction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sipctl::sip {
namespace {

using S = ClientState;
using E = ClientEvent;
using Do = ClientAction;

struct Row {
  const char* where;
  S state;
  E event;
  S next;
  int actions;
};

const std::vector<Row> kInvite = {
    {"fig 5: 1xx, 1xx to TU", S::kCalling, E::kProvisional, S::kProceeding,
     Do::kPass | Do::kStopTimers},
    {"6026: 2xx to TU", S::kCalling, E::kSuccess, S::kAccepted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 5: 300-699, ACK sent, resp. to TU", S::kCalling, E::kFailure, S::kCompleted,
     Do::kPass | Do::kAcknowledge | Do::kStopTimers | Do::kStartLinger},
    {"fig 5: Timer A fires, INVITE sent", S::kCalling, E::kRepeat, S::kCalling, Do::kRetransmit},
    {"fig 5: Timer B fires, inform TU", S::kCalling, E::kTimeout, S::kTerminated,
     Do::kReportTimeout | Do::kStopTimers},
    {"fig 5: transport err., inform TU", S::kCalling, E::kTransportError, S::kTerminated,
     Do::kReportTransport | Do::kStopTimers},
    {"fig 5: 1xx to TU", S::kProceeding, E::kProvisional, S::kProceeding, Do::kPass},
    {"6026: 2xx to TU", S::kProceeding, E::kSuccess, S::kAccepted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 5: 300-699, ACK sent, resp. to TU", S::kProceeding, E::kFailure, S::kCompleted,
     Do::kPass | Do::kAcknowledge | Do::kStopTimers | Do::kStartLinger},
    {"9.1: 64*T1 after CANCEL", S::kProceeding, E::kTimeout, S::kTerminated,
     Do::kReportTimeout | Do::kStopTimers},
    {"6026: 2xx to TU", S::kAccepted, E::kSuccess, S::kAccepted, Do::kPass},
    {"6026: Timer M fires", S::kAccepted, E::kLingered, S::kTerminated, 0},
    {"fig 5: 300-699, ACK sent", S::kCompleted, E::kFailure, S::kCompleted, Do::kAcknowledge},
    // The figure informs the TU, which has had its final answer already.
    {"fig 5: transport err.", S::kCompleted, E::kTransportError, S::kTerminated, Do::kStopTimers},
    {"fig 5: Timer D fires", S::kCompleted, E::kLingered, S::kTerminated, 0},
};

const std::vector<Row> kNonInvite = {
    {"fig 6: 1xx, resp. to TU", S::kCalling, E::kProvisional, S::kProceeding, Do::kPass},
    {"fig 6: 200-699, resp. to TU", S::kCalling, E::kSuccess, S::kCompleted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 6: 200-699, resp. to TU", S::kCalling, E::kFailure, S::kCompleted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 6: Timer E fires, send request", S::kCalling, E::kRepeat, S::kCalling, Do::kRetransmit},
    {"fig 6: Timer F, inform TU", S::kCalling, E::kTimeout, S::kTerminated,
     Do::kReportTimeout | Do::kStopTimers},
    {"fig 6: transport err., inform TU", S::kCalling, E::kTransportError, S::kTerminated,
     Do::kReportTransport | Do::kStopTimers},
    {"fig 6: 1xx, resp. to TU", S::kProceeding, E::kProvisional, S::kProceeding, Do::kPass},
    {"fig 6: 200-699, resp. to TU", S::kProceeding, E::kSuccess, S::kCompleted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 6: 200-699, resp. to TU", S::kProceeding, E::kFailure, S::kCompleted,
     Do::kPass | Do::kStopTimers | Do::kStartLinger},
    {"fig 6: Timer E fires, send request", S::kProceeding, E::kRepeat, S::kProceeding,
     Do::kRetransmit},
    {"fig 6: Timer F, inform TU", S::kProceeding, E::kTimeout, S::kTerminated,
     Do::kReportTimeout | Do::kStopTimers},
    {"fig 6: transport err., inform TU", S::kProceeding, E::kTransportError, S::kTerminated,
     Do::kReportTransport | Do::kStopTimers},
    {"fig 6: Timer K fires", S::kCompleted, E::kLingered, S::kTerminated, 0},
};

void CheckAll(ClientStep (*step)(S, E), const std::vector<Row>& rows) {
  for (int s = 0; s < kClientStates; ++s) {
    for (int e = 0; e < kClientEvents; ++e) {
      const S state = static_cast<S>(s);
      const E event = static_cast<E>(e);
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) {
        return r.state == state && r.event == event;
      });
      const bool listed = row != rows.end();
      const ClientStep expected =
          listed ? ClientStep{row->next, static_cast<uint8_t>(row->actions)} : ClientStep{state, 0};
      EXPECT_EQ(step(state, event), expected)
          << Name(state) << ", " << Name(event) << ": " << (listed ? row->where : "in no figure");
    }
  }
}

TEST(ClientTransactionTest, InviteFollowsTheFigure) {
  CheckAll(StepInviteClient, kInvite);
}

TEST(ClientTransactionTest, NonInviteFollowsTheFigure) {
  CheckAll(StepNonInviteClient, kNonInvite);
}

// RFC 3261 section 17.1.1.2: 500, 1000, 2000, ... until Timer B ends it.
TEST(ClientTransactionTest, TimerADoublesWithoutEnd) {
  const TimerValues values;
  std::vector<TimeMs> waits;
  for (TimeMs wait = 0; waits.size() < 7;) {
    wait = ClientRepeatInterval(true, S::kCalling, wait, values);
    waits.push_back(wait);
  }
  EXPECT_EQ(waits, (std::vector<TimeMs>{500, 1000, 2000, 4000, 8000, 16000, 32000}));
}

// Section 17.1.2.2: 500, 1 s, 2 s, 4 s, 4 s ...; T2 at once in Proceeding.
TEST(ClientTransactionTest, TimerEIsCappedByT2) {
  const TimerValues values;
  std::vector<TimeMs> waits;
  for (TimeMs wait = 0; waits.size() < 5;) {
    wait = ClientRepeatInterval(false, S::kCalling, wait, values);
    waits.push_back(wait);
  }
  EXPECT_EQ(waits, (std::vector<TimeMs>{500, 1000, 2000, 4000, 4000}));
  EXPECT_EQ(ClientRepeatInterval(false, S::kProceeding, 500, values), 4000);
}

TEST(ClientTransactionTest, LingersByTable4) {
  const TimerValues values;
  struct {
    bool invite;
    S state;
    bool reliable;
    TimeMs wait;
  } const rows[] = {
      {true, S::kAccepted, false, 32000},  {true, S::kAccepted, true, 32000},  // M
      {true, S::kCompleted, false, 32000}, {true, S::kCompleted, true, 0},     // D
      {false, S::kCompleted, false, 5000}, {false, S::kCompleted, true, 0},    // K
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ClientLinger(row.invite, row.state, row.reliable, values), row.wait);
  }
}

}  // namespace
}  // namespace sipctl::sip
