// Numbers as a country writes them, and E.164: a table with one row a form.
//
//   written            as E.164 (country 91, 10 digits)
//   +919812345678      the same
//   00919812345678     international prefix
//   919812345678       country code, then as many digits as a number has
//   09812345678        trunk prefix
//   9812345678         as many digits as a number has
//   anything else      is left as it is: an extension, a short code, a name
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sipctl::trunk {

struct NumberPlan {
  std::string country;  // code without +; empty: only separators go
  uint32_t digits = 0;  // of a number inside the country

  bool operator==(const NumberPlan&) const = default;
};

// How a trunk wants numbers.
enum class NumberForm : uint8_t {
  kAsRouted,       // as routes made them
  kE164,           // +919812345678
  kPlain,          // 919812345678
  kNational,       // 09812345678 inside the country, 00... abroad
  kInternational,  // 00919812345678
};

// Separators that people write (RFC 3966 section 5.1.1) go with it.
std::string ToE164(const NumberPlan& plan, std::string_view number);
// Of an E.164 number; anything else is left as it is.
std::string FromE164(const NumberPlan& plan, NumberForm form, std::string_view number);

}  // namespace sipctl::trunk
