#include "sipctl/call/info_digit.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "relay/abi/command.h"

namespace sipctl::call {

namespace {

using absl::string_view;

constexpr string_view kRelayType = "application/dtmf-relay";
constexpr string_view kPlainType = "application/dtmf";
// What a key press of a person lasts when nobody says.
constexpr uint16_t kDurationMs = 160;
constexpr string_view kNames = "0123456789*#ABCD!";

string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

// Without parameters.
string_view TypeOf(std::string_view content_type) {
  return absl::StripAsciiWhitespace(View(content_type.substr(0, content_type.find(';'))));
}

std::optional<uint8_t> EventOf(string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() == 1) {
    const size_t at = kNames.find(absl::ascii_toupper(static_cast<unsigned char>(text[0])));
    if (at != string_view::npos) return static_cast<uint8_t>(at);
  }
  uint32_t number = 0;  // some write 10 for *, 11 for #
  if (text.size() == 2 && absl::SimpleAtoi(text, &number) && number >= 10 && number <= 16) {
    return static_cast<uint8_t>(number);
  }
  return std::nullopt;
}

uint16_t DurationOf(string_view text) {
  uint32_t ms = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &ms)) return kDurationMs;
  return static_cast<uint16_t>(
      std::clamp<uint32_t>(ms, relay::abi::kDigitMsMin, relay::abi::kDigitMsMax));
}

}  // namespace

bool IsDigitType(std::string_view content_type) {
  const string_view type = TypeOf(content_type);
  return absl::EqualsIgnoreCase(type, kRelayType) || absl::EqualsIgnoreCase(type, kPlainType);
}

std::optional<InfoDigit> ParseInfoDigit(std::string_view content_type, std::string_view body) {
  if (absl::EqualsIgnoreCase(TypeOf(content_type), kPlainType)) {
    const std::optional<uint8_t> event = EventOf(View(body));
    if (!event) return std::nullopt;
    return InfoDigit{*event, kDurationMs};
  }
  std::optional<uint8_t> event;
  uint16_t duration_ms = kDurationMs;
  while (!body.empty()) {
    const size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const string_view name = absl::StripAsciiWhitespace(View(line.substr(0, equals)));
    const string_view value = View(line.substr(equals + 1));
    if (absl::EqualsIgnoreCase(name, "Signal")) event = EventOf(value);
    if (absl::EqualsIgnoreCase(name, "Duration")) duration_ms = DurationOf(value);
  }
  if (!event) return std::nullopt;
  return InfoDigit{*event, duration_ms};
}

char DigitName(uint8_t event) {
  return event < kNames.size() ? kNames[event] : '?';
}

}  // namespace sipctl::call
