#include "sipctl/sip/message_lines.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "sipctl/sip/message_grammar.h"

namespace sipctl::sip {
namespace {

struct Name {
  std::string_view whole;
  char compact;  // 0: none
  Field field;
};

constexpr Name kFieldNames[] = {
    {"Via", 'v', Field::kVia},
    {"From", 'f', Field::kFrom},
    {"To", 't', Field::kTo},
    {"Call-ID", 'i', Field::kCallId},
    {"CSeq", 0, Field::kCSeq},
    {"Max-Forwards", 0, Field::kMaxForwards},
    {"Contact", 'm', Field::kContact},
    {"Route", 0, Field::kRoute},
    {"Record-Route", 0, Field::kRecordRoute},
    {"Require", 0, Field::kRequire},
    {"Proxy-Require", 0, Field::kProxyRequire},
    {"Supported", 'k', Field::kSupported},
    {"Unsupported", 0, Field::kUnsupported},
    {"Allow", 0, Field::kAllow},
    {"Accept", 0, Field::kAccept},
    {"Expires", 0, Field::kExpires},
    {"RSeq", 0, Field::kRSeq},
    {"RAck", 0, Field::kRAck},
    {"Retry-After", 0, Field::kRetryAfter},
    {"Content-Type", 'c', Field::kContentType},
    {"Content-Encoding", 'e', Field::kContentEncoding},
    {"Content-Length", 'l', Field::kContentLength},
    {"Accept-Contact", 'a', Field::kOther},
    {"Referred-By", 'b', Field::kOther},
    {"Request-Disposition", 'd', Field::kOther},
    {"Reject-Contact", 'j', Field::kOther},
    {"Identity-Info", 'n', Field::kOther},
    {"Event", 'o', Field::kOther},
    {"Refer-To", 'r', Field::kOther},
    {"Subject", 's', Field::kOther},
    {"Allow-Events", 'u', Field::kOther},
    {"Session-Expires", 'x', Field::kOther},
    {"Identity", 'y', Field::kOther},
};

const Name* NameOf(std::string_view name) {
  for (const Name& known : kFieldNames) {
    if (name.size() == 1 ? known.compact != 0 && Lower(name[0]) == known.compact
                         : EqualsIgnoringCase(known.whole, name)) {
      return &known;
    }
  }
  return nullptr;
}

// Where the line that begins at `begin` ends (at its LF), continuation lines included. These
// begin with white space (RFC 3261 section 7.3.1); the line break before them becomes spaces.
size_t EndOfLine(char* head, size_t begin, size_t size) {
  size_t from = begin;
  while (true) {
    const void* found = std::memchr(head + from, '\n', size - from);
    if (found == nullptr) return size;
    const auto end = static_cast<size_t>(static_cast<const char*>(found) - head);
    const bool continued = end > begin && end + 1 < size &&
                           (head[end + 1] == ' ' || head[end + 1] == '\t') &&
                           !(end == begin + 1 && head[begin] == '\r');
    if (!continued) return end;
    head[end] = ' ';
    if (head[end - 1] == '\r') head[end - 1] = ' ';
    from = end + 1;
  }
}

void AddField(std::string_view line, char* data, MessageLines* lines) {
  auto complain = [lines](std::string_view what) {
    if (lines->wrong.empty()) lines->wrong = what;
  };
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return complain(absl::StrCat("header line ", lines->fields.size() + 1, " has no colon"));
  }
  const std::string_view name = Trim(line.substr(0, colon));
  if (!IsToken(name)) {
    return complain(
        absl::StrCat("the name of header line ", lines->fields.size() + 1, " is no token"));
  }
  if (line.find('\0') != std::string_view::npos || line.find('\r') != std::string_view::npos) {
    return complain(absl::StrCat("NUL or lone CR in header field ", std::string(name)));
  }
  const std::string_view value = Trim(line.substr(colon + 1));
  data[value.data() + value.size() - data] = '\0';  // over white space or the end of the line
  lines->fields.push_back({FieldOf(name), name, value});
}

}  // namespace

Field FieldOf(std::string_view name) {
  const Name* known = NameOf(name);
  return known == nullptr ? Field::kOther : known->field;
}

std::string_view LongName(std::string_view name) {
  if (name.size() != 1) return name;
  const Name* known = NameOf(name);
  return known == nullptr ? name : known->whole;
}

size_t HeadSize(std::string_view bytes, size_t from) {
  for (size_t at = bytes.find('\n', from); at != bytes.npos; at = bytes.find('\n', at + 1)) {
    size_t next = at + 1;
    if (next < bytes.size() && bytes[next] == '\r') ++next;
    if (next < bytes.size() && bytes[next] == '\n') return next + 1;
  }
  return std::string_view::npos;
}

void SplitLines(std::string_view bytes, MessageLines* lines) {
  size_t head_size = HeadSize(bytes);
  const bool ended = head_size != std::string_view::npos;
  if (!ended) head_size = bytes.size();
  lines->rest = bytes.substr(head_size);
  if (ended) head_size = bytes.rfind('\n', head_size - 2) + 1;  // without the empty line
  lines->head.assign(bytes.data(), head_size);
  lines->head.push_back('\n');  // so that every value has room for its NUL
  lines->fields.reserve(24);

  char* const data = lines->head.data();
  for (size_t begin = 0; begin < head_size;) {
    const size_t end = EndOfLine(data, begin, head_size);
    size_t length = end - begin;
    if (length > 0 && data[begin + length - 1] == '\r') --length;
    const std::string_view line(data + begin, length);
    if (begin == 0) {
      lines->start = line;
      if (line.find('\0') != line.npos || line.find('\r') != line.npos) {
        lines->wrong = "NUL or lone CR in the start line";
      }
    } else {
      AddField(line, data, lines);
    }
    begin = end + 1;
  }
  if (!ended && lines->wrong.empty()) lines->wrong = "no empty line ends the header fields";
}

}  // namespace sipctl::sip
