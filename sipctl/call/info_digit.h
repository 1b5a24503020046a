// A digit in the body of an INFO request, as PBXs send it when they know no telephone events.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sipctl::call {

struct InfoDigit {
  uint8_t event = 0;  // RFC 4733 section 3.2: 0-9, 10 = *, 11 = #, 12-15 = A-D, 16 = flash
  uint16_t duration_ms = 0;
};

// Whether a body of this type holds a digit: application/dtmf-relay ("Signal=5", "Duration=160" on
// lines of their own) or application/dtmf (the digit alone).
bool IsDigitType(std::string_view content_type);
// Nothing when no digit can be read. A duration that is missing or out of the relay's range is
// brought into it.
std::optional<InfoDigit> ParseInfoDigit(std::string_view content_type, std::string_view body);

// "0" to "9", "*", "#", "A" to "D", "!" for the flash; "?" for what is none of them.
char DigitName(uint8_t event);

}  // namespace sipctl::call
