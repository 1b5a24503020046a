#include "sipctl/call/reason.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "sipctl/call/status.h"
#include "sipctl/text.h"

namespace sipctl::call {

namespace {

constexpr size_t kReasonsMax = 4;
constexpr size_t kTextBytesMax = 128;

// The pieces between separators that stand outside quoted strings.
std::vector<std::string_view> Pieces(std::string_view value, char separator) {
  std::vector<std::string_view> pieces;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '"') quoted = !quoted;
    if (quoted && value[i] == '\\') ++i;
    if (quoted || i >= value.size() || value[i] != separator) continue;
    pieces.push_back(Strip(value.substr(begin, i - begin)));
    begin = i + 1;
  }
  pieces.push_back(Strip(value.substr(begin)));
  return pieces;
}

// A whole quoted string, and nothing behind it.
bool IsQuoted(std::string_view text) {
  if (text.empty() || text.front() != '"') return false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1 == text.size();
    }
  }
  return false;
}

// One reason written anew; nothing when it is not SIP or Q.850 with a cause.
std::optional<std::string> Rewritten(std::string_view reason) {
  const std::vector<std::string_view> parts = Pieces(reason, ';');
  std::string_view protocol;
  for (std::string_view known : {"SIP", "Q.850"}) {
    if (EqualsIgnoreCase(parts.front(), known)) protocol = known;
  }
  std::optional<int> cause;
  std::string_view text;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = Strip(parts[i].substr(0, equals));
    const std::string_view value = Strip(parts[i].substr(equals + 1));
    if (EqualsIgnoreCase(name, "cause")) cause = ParseNumber<int>(value);
    if (EqualsIgnoreCase(name, "text") && IsQuoted(value)) text = value;
  }
  if (protocol.empty() || !cause || *cause < 0 || *cause > 999) return std::nullopt;
  std::string written = Concat(protocol, ";cause=", *cause);
  if (!text.empty() && text.size() <= kTextBytesMax) written.append(Concat(";text=", text));
  return written;
}

struct Cause {
  int status;
  int q850;
};
constexpr Cause kCauses[] = {
    {400, 41},  {401, 21}, {402, 21},  {403, 21},  {404, 1},  {405, 63},  {406, 79},  {407, 21},
    {408, 102}, {410, 22}, {413, 127}, {414, 127}, {415, 79}, {416, 127}, {420, 127}, {421, 127},
    {423, 127}, {480, 18}, {481, 41},  {482, 25},  {483, 25}, {484, 28},  {485, 1},   {486, 17},
    {488, 31},  {500, 41}, {501, 79},  {502, 38},  {503, 41}, {504, 102}, {505, 127}, {513, 127},
    {600, 17},  {603, 21}, {604, 1},   {606, 31},
};

}  // namespace

std::string CarriedReasons(const sip::Message& message) {
  std::vector<std::string> reasons;
  for (const sip::HeaderField& field : message.others) {
    if (!EqualsIgnoreCase(field.name, "Reason")) continue;
    for (std::string_view piece : Pieces(field.value, ',')) {
      if (reasons.size() == kReasonsMax) break;
      if (auto written = Rewritten(piece)) reasons.push_back(*std::move(written));
    }
  }
  return Join(reasons, ", ", [](const std::string& reason) { return reason; });
}

int Q850CauseOf(int status) {
  const auto found = std::find_if(std::begin(kCauses), std::end(kCauses),
                                  [status](const Cause& cause) { return cause.status == status; });
  return found == std::end(kCauses) ? 0 : found->q850;
}

std::string BothReasons(int status, std::string_view text) {
  const int cause = Q850CauseOf(status);
  const std::string reason = SipReason(status, text);
  return cause == 0 ? reason : Concat(reason, ", Q.850;cause=", cause);
}

}  // namespace sipctl::call
