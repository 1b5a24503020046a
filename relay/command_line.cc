#include "relay/command_line.h"

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "relay/text.h"

namespace relay {
namespace {

std::string Escaped(const std::string& text) {  // '|' ends a cell of a table
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string summary, std::vector<OptionRow> rows)
    : program_(std::move(program)), summary_(std::move(summary)), rows_(std::move(rows)) {}

const OptionRow* CommandLine::Find(std::string_view name) const {
  for (const OptionRow& row : rows_) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

absl::Status CommandLine::Parse(std::span<const char* const> arguments) const {
  std::set<const OptionRow*> seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const auto error = [&](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat(program_, ": argument ", i + 1, " (", View(name), "): ", what));
    };
    const OptionRow* row = Find(name);
    if (row == nullptr) {
      return error(absl::StrCat("unknown option; `", program_, " --help` lists them all"));
    }
    if (!seen.insert(row).second && !row->repeatable) {
      return error("given twice; give it once");
    }
    std::string_view value;
    if (equals != std::string_view::npos) {
      if (row->value.empty()) return error("takes no value; leave out everything from '='");
      value = argument.substr(equals + 1);
    } else if (!row->value.empty()) {
      if (i + 1 == arguments.size()) {
        return error(absl::StrCat("needs a value; write ", row->name, " ", row->value));
      }
      value = arguments[++i];
    }
    if (absl::Status status = row->set(value); !status.ok()) {
      return error(absl::StrCat("'", View(value), "' ", status.message()));
    }
  }
  return absl::OkStatus();
}

std::string CommandLine::Help() const {
  std::string text = absl::StrCat("usage: ", program_, " [options]\n\n", summary_, "\n\n");
  for (const OptionRow& row : rows_) {
    absl::StrAppend(&text, "  ", row.name, row.value.empty() ? "" : " ", row.value,
                    row.repeatable ? "  (repeatable)" : "", "\n      ", row.help);
    if (!row.standard.empty()) absl::StrAppend(&text, " Default: ", row.standard, ".");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string CommandLine::Markdown() const {
  std::string text = absl::StrCat("## ", program_, "\n\n", summary_,
                                  "\n\n| option | value | default | what it does |\n"
                                  "|---|---|---|---|\n");
  for (const OptionRow& row : rows_) {
    const auto code = [](const std::string& cell) {
      return cell.empty() ? std::string() : absl::StrCat("`", Escaped(cell), "`");
    };
    absl::StrAppend(&text, "| `", row.name, "` | ", code(row.value), " | ", code(row.standard),
                    " | ", Escaped(row.help), row.repeatable ? " Repeatable." : "", " |\n");
  }
  return text;
}

absl::Status ReadNumber(std::string_view text, uint64_t low, uint64_t high, uint64_t* number) {
  if (!absl::SimpleAtoi(View(text), number) || *number < low || *number > high) {
    return absl::InvalidArgumentError(
        absl::StrCat("is not a whole number from ", low, " to ", high));
  }
  return absl::OkStatus();
}

std::function<absl::Status(std::string_view)> TextInto(std::string* target) {
  return [target](std::string_view text) {
    if (text.empty()) return absl::InvalidArgumentError("is empty");
    *target = std::string(text);
    return absl::OkStatus();
  };
}

std::function<absl::Status(std::string_view)> SwitchInto(bool* target, bool value) {
  return [target, value](std::string_view) {
    *target = value;
    return absl::OkStatus();
  };
}

}  // namespace relay
