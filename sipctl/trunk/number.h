// Telephone numbers as carriers want them.
#pragma once

#include <algorithm>
#include <string_view>

#include "sipctl/text.h"

namespace sipctl::trunk {

// +, country code, subscriber: 8 to 15 digits.
inline bool IsE164(std::string_view number) {
  return number.size() >= 9 && number.size() <= 16 && number[0] == '+' && number[1] != '0' &&
         std::all_of(number.begin() + 1, number.end(), IsDigit);
}

}  // namespace sipctl::trunk
