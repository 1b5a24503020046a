// The few character rules of RFC 3261 section 25.1 that reading and writing share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sipctl::sip {

namespace grammar {

constexpr std::array<bool, 256> MakeTokenTable(std::string_view extra) {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (char c : extra) table[static_cast<uint8_t>(c)] = true;
  return table;
}

inline constexpr auto kToken = MakeTokenTable("-.!%*_+`'~");
// A parameter value that needs no quotes: token or host (IPv6 addresses have colons, brackets).
inline constexpr auto kPlainValue = MakeTokenTable("-.!%*_+`'~[]:");

constexpr std::array<bool, 256> MakeSet(std::string_view characters) {
  std::array<bool, 256> table{};
  for (char c : characters) table[static_cast<uint8_t>(c)] = true;
  return table;
}

// What ends a URI or a host wherever it stands.
inline constexpr auto kNeverInUri = MakeSet(std::string_view(" \t<>\"\r\n\0", 8));
inline constexpr auto kNeverInHost = MakeSet(std::string_view(" \t<>\"@;,?/[]\\\r\n\0", 16));

// Faster than find_first_of, which calls memchr for each character.
constexpr bool Any(std::string_view text, const std::array<bool, 256>& table) {
  return std::any_of(text.begin(), text.end(),
                     [&](char c) { return table[static_cast<uint8_t>(c)]; });
}

constexpr bool All(std::string_view text, const std::array<bool, 256>& table) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return table[static_cast<uint8_t>(c)]; });
}

}  // namespace grammar

constexpr bool IsToken(std::string_view text) {
  return !text.empty() && grammar::All(text, grammar::kToken);
}

constexpr bool IsPlainValue(std::string_view text) {
  return !text.empty() && grammar::All(text, grammar::kPlainValue);
}

constexpr char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// RFC 3986 section 3.1.
constexpr bool IsScheme(std::string_view text) {
  constexpr auto kScheme = grammar::MakeTokenTable("+-.");
  return !text.empty() && grammar::All(text, kScheme) && Lower(text[0]) >= 'a';
}

constexpr bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return Lower(x) == Lower(y); });
}

constexpr std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits only, and not above `max`.
constexpr std::optional<uint64_t> ParseNumber(std::string_view digits, uint64_t max) {
  if (digits.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (max - digit) / 10 || digit > max) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace sipctl::sip
