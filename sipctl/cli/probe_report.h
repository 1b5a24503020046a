// What a probe found, printed step by step as it is found.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/loop.h"

namespace sipctl::cli {

struct Finding {
  enum class Verdict { kOk, kWarning, kFailed, kSkipped };
  Verdict verdict = Verdict::kOk;
  std::string text;
  std::vector<std::string> causes;  // the most likely first
};

class ProbeReport {
 public:
  explicit ProbeReport(std::ostream& out) : out_(out) {}

  // Does the work, and prints what it found and how long it took. Returns whether it went well, a
  // warning included.
  template <typename Work>
  bool Step(std::string_view name, Work work) {
    const TimeMs begun = MonotonicNow();
    const Finding finding = work();
    Print(name, finding, MonotonicNow() - begun);
    return finding.verdict == Finding::Verdict::kOk ||
           finding.verdict == Finding::Verdict::kWarning;
  }
  // The last line. Exit status: 0 when no step failed.
  int End();

 private:
  void Print(std::string_view name, const Finding& finding, TimeMs took);

  std::ostream& out_;
  int failed_ = 0;
  int warnings_ = 0;
};

}  // namespace sipctl::cli
