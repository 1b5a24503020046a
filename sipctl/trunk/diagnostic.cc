#include "sipctl/trunk/diagnostic.h"

#include <algorithm>
#include <cstdint>

#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string FormatDiagnostic(const Diagnostic& diagnostic) {
  std::string text = diagnostic.line > 0 ? Concat(diagnostic.file, ":", diagnostic.line, ": ")
                                         : Concat(diagnostic.file, ": ");
  text += diagnostic.severity == Severity::kError ? "error: " : "warning: ";
  if (!diagnostic.rule.empty()) text += Concat(diagnostic.rule, ": ");
  text += diagnostic.message;
  if (!diagnostic.instead.empty()) text += Concat("; write ", diagnostic.instead);
  return AsciiSafe(text);
}

std::string AsciiSafe(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string safe;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      safe += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      safe += Concat("\\x", kDigits[byte >> 4], kDigits[byte & 15]);
    }
  }
  return safe;
}

bool HasError(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::kError;
  });
}

std::string NearestName(const std::string& word, const std::vector<std::string>& known) {
  constexpr size_t kWordMax = 64;  // longer ones are no slips, and the table is quadratic
  if (word.size() > kWordMax) return "";
  std::string nearest;
  size_t least = std::max<size_t>(1, std::min<size_t>(3, word.size() / 3)) + 1;
  for (const std::string& name : known) {
    const size_t distance = Distance(word, name);
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace sipctl::trunk
