#include "sipctl/sip/message.h"

#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sipctl/sip/message_grammar.h"
#include "sipctl/sip/message_lines.h"
#include "sipctl/sip/message_values.h"

namespace sipctl::sip {
namespace {

constexpr std::array<std::string_view, 15> kMethodNames = {
    "INVITE", "ACK",    "BYE",       "CANCEL",  "OPTIONS",  "PRACK",   "UPDATE", "INFO",
    "REFER",  "NOTIFY", "SUBSCRIBE", "MESSAGE", "REGISTER", "PUBLISH", ""};
static_assert(kMethodNames.size() == static_cast<size_t>(Method::kUnknown) + 1);

// Requests whose 18x and 2xx set up a dialog, and with it a route set (RFC 3261 section 12.1.1).
bool CreatesDialog(Method method) {
  return method == Method::kInvite || method == Method::kSubscribe || method == Method::kRefer ||
         method == Method::kNotify;
}

struct Phrase {
  int status;
  std::string_view text;
};
constexpr Phrase kPhrases[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {199, "Early Dialog Terminated"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Notification"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {412, "Conditional Request Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {422, "Session Interval Too Small"},
    {423, "Interval Too Brief"},
    {429, "Provide Referrer Identity"},
    {430, "Flow Failed"},
    {433, "Anonymity Disallowed"},
    {469, "Bad Info Package"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {580, "Precondition Failure"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

// By their first digit, for statuses that have no phrase of their own.
constexpr std::string_view kClasses[] = {"Progress",     "Success",      "Redirection",
                                         "Client Error", "Server Error", "Global Failure"};

}  // namespace

std::string_view MethodName(Method method) {
  return kMethodNames[static_cast<size_t>(method)];
}

Method MethodOf(std::string_view name) {
  for (size_t i = 0; i + 1 < kMethodNames.size(); ++i) {
    if (kMethodNames[i] == name) return static_cast<Method>(i);
  }
  return Method::kUnknown;
}

const Parameter* Find(const Parameters& parameters, std::string_view name) {
  for (const Parameter& parameter : parameters) {
    if (EqualsIgnoringCase(parameter.name, name)) return &parameter;
  }
  return nullptr;
}

void Set(Parameters* parameters, std::string_view name, std::string_view value) {
  for (Parameter& parameter : *parameters) {
    if (EqualsIgnoringCase(parameter.name, name)) {
      parameter.value = value;
      parameter.has_value = true;
      return;
    }
  }
  parameters->push_back({std::string(name), std::string(value), true});
}

absl::StatusOr<Uri> Uri::Parse(std::string_view text) {
  ValueReader reader;
  Uri uri;
  if (!reader.ReadUri(text, &uri)) {
    return absl::InvalidArgumentError(absl::StrCat("'", std::string(text), "' is no URI"));
  }
  return uri;
}

std::string_view NameAddr::tag() const {
  const Parameter* tag = Find(parameters, "tag");
  return tag == nullptr ? std::string_view() : std::string_view(tag->value);
}

void NameAddr::set_tag(std::string_view tag) {
  Set(&parameters, "tag", tag);
}

std::string_view Via::branch() const {
  const Parameter* branch = Find(parameters, "branch");
  return branch == nullptr ? std::string_view() : std::string_view(branch->value);
}

const std::string* Message::Other(std::string_view name) const {
  const std::string_view wanted = LongName(name);
  for (const HeaderField& other : others) {
    if (EqualsIgnoringCase(LongName(other.name), wanted)) return &other.value;
  }
  return nullptr;
}

std::string_view MethodNameOf(const Message& message) {
  return message.method == Method::kUnknown ? std::string_view(message.method_name)
                                            : MethodName(message.method);
}

Message MakeResponse(const Message& request, int status, std::string_view to_tag,
                     std::string_view reason) {
  Message response;
  response.is_request = false;
  response.method = request.method;
  response.method_name = request.method_name;
  response.status = status;
  response.reason = reason.empty() ? DefaultReason(status) : reason;
  response.via = request.via;
  response.from = request.from;
  response.to = request.to;
  // A 100 needs no tag (RFC 3261 section 8.2.6.2).
  if (status > 100 && !to_tag.empty() && response.to.tag().empty()) response.to.set_tag(to_tag);
  response.call_id = request.call_id;
  response.cseq = request.cseq;
  if (status == 100) {
    // RFC 3261 section 8.2.6.1.
    if (const std::string* timestamp = request.Other("Timestamp")) {
      response.others.push_back({"Timestamp", *timestamp});
    }
  } else if (status < 300 && CreatesDialog(request.method)) {
    response.record_route = request.record_route;
  }
  return response;
}

std::string_view DefaultReason(int status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return status >= 100 && status < 700 ? kClasses[status / 100 - 1] : "Unknown";
}

}  // namespace sipctl::sip
