// Routes: names looked up, and what no single route shows: one that is never taken, one that
// another hides, a trunk that no call reaches.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/config_keys.h"

namespace sipctl::trunk {

// Needs the trunks of `config`.
void MakeRoutes(Reader& reader, const std::vector<RouteDraft>& drafts, Config* config);

template <typename Range, typename NameOf>
std::vector<std::string> NamesOf(const Range& range, NameOf name_of) {
  std::vector<std::string> names;
  for (const auto& item : range) names.push_back(name_of(item));
  return names;
}

inline std::optional<size_t> IndexOf(const std::vector<std::string>& names,
                                     const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

inline std::string Suggest(const std::string& name, std::vector<std::string> names) {
  std::erase(names, "");
  const std::string near = NearestName(name, names);
  if (!near.empty()) return near;
  return names.empty() ? "" : "one of " + Join(names, ", ");
}

}  // namespace sipctl::trunk
