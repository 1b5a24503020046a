// A command line as a table: one row an option, from which parsing, --help and docs/options.md
// come.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace relay {

struct OptionRow {
  std::string name;      // with its dashes
  std::string value;     // what stands behind it, for people; empty = the option is a switch
  std::string standard;  // what holds without it, for people
  std::string help;
  bool repeatable = false;
  std::function<absl::Status(std::string_view value)> set;  // a switch gets ""
};

class CommandLine {
 public:
  CommandLine(std::string program, std::string summary, std::vector<OptionRow> rows);

  // `arguments` without the program's name. An error says what, where and what to do instead.
  absl::Status Parse(std::span<const char* const> arguments) const;

  std::string Help() const;
  // The program's section of docs/options.md.
  std::string Markdown() const;

 private:
  const OptionRow* Find(std::string_view name) const;

  std::string program_;
  std::string summary_;
  std::vector<OptionRow> rows_;
};

// Readers of values. Their errors name the bounds.
absl::Status ReadNumber(std::string_view text, uint64_t low, uint64_t high, uint64_t* number);

template <typename Number>
std::function<absl::Status(std::string_view)> NumberInto(Number* target, uint64_t low,
                                                         uint64_t high) {
  return [target, low, high](std::string_view text) {
    uint64_t number = 0;
    absl::Status status = ReadNumber(text, low, high, &number);
    if (status.ok()) *target = static_cast<Number>(number);
    return status;
  };
}

// Of a name in `choices` its value.
template <typename Choice>
std::function<absl::Status(std::string_view)> OneOf(
    Choice* target, std::vector<std::pair<std::string, Choice>> choices) {
  return [target, choices = std::move(choices)](std::string_view text) {
    std::string all;
    for (const auto& [name, choice] : choices) {
      if (name == text) {
        *target = choice;
        return absl::OkStatus();
      }
      absl::StrAppend(&all, all.empty() ? "" : ", ", name);
    }
    return absl::InvalidArgumentError(absl::StrCat("is none of ", all));
  };
}

std::function<absl::Status(std::string_view)> TextInto(std::string* target);
// `value`: what the field becomes when the switch is there.
std::function<absl::Status(std::string_view)> SwitchInto(bool* target, bool value = true);

}  // namespace relay
