#include "sipctl/call/cdr.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sipctl::call {

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

namespace {

std::string LegJson(const CdrLeg& leg, bool counted) {
  std::string json = "{\"trunk\":" + JsonString(leg.trunk) +
                     ",\"call_id\":" + JsonString(leg.call_id) +
                     ",\"codec\":" + JsonString(leg.codec) + ",\"srtp\":" + JsonString(leg.srtp);
  if (counted) {
    absl::StrAppend(&json, ",\"received_packets\":", leg.received_packets,
                    ",\"sent_packets\":", leg.sent_packets,
                    ",\"dropped_packets\":", leg.dropped_packets,
                    ",\"lost_packets\":", leg.lost_packets, ",\"jitter_us\":", leg.jitter_us);
  }
  if (!leg.digits.empty()) {
    json += ",\"digits\":[";
    for (const CdrDigit& digit : leg.digits) {
      if (&digit != &leg.digits.front()) json += ",";
      absl::StrAppend(&json, "{\"digit\":", JsonString(std::string(1, digit.name)),
                      ",\"ms\":", digit.duration_ms, "}");
    }
    json += "]";
  }
  if (!leg.headers.empty()) {
    json += ",\"headers\":[";
    for (const auto& [name, value] : leg.headers) {
      if (&name != &leg.headers.front().first) json += ",";
      json += "[" + JsonString(name) + "," + JsonString(value) + "]";
    }
    json += "]";
  }
  return json + "}";
}

}  // namespace

std::string ToJson(const Cdr& cdr) {
  std::string json;
  absl::StrAppend(&json, "{\"call\":", cdr.call, ",\"started_unix_ms\":", cdr.started_unix_ms);
  json += ",\"from\":" + JsonString(cdr.caller) + ",\"to\":" + JsonString(cdr.called) +
          ",\"sent_to\":" + JsonString(cdr.sent);
  json += ",\"answered\":";
  json += cdr.answered ? "true" : "false";
  absl::StrAppend(&json, ",\"status\":", cdr.status, ",\"setup_ms\":", cdr.setup_ms,
                  ",\"duration_ms\":", cdr.duration_ms);
  json += ",\"ended_by\":" + JsonString(cdr.ended_by) + ",\"reason\":" + JsonString(cdr.reason);
  json += ",\"codec\":" + JsonString(cdr.codec);
  json += ",\"media_counted\":";
  json += cdr.media_counted ? "true" : "false";
  json += ",\"legs\":[" + LegJson(cdr.legs[0], cdr.media_counted) + "," +
          LegJson(cdr.legs[1], cdr.media_counted) + "]}";
  return json;
}

}  // namespace sipctl::call
