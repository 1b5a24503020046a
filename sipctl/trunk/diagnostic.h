// What is wrong with a configuration, where, and what to write instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sipctl::trunk {

enum class Severity { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;         // from 1; 0 = the file as a whole
  std::string message;  // what is wrong
  std::string instead;  // what to write; may be empty
  std::string rule;     // "CV-01" (rules.h); empty: the file's own grammar

  bool operator==(const Diagnostic&) const = default;
};

// "file:line: error: CV-01: message; write instead", in printable ASCII whatever was in the file.
std::string FormatDiagnostic(const Diagnostic& diagnostic);

// Other bytes than printable ASCII as \xNN.
std::string AsciiSafe(std::string_view text);

bool HasError(const std::vector<Diagnostic>& diagnostics);

// The entry of `known` that a slip of the fingers turns into `word`; empty when none is near.
std::string NearestName(const std::string& word, const std::vector<std::string>& known);

}  // namespace sipctl::trunk
