// Debian's abseil does not know std::string_view; its functions take this.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace relay {

inline absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace relay
