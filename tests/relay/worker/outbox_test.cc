// What a leg has to say, and a mailbox that has no room for it.
#include "relay/worker/outbox.h"

#include <gtest/gtest.h>

#include <vector>

namespace relay::worker {
namespace {

class OutboxTest : public testing::Test {
 protected:
  std::vector<ReportKind> Taken() {
    std::vector<ReportKind> kinds;
    Report report;
    while (reports.Take(&report)) kinds.push_back(report.kind);
    return kinds;
  }

  std::vector<session::Leg> legs{4};
  Mailbox<Report> reports{2};
  Outbox outbox{legs, &reports};
};

TEST_F(OutboxTest, SaysTheSameThingOnce) {
  outbox.Note(1, session::kReportUpdated);
  outbox.Note(1, session::kReportUpdated);
  EXPECT_EQ(outbox.Flush(0), 1u);
  EXPECT_EQ(Taken(), std::vector{ReportKind::kLegUpdated});
  EXPECT_EQ(outbox.Flush(0), 0u);
}

TEST_F(OutboxTest, WhatFindsNoRoomIsPostedLaterInOrder) {
  outbox.Note(3, session::kReportUpdated | session::kReportClosed);
  outbox.Note(0, session::kReportLearned);
  outbox.Note(2, session::kReportUpdated);
  EXPECT_EQ(outbox.Flush(0), 2u);
  EXPECT_EQ(outbox.Flush(0), 0u);
  EXPECT_EQ(Taken(), (std::vector{ReportKind::kLegUpdated, ReportKind::kLegClosed}));
  EXPECT_EQ(outbox.Flush(0), 2u);
  EXPECT_EQ(Taken(), (std::vector{ReportKind::kSourceLearned, ReportKind::kLegUpdated}));
}

TEST_F(OutboxTest, EveryDigitIsPostedInItsOrder) {
  legs[1].digits.pending_count = 3;
  for (uint8_t i = 0; i < 3; ++i) legs[1].digits.pending[i].event = i;
  outbox.Note(1, session::kReportDigit);
  EXPECT_EQ(outbox.Flush(0), 2u);  // no room for more
  Report report;
  for (uint8_t i = 0; i < 3; ++i) {
    if (i == 2) {
      EXPECT_EQ(outbox.Flush(0), 1u);
    }
    ASSERT_TRUE(reports.Take(&report));
    EXPECT_EQ(report.kind, ReportKind::kDigit);
    EXPECT_EQ(report.body.digit.event, i);
  }
  EXPECT_EQ(outbox.Flush(0), 0u);
  EXPECT_EQ(legs[1].digits.pending_count, 0);
}

TEST_F(OutboxTest, ASilenceThatGoesOnUnheardIsNotReportedTwice) {
  outbox.Note(1, session::kReportTimeout);
  EXPECT_EQ(outbox.Flush(0), 1u);
  outbox.Note(1, session::kReportResumed);
  outbox.Note(1, session::kReportTimeout);
  EXPECT_EQ(outbox.Flush(0), 0u);
  EXPECT_EQ(Taken(), std::vector{ReportKind::kMediaTimeout});
}

}  // namespace
}  // namespace relay::worker
