#include "sipctl/trunk/profile_age.h"

#include <chrono>
#include <string>

#include "sipctl/text.h"
#include "sipctl/trunk/gateway.h"

namespace sipctl::trunk {
namespace {

constexpr int64_t kDayS = 86'400;

// `dated` has been checked to be YYYY-MM-DD.
int64_t DaysOf(const std::string& dated) {
  const auto part = [&](size_t at, size_t length) {
    return ParseNumber<int>(std::string_view(dated).substr(at, length)).value_or(0);
  };
  const std::chrono::year_month_day date{std::chrono::year(part(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(part(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(part(8, 2)))};
  return std::chrono::sys_days(date).time_since_epoch().count();
}

}  // namespace

std::vector<Diagnostic> CheckProfileAge(const Config& config, int64_t now_unix_s) {
  std::vector<Diagnostic> found;
  for (const Trunk& trunk : config.trunks) {
    // An undated generic profile says nothing of a carrier that could have changed.
    if (trunk.carrier == nullptr || trunk.carrier->transports.empty()) continue;
    const int64_t days = now_unix_s / kDayS - DaysOf(trunk.carrier->dated);
    if (days <= kProfileAgeMaxDays || IsConfirmed(trunk.confirmed, "CV-23")) continue;
    found.push_back(
        ByRule("CV-23", config.file, trunk.line,
               Concat("profile '", trunk.carrier->name, "' was last compared with ",
                      trunk.carrier->title, " on ", trunk.carrier->dated, ", ", days, " days ago"),
               "confirmed: [CV-23] after comparing it, or use a newer sipctl"));
  }
  return found;
}

}  // namespace sipctl::trunk
