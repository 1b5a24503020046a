#include "sipctl/cli/lint_message.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <ostream>
#include <sstream>
#include <tuple>
#include <utility>

#include "sipctl/cli/dynamic_url.h"
#include "sipctl/sip/message.h"
#include "sipctl/text.h"
#include "sipctl/trunk/gateway.h"
#include "sipctl/trunk/number.h"

namespace sipctl::cli {
namespace {

using trunk::Diagnostic;
using trunk::Severity;

struct HeaderLine {
  std::string name;  // compact forms written out
  int line = 0;
};

std::string LongName(std::string_view name) {
  // RFC 3261 section 7.3.3, those that a profile may ask for.
  const std::pair<std::string_view, std::string_view> kCompact[] = {
      {"v", "Via"},     {"f", "From"},         {"t", "To"},       {"m", "Contact"},
      {"i", "Call-ID"}, {"c", "Content-Type"}, {"k", "Supported"}};
  for (const auto& [compact, name_long] : kCompact) {
    if (EqualsIgnoreCase(compact, name)) return std::string(name_long);
  }
  return std::string(name);
}

std::vector<HeaderLine> HeadersOf(std::string_view text) {
  std::vector<HeaderLine> headers;
  int line = 0;
  for (const std::string_view row : Split(text, '\n')) {
    ++line;
    if (Strip(row).empty()) break;
    const size_t colon = row.find(':');
    if (line == 1 || row[0] == ' ' || row[0] == '\t' || colon == std::string_view::npos) continue;
    headers.push_back({LongName(Strip(row.substr(0, colon))), line});
  }
  return headers;
}

std::string WithCrLf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
  return out;
}

class MessageLint {
 public:
  MessageLint(const std::string& file, const trunk::Profile& profile, std::string_view text)
      : file_(file), profile_(profile), headers_(HeadersOf(text)) {}

  void Missing(const std::string& name, std::string_view rule) {
    if (LineOf(name) != 0) return;
    std::string message = Concat("the INVITE has no ", name);
    if (rule.empty()) {
      found_.push_back({Severity::kError, file_, 0, std::move(message), Concat(name, ": ..."), ""});
    } else {
      found_.push_back(trunk::ByRule(rule, file_, 0, Concat(message, ", which a call flow needs"),
                                     Concat(name, ": the account")));
    }
  }

  void CheckReserved() {
    for (const HeaderLine& header : headers_) {
      if (!profile_.IsReserved(header.name)) continue;
      found_.push_back(trunk::ByRule(
          "CV-13", file_, header.line,
          Concat(header.name, " is ", profile_.title, "'s own header and not for us to send"),
          "the message without it"));
    }
  }

  void CheckNumbers(const sip::Message& message) {
    if (!profile_.numbers_e164) return;
    for (const auto& [where, number, line] :
         {std::tuple("request URI", message.request_uri.user, 1),
          std::tuple("From", message.from.uri.user, LineOf("From"))}) {
      if (trunk::IsE164(number)) continue;
      found_.push_back(trunk::ByRule(
          "CV-11", file_, line,
          Concat("'", number, "' in ", where, " is no number as ", profile_.title, " writes it"),
          "+, country code and number: +918012345678"));
    }
  }

  void CheckAccount(const sip::Message& message) {
    if (profile_.account_domain.empty() || profile_.account_domain_is_next_hop ||
        profile_.IsAccountName(message.from.uri.host)) {
      return;
    }
    Diagnostic diagnostic = trunk::ByRule(
        "CV-24", file_, LineOf("From"),
        Concat("the host of From is ", message.from.uri.host, ", not the account's name"),
        Concat("ACCOUNT.", profile_.account_domain));
    diagnostic.severity = Severity::kWarning;  // the carrier's own examples differ here
    found_.push_back(std::move(diagnostic));
  }

  std::vector<Diagnostic> found() { return std::move(found_); }

 private:
  int LineOf(std::string_view name) const {
    for (const HeaderLine& header : headers_) {
      if (EqualsIgnoreCase(header.name, name)) return header.line;
    }
    return 0;
  }

  const std::string& file_;
  const trunk::Profile& profile_;
  std::vector<HeaderLine> headers_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> LintMessage(std::string_view text, const std::string& file,
                                    const trunk::Profile& profile, bool flow) {
  MessageLint lint(file, profile, text);
  sip::ParseFailure failure;
  const std::optional<sip::Message> message = sip::Parse(WithCrLf(text), &failure);
  const bool invite = text.starts_with("INVITE ");
  if (invite) {
    for (const std::string& name : profile.headers.mandatory) lint.Missing(name, "");
    for (const std::string& name : profile.headers.flow) {
      if (flow) lint.Missing(name, "CV-12");
    }
  }
  lint.CheckReserved();
  if (message.has_value() && message->is_request && invite) {
    lint.CheckNumbers(*message);
    lint.CheckAccount(*message);
  }
  std::vector<Diagnostic> found = lint.found();
  if (!message.has_value()) {
    found.push_back({Severity::kError, file, 0, failure.sentence, "", ""});
  } else if (!message->is_request) {
    found.push_back(
        {Severity::kError, file, 1, "this is a response", "a request to the carrier", ""});
  }
  return found;
}

int RunLintMessage(const LintMessageOptions& options, std::ostream& out) {
  std::vector<Diagnostic> found;
  const trunk::Profile* profile = trunk::FindProfile(options.profile);
  std::ifstream file(options.file, std::ios::binary);
  std::ostringstream text;
  if (profile == nullptr) {
    found.push_back({Severity::kError, options.file, 0,
                     Concat("there is no profile '", options.profile, "'"),
                     Concat("one of ", Join(trunk::ProfileNames(), ", ")), ""});
  } else if (!file || !(text << file.rdbuf())) {
    found.push_back({Severity::kError, options.file, 0, "the file cannot be read", "", ""});
  } else {
    const std::string read = text.str();
    found = Strip(read).starts_with('{') ? LintDynamicUrl(read, options.file, *profile)
                                         : LintMessage(read, options.file, *profile, options.flow);
  }
  for (const Diagnostic& diagnostic : found) out << trunk::FormatDiagnostic(diagnostic) << '\n';
  if (found.empty()) out << options.file << ": as " << profile->title << " wants it\n";
  return trunk::HasError(found) ? 1 : 0;
}

}  // namespace sipctl::cli
