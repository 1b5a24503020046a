#include "sipctl/cli/probe_report.h"

#include <iomanip>
#include <ostream>

#include "sipctl/text.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl::cli {

void ProbeReport::Print(std::string_view name, const Finding& finding, TimeMs took) {
  constexpr std::string_view kWords[] = {"ok", "warning", "FAILED", "skipped"};
  out_ << std::left << std::setw(12) << name << std::setw(8)
       << kWords[static_cast<size_t>(finding.verdict)] << std::right << std::setw(5) << took
       << " ms  " << trunk::AsciiSafe(finding.text) << '\n';
  if (!finding.causes.empty()) out_ << "  likely, the most likely first:\n";
  for (size_t i = 0; i < finding.causes.size(); ++i) {
    out_ << "  " << i + 1 << ". " << trunk::AsciiSafe(finding.causes[i]) << '\n';
  }
  failed_ += finding.verdict == Finding::Verdict::kFailed ? 1 : 0;
  warnings_ += finding.verdict == Finding::Verdict::kWarning ? 1 : 0;
}

int ProbeReport::End() {
  out_ << "probe: " << failed_ << " failed, " << warnings_
       << (warnings_ == 1 ? " warning\n" : " warnings\n");
  return failed_ == 0 ? 0 : 1;
}

}  // namespace sipctl::cli
