#include "sipctl/trunk/header_names.h"

#include <algorithm>
#include <iterator>

#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

constexpr std::string_view kStandard[] = {"Alert-Info", "Call-Info", "P-Early-Media",
                                          "Session-ID", "Subject",   "User-to-User"};

bool IsOwn(std::string_view header) {
  return header.size() > 2 && ToLower(header[0]) == 'x' && header[1] == '-';
}

}  // namespace

bool IsPassable(std::string_view header) {
  return IsOwn(header) ||
         std::any_of(std::begin(kStandard), std::end(kStandard),
                     [&](std::string_view name) { return EqualsIgnoreCase(name, header); });
}

bool IsPassablePattern(std::string_view pattern) {
  const bool all = pattern.ends_with('*');
  if (all) pattern.remove_suffix(1);
  const bool word = std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_';
  });
  if (!word) return false;
  return all ? pattern.size() >= 2 && ToLower(pattern[0]) == 'x' && pattern[1] == '-'
             : IsPassable(pattern);
}

}  // namespace sipctl::trunk
