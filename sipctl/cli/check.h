// `sipctl check CONFIG`: reads a configuration, says what is wrong and what it means.
#pragma once

#include <iosfwd>
#include <string>

namespace sipctl::cli {

struct CheckOptions {
  std::string config;  // path
  bool json = false;
  bool print_keys_markdown = false;  // hidden: the reference of all keys instead of a check
};

// Exit status: 0 fine (warnings included), 1 with errors.
int RunCheck(const CheckOptions& options, std::ostream& out);

}  // namespace sipctl::cli
