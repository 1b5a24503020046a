// `sipctl check`: reads a configuration or a gateway table, says what is wrong and what it means.
#pragma once

#include <iosfwd>
#include <string>

namespace sipctl::cli {

struct CheckOptions {
  std::string config;    // path; or
  std::string gateways;  // path of a gateway table,
  std::string profile;   // of this carrier; or
  std::string explain;   // a rule
  bool json = false;
  bool print_keys_markdown = false;   // hidden: the reference of all keys instead of a check
  bool print_rules_markdown = false;  // hidden: that of all rules
};

// Exit status: 0 fine (warnings included), 1 with errors.
int RunCheck(const CheckOptions& options, std::ostream& out);

}  // namespace sipctl::cli
