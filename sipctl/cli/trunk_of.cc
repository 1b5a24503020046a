#include "sipctl/cli/trunk_of.h"

#include <ostream>

#include "sipctl/text.h"

namespace sipctl::cli {

std::optional<TrunkOf> LoadTrunk(const std::string& config, const std::string& name,
                                 std::ostream& err) {
  const trunk::LoadResult result = trunk::LoadConfig(config);
  if (result.config == nullptr) {
    for (const trunk::Diagnostic& diagnostic : result.diagnostics) {
      err << trunk::FormatDiagnostic(diagnostic) << '\n';
    }
    return std::nullopt;
  }
  for (size_t i = 0; i < result.config->trunks.size(); ++i) {
    if (result.config->trunks[i].name == name) return TrunkOf{result.config, i};
  }
  err << "there is no trunk '" << trunk::AsciiSafe(name) << "' in " << config << "; there are "
      << Join(result.config->trunks, ", ", [](const trunk::Trunk& trunk) { return trunk.name; })
      << '\n';
  return std::nullopt;
}

}  // namespace sipctl::cli
