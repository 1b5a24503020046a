#include "relay/worker/outbox.h"

#include <algorithm>
#include <iterator>

#include "relay/worker/statistics.h"

namespace relay::worker {
namespace {

using session::Leg;

struct Meaning {
  uint8_t flag;
  ReportKind kind;
};

// In the order in which they are posted: a silence before its end, the end of the leg last.
constexpr Meaning kMeanings[] = {
    {session::kReportUpdated, ReportKind::kLegUpdated},
    {session::kReportLearned, ReportKind::kSourceLearned},
    {session::kReportTimeout, ReportKind::kMediaTimeout},
    {session::kReportResumed, ReportKind::kMediaResumed},
    {session::kReportDigit, ReportKind::kDigit},
    {session::kReportClosed, ReportKind::kLegClosed},
};

Report MakeReport(uint32_t slot, Leg& leg, ReportKind kind, TimeNs now) {
  Report report{};
  report.kind = kind;
  report.leg = slot;
  report.generation = leg.path.generation;
  report.plan_version = leg.path.plan_version;
  switch (kind) {
    case ReportKind::kSourceLearned:
      report.body.source.source = leg.gate.source;
      break;
    case ReportKind::kMediaTimeout:
      report.body.timeout.silent_ns = leg.timing.silent_ns;
      break;
    case ReportKind::kDigit:
      report.body.digit.event = leg.digits.pending[0].event;
      report.body.digit.duration_ms = leg.digits.pending[0].duration_ms;
      break;
    case ReportKind::kLegClosed:
      report.body.statistics = Summarise(leg, now);
      break;
    default:
      break;
  }
  return report;
}

// The oldest one was posted. True when there are more.
bool DropDigit(session::DigitsLine& digits) {
  --digits.pending_count;
  std::copy_n(digits.pending + 1, digits.pending_count, digits.pending);
  return digits.pending_count != 0;
}

}  // namespace

void Outbox::Note(uint32_t slot, uint8_t report) {
  session::TimingLine& timing = legs_[slot].timing;
  if (report == session::kReportTimeout && (timing.reports & session::kReportResumed)) {
    // The conductor has not heard yet that the last silence ended: for it, it goes on.
    timing.reports = static_cast<uint8_t>(timing.reports & ~session::kReportResumed);
  } else {
    timing.reports |= report;
  }
  if (timing.in_report_list) return;
  timing.in_report_list = 1;
  timing.report_next = session::kNoLeg;
  if (first_ == session::kNoLeg) {
    first_ = slot;
  } else {
    legs_[last_].timing.report_next = slot;
  }
  last_ = slot;
}

size_t Outbox::Flush(TimeNs now) {
  size_t posted = 0;
  while (first_ != session::kNoLeg) {
    const uint32_t slot = first_;
    session::TimingLine& timing = legs_[slot].timing;
    if (!PostAll(slot, now, &posted)) return posted;
    timing.in_report_list = 0;
    first_ = timing.report_next;
  }
  last_ = session::kNoLeg;
  return posted;
}

bool Outbox::PostAll(uint32_t slot, TimeNs now, size_t* posted) {
  Leg& leg = legs_[slot];
  for (size_t i = 0; i < std::size(kMeanings);) {
    const Meaning& meaning = kMeanings[i];
    if (!(leg.timing.reports & meaning.flag)) {
      ++i;
      continue;
    }
    if (!reports_->Post(MakeReport(slot, leg, meaning.kind, now))) return false;
    ++*posted;
    if (meaning.kind == ReportKind::kDigit && DropDigit(leg.digits)) continue;
    leg.timing.reports = static_cast<uint8_t>(leg.timing.reports & ~meaning.flag);
  }
  return true;
}

}  // namespace relay::worker
