// The rules of a carrier trunk that `sipctl check` knows, each with its reason.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/trunk/diagnostic.h"

namespace sipctl::trunk {

struct Rule {
  std::string_view id;  // "CV-01"
  Severity severity = Severity::kError;
  bool confirmable = false;  // `confirmed: [ID]` in a trunk silences it: the carrier has agreed
  std::string_view mistake;  // what is wrong, for the heading
  std::string_view why;      // why it matters
  std::string_view instead;  // what to write
};

std::span<const Rule> Rules();
std::vector<std::string> ConfirmableRules();
const Rule* FindRule(std::string_view id);  // case-insensitive

// The text of `sipctl check --explain`.
std::string ExplainRule(const Rule& rule);
// The table of the manual.
std::string RulesMarkdown();

}  // namespace sipctl::trunk
