// What is written differently in two configurations, by the names of things and not by lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sipctl::trunk {

struct Change {
  std::string where;   // "trunk carrier: calls_max"
  std::string before;  // empty: it is new
  std::string after;   // empty: it is gone
  int line = 0;        // in the text after; 0 = gone

  bool operator==(const Change&) const = default;
};

// Both texts must be configurations that ParseConfig takes. Never throws.
std::vector<Change> DiffConfigs(std::string_view before, std::string_view after);

// "trunk carrier: calls_max: 500 -> 600 (line 12)", in printable ASCII.
std::string FormatChange(const Change& change);

}  // namespace sipctl::trunk
