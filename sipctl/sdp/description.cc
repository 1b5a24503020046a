#include "sipctl/sdp/description.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

const Line* FindLine(const std::vector<Line>& lines, char type) {
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [type](const Line& line) { return line.type == type; });
  return found == lines.end() ? nullptr : &*found;
}

std::optional<Connection> ParseConnection(const Line* line) {
  if (line == nullptr) return std::nullopt;
  const std::vector<std::string_view> words = Words(line->value);
  if (words.size() < 3 || !EqualsIgnoreCase(words[0], "IN")) return std::nullopt;
  return Connection{std::string(words[1]), std::string(words[2].substr(0, words[2].find('/'))),
                    line->number};
}

std::optional<Direction> FindDirection(const std::vector<Line>& lines) {
  for (const Direction direction :
       {Direction::kSendRecv, Direction::kSendOnly, Direction::kRecvOnly, Direction::kInactive}) {
    if (FindAttribute(lines, DirectionName(direction)).has_value()) return direction;
  }
  return std::nullopt;
}

std::optional<uint32_t> FindNumber(const std::vector<Line>& lines, std::string_view name) {
  const std::optional<std::string_view> value = FindAttribute(lines, name);
  if (!value.has_value()) return std::nullopt;
  // Some phones write "20.0" or "20 ".
  return ParseNumber<uint32_t>(value->substr(0, value->find_first_of(". ")));
}

// The value of the first `name` attribute that begins with "payload_type ".
std::optional<std::string_view> FindOfPayloadType(const std::vector<Line>& lines,
                                                  std::string_view name, uint8_t payload_type) {
  for (const std::string_view value : FindAttributes(lines, name)) {
    const size_t space = value.find_first_of(" \t");
    if (space == std::string_view::npos) continue;
    if (ParseNumber<uint8_t>(value.substr(0, space)) != payload_type) continue;
    const size_t rest = value.find_first_not_of(" \t", space);
    if (rest != std::string_view::npos) return value.substr(rest);
  }
  return std::nullopt;
}

}  // namespace

std::string_view DirectionName(Direction direction) {
  constexpr std::array<std::string_view, 4> kNames = {"inactive", "sendonly", "recvonly",
                                                      "sendrecv"};
  return kNames[static_cast<size_t>(direction)];
}

Direction Mirror(Direction direction) {
  switch (direction) {
    case Direction::kSendOnly:
      return Direction::kRecvOnly;
    case Direction::kRecvOnly:
      return Direction::kSendOnly;
    default:
      return direction;
  }
}

Direction Intersect(Direction a, Direction b) {
  // The values are two bits: 1 = sends, 2 = receives.
  return static_cast<Direction>(static_cast<uint8_t>(a) & static_cast<uint8_t>(b));
}

std::vector<std::string_view> FindAttributes(const std::vector<Line>& lines,
                                             std::string_view name) {
  std::vector<std::string_view> values;
  for (const Line& line : lines) {
    if (line.type != 'a') continue;
    const std::string_view text = line.value;
    const size_t colon = text.find(':');
    if (text.substr(0, colon) != name) continue;
    values.push_back(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  }
  return values;
}

std::optional<std::string_view> FindAttribute(const std::vector<Line>& lines,
                                              std::string_view name) {
  const std::vector<std::string_view> values = FindAttributes(lines, name);
  if (values.empty()) return std::nullopt;
  return values.front();
}

bool Media::operator==(const Media& other) const {
  return kind == other.kind && port == other.port && port_count == other.port_count &&
         protocol == other.protocol && formats == other.formats && lines == other.lines;
}

std::optional<Connection> Media::connection() const {
  return ParseConnection(FindLine(lines, 'c'));
}

std::optional<Direction> Media::direction() const {
  return FindDirection(lines);
}

std::optional<RtpMap> Media::rtpmap(uint8_t payload_type) const {
  const std::optional<std::string_view> value = FindOfPayloadType(lines, "rtpmap", payload_type);
  if (!value.has_value()) return std::nullopt;
  const std::vector<std::string_view> parts = Split(*value, '/');
  if (parts.size() < 2) return std::nullopt;
  const std::optional<uint32_t> clock_rate = ParseNumber<uint32_t>(parts[1]);
  const std::optional<uint32_t> channels =
      parts.size() > 2 ? ParseNumber<uint32_t>(parts[2]) : std::optional<uint32_t>(1);
  if (!clock_rate.has_value() || !channels.has_value()) return std::nullopt;
  return RtpMap{payload_type, std::string(parts[0]), *clock_rate, *channels};
}

std::optional<std::string_view> Media::fmtp(uint8_t payload_type) const {
  return FindOfPayloadType(lines, "fmtp", payload_type);
}

std::optional<uint32_t> Media::ptime_ms() const {
  return FindNumber(lines, "ptime");
}
std::optional<uint32_t> Media::maxptime_ms() const {
  return FindNumber(lines, "maxptime");
}

std::optional<RtcpAttribute> Media::rtcp() const {
  const std::optional<std::string_view> value = FindAttribute(lines, "rtcp");
  if (!value.has_value()) return std::nullopt;
  const std::vector<std::string_view> words = Words(*value);
  if (words.empty()) return std::nullopt;
  const std::optional<uint16_t> number = ParseNumber<uint16_t>(words[0]);
  if (!number.has_value()) return std::nullopt;
  RtcpAttribute attribute{*number, std::nullopt};
  if (words.size() >= 4) attribute.host = std::string(words[3]);
  return attribute;
}

std::optional<Origin> Description::origin() const {
  const Line* line = FindLine(lines, 'o');
  if (line == nullptr) return std::nullopt;
  const std::vector<std::string_view> words = Words(line->value);
  if (words.size() < 6) return std::nullopt;
  return Origin{std::string(words[0]), std::string(words[1]), std::string(words[2]),
                std::string(words[4]), std::string(words[5])};
}

std::optional<Connection> Description::connection() const {
  return ParseConnection(FindLine(lines, 'c'));
}

std::optional<Direction> Description::direction() const {
  return FindDirection(lines);
}

std::optional<Connection> Description::ConnectionOf(const Media& section) const {
  const std::optional<Connection> own = section.connection();
  return own.has_value() ? own : connection();
}

Direction Description::DirectionOf(const Media& section) const {
  return section.direction().value_or(direction().value_or(Direction::kSendRecv));
}

}  // namespace sipctl::sdp
