// Log lines of the slow side, on standard error: `2026-11-21T06:30:00.123 info listen 192.0.2.1`.
// spdlog itself stays in log.cc: its headers are 10 s of compiling for every file that has them.
// Thread: any but a worker's; nothing on a packet's way logs.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace relay::log {

enum class Level { kInfo, kWarn, kError, kCritical };

// Before the first line. `level`: trace, debug, info, warning, error or off; lines below it are
// not written.
void Start(std::string_view level);

// Writes one line, format and arguments as in std::format.
void Write(Level level, fmt::string_view format, fmt::format_args arguments);

template <typename... A>
void Info(fmt::format_string<A...> format, A&&... a) {
  Write(Level::kInfo, format, fmt::make_format_args(a...));
}
template <typename... A>
void Warn(fmt::format_string<A...> format, A&&... a) {
  Write(Level::kWarn, format, fmt::make_format_args(a...));
}
template <typename... A>
void Error(fmt::format_string<A...> format, A&&... a) {
  Write(Level::kError, format, fmt::make_format_args(a...));
}
template <typename... A>
void Critical(fmt::format_string<A...> format, A&&... a) {
  Write(Level::kCritical, format, fmt::make_format_args(a...));
}

}  // namespace relay::log
