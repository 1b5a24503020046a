#include "relay/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

namespace relay::log {
namespace {

spdlog::level::level_enum Spdlog(Level level) {
  switch (level) {
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kCritical:
      break;
  }
  return spdlog::level::critical;
}

}  // namespace

void Start(std::string_view level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("relay"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(std::string(level)));
}

void Write(Level level, fmt::string_view format, fmt::format_args arguments) {
  if (!spdlog::should_log(Spdlog(level))) return;
  spdlog::log(Spdlog(level), fmt::vformat(format, arguments));
}

}  // namespace relay::log
