#include "sipctl/sdp/format.h"

#include <algorithm>

#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

constexpr uint32_t kClockRateHz = 8000;

struct StaticType {
  uint8_t payload_type;
  Codec codec;
};
// RFC 3551 section 6: these need no rtpmap.
constexpr StaticType kStaticTypes[] = {
    {0, Codec::kPcmu}, {8, Codec::kPcma}, {13, Codec::kComfortNoise}};

std::optional<Codec> CodecOf(const Media& media, uint8_t payload_type) {
  if (const std::optional<RtpMap> map = media.rtpmap(payload_type); map.has_value()) {
    if (map->clock_rate_hz != kClockRateHz || map->channels != 1) return std::nullopt;
    return CodecByName(map->encoding);
  }
  for (const StaticType& type : kStaticTypes) {
    if (type.payload_type == payload_type) return type.codec;
  }
  return std::nullopt;
}

}  // namespace

bool HasSpeech(const std::vector<Format>& formats) {
  return std::any_of(formats.begin(), formats.end(),
                     [](const Format& format) { return IsSpeech(format.codec); });
}

std::string_view CodecName(Codec codec) {
  switch (codec) {
    case Codec::kPcma:
      return "PCMA";
    case Codec::kPcmu:
      return "PCMU";
    case Codec::kTelephoneEvent:
      return "telephone-event";
    case Codec::kComfortNoise:
      return "CN";
  }
  return "";
}

std::optional<Codec> CodecByName(std::string_view name) {
  for (const Codec codec :
       {Codec::kPcma, Codec::kPcmu, Codec::kTelephoneEvent, Codec::kComfortNoise}) {
    if (EqualsIgnoreCase(name, CodecName(codec))) return codec;
  }
  return std::nullopt;
}

Events DefaultEvents() {
  Events events;
  for (size_t event = 0; event <= 16; ++event) events.set(event);
  return events;
}

std::optional<Events> ParseEvents(std::string_view text) {
  Events events;
  for (std::string_view range : Split(text, ',')) {
    range = Strip(range);
    const size_t dash = range.find('-');
    const std::optional<uint8_t> first = ParseNumber<uint8_t>(range.substr(0, dash));
    const std::optional<uint8_t> last =
        dash == std::string_view::npos ? first : ParseNumber<uint8_t>(range.substr(dash + 1));
    if (!first.has_value() || !last.has_value() || *last < *first) return std::nullopt;
    for (size_t event = *first; event <= *last; ++event) events.set(event);
  }
  return events;
}

std::string FormatEvents(const Events& events) {
  std::string text;
  for (size_t first = 0; first < events.size(); ++first) {
    if (!events[first]) continue;
    size_t last = first;
    while (last + 1 < events.size() && events[last + 1]) ++last;
    text += Concat(text.empty() ? "" : ",", first);
    if (last > first) text += Concat("-", last);
    first = last;
  }
  return text;
}

std::vector<Format> KnownFormats(const Media& media) {
  std::vector<Format> known;
  for (const std::string& text : media.formats) {
    const std::optional<uint8_t> payload_type = ParseNumber<uint8_t>(text);
    if (!payload_type.has_value() || *payload_type > 127) continue;
    if (text.size() > 1 && text.front() == '0') continue;  // "00" is no number we would write
    const std::optional<Codec> codec = CodecOf(media, *payload_type);
    if (!codec.has_value()) continue;
    if (std::any_of(known.begin(), known.end(), [&](const Format& format) {
          return format.codec == *codec || format.payload_type == *payload_type;
        })) {
      continue;
    }
    Format format{*codec, *payload_type, {}};
    if (*codec == Codec::kTelephoneEvent) {
      // Without fmtp, events 0-15 are meant (RFC 4733 section 2.4.1).
      const std::optional<std::string_view> fmtp = media.fmtp(*payload_type);
      const std::optional<Events> events =
          fmtp.has_value() ? ParseEvents(*fmtp) : std::optional<Events>();
      format.events = events.value_or(*ParseEvents("0-15"));
    }
    known.push_back(format);
  }
  return known;
}

}  // namespace sipctl::sdp
