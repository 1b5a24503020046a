#include "sipctl/cli/run.h"

#include <ostream>
#include <string>
#include <utility>

#include "sipctl/cli/server.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace sipctl::cli {

namespace {

void StartLog(const std::string& level) {
  auto logger = spdlog::stderr_logger_st("sipctl");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(spdlog::level::from_str(level == "warning" ? "warn" : level));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

int RunServer(const RunOptions& options, std::ostream& errors) {
  const trunk::LoadResult loaded = trunk::LoadConfig(options.config);
  for (const trunk::Diagnostic& diagnostic : loaded.diagnostics) {
    errors << trunk::FormatDiagnostic(diagnostic) << "\n";
  }
  if (loaded.config == nullptr) return 1;
  StartLog(options.log_level);
  Server server(loaded.config);
  if (const absl::Status started = server.Start(options); !started.ok()) {
    errors << "sipctl: " << std::string(started.message()) << "\n";
    return 1;
  }
  server.Run();
  return 0;
}

}  // namespace sipctl::cli
