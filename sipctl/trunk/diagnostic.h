// What is wrong with a configuration, where, and what to write instead.
#pragma once

#include <string>
#include <vector>

namespace sipctl::trunk {

enum class Severity { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;         // from 1; 0 = the file as a whole
  std::string message;  // what is wrong
  std::string instead;  // what to write; may be empty

  bool operator==(const Diagnostic&) const = default;
};

// "file:line: error: message; write: instead"
std::string FormatDiagnostic(const Diagnostic& diagnostic);

bool HasError(const std::vector<Diagnostic>& diagnostics);

// The entry of `known` that a slip of the fingers turns into `word`; empty when none is near.
std::string NearestName(const std::string& word, const std::vector<std::string>& known);

}  // namespace sipctl::trunk
