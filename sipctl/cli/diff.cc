#include "sipctl/cli/diff.h"

#include <ostream>
#include <vector>

#include "sipctl/cli/control.h"
#include "sipctl/text.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/config_diff.h"
#include "sipctl/trunk/succession.h"

namespace sipctl::cli {

int RunDiff(const DiffOptions& options, std::ostream& out, std::ostream& err) {
  const trunk::LoadResult next = trunk::LoadConfig(options.config);
  for (const trunk::Diagnostic& diagnostic : next.diagnostics) {
    out << trunk::FormatDiagnostic(diagnostic) << '\n';
  }
  const auto answer = Ask(options.control, "config");
  if (!answer.ok()) {
    err << "sipctl: " << std::string(answer.status().message()) << '\n';
    return 1;
  }
  const size_t end = answer->find('\n');
  const std::string file = answer->substr(0, end);
  const trunk::LoadResult running =
      trunk::ParseConfig(end == std::string::npos ? "" : answer->substr(end + 1), file);
  if (running.config == nullptr) {
    err << "sipctl: the process answered with something that is no configuration\n";
    return 1;
  }
  if (next.config == nullptr) {
    out << "diff: " << options.config << " has errors; a reload would be refused\n";
    return 1;
  }
  const std::vector<trunk::Change> changes =
      trunk::DiffConfigs(running.config->source, next.config->source);
  for (const trunk::Change& change : changes) out << trunk::FormatChange(change) << '\n';
  out << "diff: " << changes.size() << (changes.size() == 1 ? " change" : " changes") << " against "
      << trunk::AsciiSafe(file);
  const std::vector<std::string> reasons = trunk::RestartReasons(*running.config, *next.config);
  if (!reasons.empty()) out << "; needs a restart: " << Join(reasons, "; ");
  out << '\n';
  return reasons.empty() ? 0 : 1;
}

}  // namespace sipctl::cli
