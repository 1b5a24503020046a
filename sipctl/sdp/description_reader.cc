// The tolerant half of description.h.
#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "sipctl/sdp/description.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

absl::Status Refuse(size_t line, std::string_view why) {
  return absl::InvalidArgumentError(Concat("SDP line ", line, ": ", why));
}

// m=audio 49170/2 RTP/AVP 8 0 101
absl::StatusOr<Media> ParseMedia(std::string_view value, uint16_t number) {
  const std::vector<std::string_view> words = Words(value);
  if (words.size() < 4) {
    return Refuse(number, "m= needs a kind, a port, a protocol and a format");
  }
  if (words.size() - 3 > kFormatsMax) {
    return Refuse(number, Concat("m= names more than ", kFormatsMax, " formats"));
  }
  Media media;
  media.kind = std::string(words[0]);
  media.protocol = std::string(words[2]);
  media.formats.assign(words.begin() + 3, words.end());
  media.line = number;
  const size_t slash = words[1].find('/');
  const std::optional<uint16_t> port = ParseNumber<uint16_t>(words[1].substr(0, slash));
  const std::optional<uint16_t> count = slash == std::string_view::npos
                                            ? std::optional<uint16_t>(1)
                                            : ParseNumber<uint16_t>(words[1].substr(slash + 1));
  if (!port.has_value() || count.value_or(0) == 0) {
    return Refuse(number, Concat("m= needs a port from 0 to 65535, not '", words[1], "'"));
  }
  media.port = *port;
  media.port_count = *count;
  return media;
}

// Lines whose meaning we must be able to rely on.
absl::Status Check(const Line& line) {
  const std::vector<std::string_view> words = Words(line.value);
  if (line.type == 'o' && words.size() < 6) {
    return Refuse(line.number, "o= needs user, session, version, IN, IP4 or IP6, and an address");
  }
  if (line.type == 'c' &&
      (words.size() < 3 || !EqualsIgnoreCase(words[0], "IN") ||
       (!EqualsIgnoreCase(words[1], "IP4") && !EqualsIgnoreCase(words[1], "IP6")))) {
    return Refuse(line.number, "c= needs IN, IP4 or IP6, and an address");
  }
  return absl::OkStatus();
}

absl::Status AddLine(Line line, Description* description) {
  if (line.type == 'm') {
    if (description->media.size() == kMediaMax) {
      return Refuse(line.number, Concat("more than ", kMediaMax, " m= lines"));
    }
    absl::StatusOr<Media> media = ParseMedia(line.value, line.number);
    if (!media.ok()) return media.status();
    description->media.push_back(*std::move(media));
    return absl::OkStatus();
  }
  if (absl::Status status = Check(line); !status.ok()) return status;
  auto& lines = description->media.empty() ? description->lines : description->media.back().lines;
  const bool once = line.type == 'v' || line.type == 'o';
  if (once && (!description->media.empty() ||
               std::any_of(lines.begin(), lines.end(),
                           [&line](const Line& other) { return other.type == line.type; }))) {
    return Refuse(line.number, Concat("a second ", line.type, "= line"));
  }
  lines.push_back(std::move(line));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Description> Parse(std::string_view body) {
  if (body.size() > kBytesMax) {
    return absl::InvalidArgumentError(
        Concat("SDP of ", body.size(), " bytes; at most ", kBytesMax, " are read"));
  }
  Description description;
  size_t number = 0;
  while (!body.empty()) {
    ++number;
    const size_t end = body.find('\n');
    std::string_view text = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    // Also takes the CR, and the spaces some stacks leave before it.
    text = StripTrailing(text);
    if (text.empty()) continue;
    if (number > kLinesMax) return Refuse(number, Concat("more than ", kLinesMax, " lines"));
    if (text.size() > kLineBytesMax) {
      return Refuse(number, Concat("longer than ", kLineBytesMax, " bytes"));
    }
    if (text.size() < 2 || text[1] != '=' || !IsAlpha(text[0])) {
      return Refuse(number, "not of the form x=value");
    }
    if (text.find_first_of(std::string_view("\0\r", 2)) != std::string_view::npos) {
      return Refuse(number, "a NUL or a CR inside a line");
    }
    if (description.lines.empty() && description.media.empty() && text[0] != 'v') {
      return Refuse(number, "a description begins with v=0");
    }
    Line line{text[0], std::string(text.substr(2)), static_cast<uint16_t>(number)};
    if (absl::Status status = AddLine(std::move(line), &description); !status.ok()) return status;
  }
  if (description.lines.empty()) return absl::InvalidArgumentError("SDP: the body is empty");
  if (description.lines.front().value != "0") {
    return Refuse(description.lines.front().number, "the version must be v=0");
  }
  if (!description.origin().has_value()) {
    return absl::InvalidArgumentError("SDP: there is no o= line");
  }
  return description;
}

}  // namespace sipctl::sdp
