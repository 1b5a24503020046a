#include "sipctl/sip/multipart.h"

#include <algorithm>
#include <string>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kDescription = "application/sdp";
constexpr size_t kBoundaryMax = 70;  // RFC 2046 section 5.1.1

bool IsMultipart(std::string_view type) {
  constexpr std::string_view kMultipart = "multipart/";
  return EqualsIgnoreCase(type.substr(0, kMultipart.size()), kMultipart);
}

// The value of ;name=value, without its quotes; the first one.
std::string ParameterOf(std::string_view parameters, std::string_view wanted) {
  size_t at = 0;
  while (at < parameters.size()) {
    const size_t begin = parameters.find(';', at);
    if (begin == parameters.npos) break;
    // A semicolon in quotes ends nothing.
    bool quoted = false;
    size_t end = begin + 1;
    for (; end < parameters.size() && (quoted || parameters[end] != ';'); ++end) {
      if (parameters[end] == '\\' && quoted)
        ++end;
      else if (parameters[end] == '"')
        quoted = !quoted;
    }
    end = std::min(end, parameters.size());
    const std::string_view one = parameters.substr(begin + 1, end - begin - 1);
    at = end;
    const size_t equals = one.find('=');
    if (equals == one.npos || !EqualsIgnoreCase(Strip(one.substr(0, equals)), wanted)) continue;
    std::string_view value = Strip(one.substr(equals + 1));
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
    value = value.substr(1, value.size() - 2);
    std::string plain;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      plain += value[i];
    }
    return plain;
  }
  return {};
}

// The next line, without its end; `left` begins behind it.
std::string_view TakeLine(std::string_view* left) {
  const size_t end = left->find('\n');
  std::string_view line = left->substr(0, end);
  left->remove_prefix(end == left->npos ? left->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Headers, an empty line, the body. A folded line goes on with the header before it, of which we
// need no second line.
Part ReadPart(std::string_view text) {
  Part part;
  while (!text.empty()) {
    const std::string_view line = TakeLine(&text);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == line.npos || line[0] == ' ' || line[0] == '\t') continue;
    const std::string_view name = Strip(line.substr(0, colon));
    const std::string_view value = Strip(line.substr(colon + 1));
    if (EqualsIgnoreCase(name, "Content-Type") || EqualsIgnoreCase(name, "c")) {
      part.content_type = value;
    } else if (EqualsIgnoreCase(name, "Content-Disposition")) {
      part.disposition = value;
    } else if (EqualsIgnoreCase(name, "Content-Transfer-Encoding")) {
      part.transfer_encoding = value;
    } else if (EqualsIgnoreCase(name, "Content-Encoding") || EqualsIgnoreCase(name, "e")) {
      part.content_encoding = value;
    }
  }
  part.body = text;
  return part;
}

// A delimiter stands at the beginning of a line, and only white space behind it; "--" says that it
// is the last one.
struct Delimiter {
  size_t begin = 0;  // of the line end before it
  size_t end = 0;    // behind its own line
  bool last = false;
};

std::optional<Delimiter> FindDelimiter(std::string_view body, std::string_view dashed,
                                       size_t from) {
  for (size_t at = body.find(dashed, from); at != body.npos; at = body.find(dashed, at + 1)) {
    if (at > 0 && body[at - 1] != '\n') continue;
    const size_t line_end = std::min(body.find('\n', at), body.size());
    std::string_view rest = body.substr(at + dashed.size(), line_end - at - dashed.size());
    const bool last = rest.starts_with("--");
    if (last) rest.remove_prefix(2);
    if (!Strip(rest).empty()) continue;  // a longer boundary
    size_t begin = at;
    if (begin > from && body[begin - 1] == '\n') --begin;
    if (begin > from && body[begin - 1] == '\r') --begin;
    return Delimiter{.begin = begin, .end = std::min(line_end + 1, body.size()), .last = last};
  }
  return std::nullopt;
}

// As we can read it: neither packed nor written in another alphabet.
bool IsPlain(const Part& part) {
  const auto is_one_of = [](std::string_view value, std::initializer_list<std::string_view> words) {
    return value.empty() || std::any_of(words.begin(), words.end(), [&](std::string_view word) {
             return EqualsIgnoreCase(value, word);
           });
  };
  return is_one_of(part.transfer_encoding, {"7bit", "8bit", "binary"}) &&
         is_one_of(part.content_encoding, {"identity"});
}

bool MustBeUnderstood(const Part& part) {
  return EqualsIgnoreCase(ParameterOf(part.disposition, "handling"), "required");
}

// Not one for early media alone (RFC 3959), nor one to be shown.
bool IsOfTheSession(const Part& part) {
  const std::string_view use =
      StripTrailing(part.disposition.substr(0, part.disposition.find(';')));
  return use.empty() || EqualsIgnoreCase(use, "session");
}

// What was found on the way through the parts, in their order.
struct Search {
  std::optional<std::string_view> description;
  bool required = false;  // something that we do not understand
  bool malformed = false;
};

void SearchParts(std::string_view type, std::string_view parameters, std::string_view body,
                 size_t depth, Search* search) {
  const auto parts = SplitParts(parameters, body);
  if (!parts || depth > kPartDepthMax) {
    search->malformed = true;
    return;
  }
  // Of alternatives the last one that is understood is the best (RFC 2046 section 5.1.4), and the
  // others need not be.
  const bool alternative = EqualsIgnoreCase(type, "multipart/alternative");
  for (const Part& part : *parts) {
    const std::string_view own = part.type();
    std::optional<std::string_view> description;
    if (EqualsIgnoreCase(own, kDescription) && IsPlain(part) && IsOfTheSession(part)) {
      description = part.body;
    } else if (IsMultipart(own) && IsPlain(part)) {
      Search inside;
      SearchParts(own, part.content_type.substr(own.size()), part.body, depth + 1, &inside);
      description = inside.description;
      search->required |= inside.required;
      search->malformed |= inside.malformed;
    } else if (MustBeUnderstood(part) && !alternative) {
      search->required = true;
    }
    if (description && (!search->description || alternative)) search->description = description;
  }
}

}  // namespace

std::string_view Part::type() const {
  return StripTrailing(content_type.substr(0, content_type.find(';')));
}

std::optional<std::vector<Part>> SplitParts(std::string_view content_type_parameters,
                                            std::string_view body) {
  const std::string boundary = ParameterOf(content_type_parameters, "boundary");
  if (boundary.empty() || boundary.size() > kBoundaryMax) return std::nullopt;
  const std::string dashed = Concat("--", boundary);
  std::vector<Part> parts;
  std::optional<Delimiter> delimiter = FindDelimiter(body, dashed, 0);
  while (delimiter && !delimiter->last) {
    const auto next = FindDelimiter(body, dashed, delimiter->end);
    if (!next || parts.size() == kPartsMax) return std::nullopt;
    parts.push_back(ReadPart(body.substr(delimiter->end, next->begin - delimiter->end)));
    delimiter = next;
  }
  if (!delimiter || parts.empty()) return std::nullopt;
  return parts;
}

BodyVerdict TakeDescription(Message* message) {
  if (!IsMultipart(message->content_type)) return BodyVerdict::kWhole;
  Search search;
  SearchParts(message->content_type, message->content_type_parameters, message->body, 1, &search);
  if (search.malformed) return BodyVerdict::kMalformed;
  if (search.required) return BodyVerdict::kRequired;
  std::string description(search.description.value_or(std::string_view()));
  // The line end before a delimiter is the delimiter's (RFC 2046), but the last line of a
  // description needs its own (RFC 8866 section 9).
  if (!description.empty() && !description.ends_with('\n')) description += "\r\n";
  message->content_type = description.empty() ? "" : std::string(kDescription);
  message->content_type_parameters.clear();
  message->body = std::move(description);
  return BodyVerdict::kTaken;
}

}  // namespace sipctl::sip
