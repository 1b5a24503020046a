// The figures of RFC 3261 section 17.2 and RFC 6026 section 7.1 as rows, and the rule that what
// stands in no row changes nothing.
#include "sipctl/sip/server_transaction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sipctl::sip {
namespace {

using S = ServerState;
using E = ServerEvent;
using Do = ServerAction;

struct Row {
  const char* where;
  S state;
  E event;
  S next;
  int actions;
};

const std::vector<Row> kInvite = {
    {"fig 7: INVITE, send response", S::kProceeding, E::kRequest, S::kProceeding, Do::kResend},
    {"13.3.1.1: a minute, send again", S::kProceeding, E::kRepeat, S::kProceeding,
     Do::kResend | Do::kStartRepeat},
    {"fig 7: 101-199 from TU, send; 13.3.1.1", S::kProceeding, E::kProvisional, S::kProceeding,
     Do::kSend | Do::kStartRepeat},
    {"fig 7: 100 from TU, send; 3262: repeated by the TU", S::kProceeding, E::kPassing,
     S::kProceeding, Do::kSend | Do::kStopRepeat},
    {"6026: 2xx from TU, send; 13.3.1.4: repeat", S::kProceeding, E::kSuccess, S::kAccepted,
     Do::kSend | Do::kStartRepeat | Do::kStartTimeout},
    {"fig 7: 300-699 from TU, send", S::kProceeding, E::kFailure, S::kCompleted,
     Do::kSend | Do::kStartRepeat | Do::kStartTimeout},
    {"6026: transport error, inform TU", S::kProceeding, E::kTransportError, S::kProceeding,
     Do::kReportTransport},
    {"6026: ACK to TU", S::kAccepted, E::kAck, S::kAcknowledged,
     Do::kPassAck | Do::kStopRepeat | Do::kForgetResponse},
    {"6026: 2xx from TU, send", S::kAccepted, E::kSuccess, S::kAccepted, Do::kSend},
    {"13.3.1.4: repeat the 2xx", S::kAccepted, E::kRepeat, S::kAccepted,
     Do::kResend | Do::kStartRepeat},
    {"6026: Timer L; 13.3.1.4: no ACK in 64*T1", S::kAccepted, E::kTimeout, S::kTerminated,
     Do::kReportNoAck | Do::kStopRepeat},
    {"6026: transport error, inform TU", S::kAccepted, E::kTransportError, S::kAccepted,
     Do::kReportTransport},
    {"6026: Timer L", S::kAcknowledged, E::kTimeout, S::kTerminated, 0},
    {"fig 7: INVITE, send response", S::kCompleted, E::kRequest, S::kCompleted, Do::kResend},
    {"fig 7: ACK", S::kCompleted, E::kAck, S::kConfirmed,
     Do::kStopRepeat | Do::kStartLinger | Do::kForgetResponse},
    {"fig 7: Timer G fires, send response", S::kCompleted, E::kRepeat, S::kCompleted,
     Do::kResend | Do::kStartRepeat},
    {"6026: Timer H fires, -", S::kCompleted, E::kTimeout, S::kTerminated,
     Do::kStopRepeat | Do::kCountNoAck},
    {"6026: transport error, inform TU", S::kCompleted, E::kTransportError, S::kCompleted,
     Do::kReportTransport},
    {"fig 7: Timer I fires", S::kConfirmed, E::kLingered, S::kTerminated, 0},
};

const std::vector<Row> kNonInvite = {
    {"fig 8: 1xx from TU, send", S::kTrying, E::kProvisional, S::kProceeding, Do::kSend},
    {"fig 8: 1xx from TU, send", S::kTrying, E::kPassing, S::kProceeding, Do::kSend},
    {"fig 8: 200-699 from TU, send", S::kTrying, E::kSuccess, S::kCompleted,
     Do::kSend | Do::kStartLinger},
    {"fig 8: 200-699 from TU, send", S::kTrying, E::kFailure, S::kCompleted,
     Do::kSend | Do::kStartLinger},
    {"fig 8: request, send response", S::kProceeding, E::kRequest, S::kProceeding, Do::kResend},
    {"fig 8: 1xx from TU, send", S::kProceeding, E::kProvisional, S::kProceeding, Do::kSend},
    {"fig 8: 1xx from TU, send", S::kProceeding, E::kPassing, S::kProceeding, Do::kSend},
    {"fig 8: 200-699 from TU, send", S::kProceeding, E::kSuccess, S::kCompleted,
     Do::kSend | Do::kStartLinger},
    {"fig 8: 200-699 from TU, send", S::kProceeding, E::kFailure, S::kCompleted,
     Do::kSend | Do::kStartLinger},
    {"fig 8: transport err., inform TU", S::kProceeding, E::kTransportError, S::kTerminated,
     Do::kReportTransport},
    {"fig 8: request, send response", S::kCompleted, E::kRequest, S::kCompleted, Do::kResend},
    {"fig 8: Timer J fires", S::kCompleted, E::kLingered, S::kTerminated, 0},
    {"fig 8: transport err., inform TU", S::kCompleted, E::kTransportError, S::kTerminated,
     Do::kReportTransport},
};

void CheckAll(ServerStep (*step)(S, E), const std::vector<Row>& rows) {
  for (int s = 0; s < kServerStates; ++s) {
    for (int e = 0; e < kServerEvents; ++e) {
      const S state = static_cast<S>(s);
      const E event = static_cast<E>(e);
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) {
        return r.state == state && r.event == event;
      });
      const bool listed = row != rows.end();
      const ServerStep expected = listed
                                      ? ServerStep{row->next, static_cast<uint16_t>(row->actions)}
                                      : ServerStep{state, 0};
      EXPECT_EQ(step(state, event), expected)
          << Name(state) << ", " << Name(event) << ": " << (listed ? row->where : "in no figure");
    }
  }
}

TEST(ServerTransactionTest, InviteFollowsTheFigure) {
  CheckAll(StepInviteServer, kInvite);
}

TEST(ServerTransactionTest, NonInviteFollowsTheFigure) {
  CheckAll(StepNonInviteServer, kNonInvite);
}

// RFC 3261 section 17.2.1: 500, 1 s, 2 s, 4 s, 4 s.
TEST(ServerTransactionTest, TimerGIsCappedByT2) {
  const TimerValues values;
  std::vector<TimeMs> waits;
  for (TimeMs wait = 0; waits.size() < 5;) {
    wait = ServerRepeatInterval(S::kCompleted, wait, values);
    waits.push_back(wait);
  }
  EXPECT_EQ(waits, (std::vector<TimeMs>{500, 1000, 2000, 4000, 4000}));
}

// RFC 3261 section 13.3.1.1.
TEST(ServerTransactionTest, WhatRingsSaysSoEachMinute) {
  EXPECT_EQ(ServerRepeatInterval(S::kProceeding, 0, {}), 60 * kSecondMs);
  EXPECT_EQ(ServerRepeatInterval(S::kProceeding, 60 * kSecondMs, {}), 60 * kSecondMs);
  EXPECT_TRUE(ServerRepeats(S::kProceeding, true));
  EXPECT_TRUE(ServerRepeats(S::kProceeding, false));
}

TEST(ServerTransactionTest, ASuccessRepeatsOnEachTransportAFailureOnUdpAlone) {
  EXPECT_TRUE(ServerRepeats(S::kAccepted, true));
  EXPECT_TRUE(ServerRepeats(S::kAccepted, false));
  EXPECT_FALSE(ServerRepeats(S::kCompleted, true));
  EXPECT_TRUE(ServerRepeats(S::kCompleted, false));
  EXPECT_FALSE(ServerRepeats(S::kConfirmed, false));
}

TEST(ServerTransactionTest, LingersByTable4) {
  const TimerValues values;
  EXPECT_EQ(ServerLinger(S::kConfirmed, false, values), 5000);  // I
  EXPECT_EQ(ServerLinger(S::kConfirmed, true, values), 0);
  EXPECT_EQ(ServerLinger(S::kCompleted, false, values), 32000);  // J
  EXPECT_EQ(ServerLinger(S::kCompleted, true, values), 0);
}

}  // namespace
}  // namespace sipctl::sip
