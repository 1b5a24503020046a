// Text in pieces. Debian's abseil does not know std::string_view, so its StrCat and StrSplit cannot
// take one; these can.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sipctl {
namespace text_internal {

inline void Append(std::string* out, std::string_view piece) {
  out->append(piece);
}
inline void Append(std::string* out, char piece) {
  out->push_back(piece);
}
template <std::integral Number>
void Append(std::string* out, Number number) {
  out->append(std::to_string(number));
}

}  // namespace text_internal

// The pieces behind each other; integers (uint8_t, too) in decimal, a char as itself.
template <typename... Pieces>
std::string Concat(const Pieces&... pieces) {
  std::string out;
  (text_internal::Append(&out, pieces), ...);
  return out;
}

// The whole of `text` as a decimal number; nothing when it is empty, too large or has anything else
// in it.
template <std::integral Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What stands between spaces and tabs, without empty pieces.
inline std::vector<std::string_view> Words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string_view> words;
  for (size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;
       at = text.find_first_not_of(kBlanks, at)) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

// What stands between the separators, empty pieces included.
inline std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find(separator, begin);
    pieces.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return pieces;
    begin = end + 1;
  }
}

// Without ASCII spaces, tabs, CR and LF at both ends, or only at the end.
inline std::string_view StripTrailing(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}
inline std::string_view Strip(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : StripTrailing(text.substr(first));
}

inline bool IsAlpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
inline char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](char left, char right) { return ToLower(left) == ToLower(right); });
}

// "a, b, c" of anything that `text_of` turns into text.
template <typename Range, typename TextOf>
std::string Join(const Range& range, std::string_view separator, TextOf text_of) {
  std::string out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out.append(separator);
    first = false;
    out.append(text_of(item));
  }
  return out;
}
inline std::string Join(const std::vector<std::string>& items, std::string_view separator) {
  return Join(items, separator, [](const std::string& item) -> const std::string& { return item; });
}

}  // namespace sipctl
