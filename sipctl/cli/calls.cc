#include "sipctl/cli/calls.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sipctl/cli/control.h"

namespace sipctl::cli {

namespace {

const char* StateName(const call::Call::View& view) {
  switch (view.phase) {
    case call::Phase::kPreparing:
      return "preparing";
    case call::Phase::kInviting:
      return "ringing";
    case call::Phase::kEstablished:
      return "talking";
    case call::Phase::kEnded:
      break;
  }
  return "ended";
}

// A leg that the relay does not have (yet) counts nothing.
relay::abi::LegStatistics LegOf(const media::RelayClient::LegTable& media, uint64_t call,
                                size_t leg) {
  const auto found = media.find(call);
  if (found == media.end() || leg >= found->second.size()) return {};
  return found->second[leg];
}

std::string Duration(int64_t ms) {
  return absl::StrFormat("%d:%02d:%02d", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60);
}

}  // namespace

int RunCalls(const CallsOptions& options, std::ostream& out, std::ostream& errors) {
  return PrintAnswer(options.control, options.json ? "calls json" : "calls", out, errors);
}

std::string CallsText(const std::vector<call::Call::View>& calls,
                      const media::RelayClient::LegTable& media) {
  std::string text =
      absl::StrFormat("%-18s %-16s %-16s %-25s %-9s %8s %-5s %17s %17s\n", "CALL", "FROM", "TO",
                      "TRUNKS", "STATE", "TIME", "CODEC", "CALLER IN/OUT", "CALLEE IN/OUT");
  for (const call::Call::View& view : calls) {
    const auto a = LegOf(media, view.number, 0), b = LegOf(media, view.number, 1);
    absl::StrAppendFormat(&text, "%-18d %-16.16s %-16.16s %-25.25s %-9s %8s %-5s %17s %17s\n",
                          view.number, view.from, view.to, view.source + " > " + view.destination,
                          StateName(view), Duration(view.answered ? view.duration_ms : view.age_ms),
                          view.codec, absl::StrCat(a.received_packets, "/", a.sent_packets),
                          absl::StrCat(b.received_packets, "/", b.sent_packets));
  }
  absl::StrAppend(&text, calls.size(), calls.size() == 1 ? " call\n" : " calls\n");
  return text;
}

std::string CallsJson(const std::vector<call::Call::View>& calls,
                      const media::RelayClient::LegTable& media) {
  std::string json = "{\"calls\":[";
  for (const call::Call::View& view : calls) {
    if (&view != &calls.front()) json += ",";
    absl::StrAppend(&json, "\n{\"call\":", view.number);
    json += ",\"from\":" + call::JsonString(view.from) + ",\"to\":" + call::JsonString(view.to) +
            ",\"source\":" + call::JsonString(view.source) +
            ",\"destination\":" + call::JsonString(view.destination);
    absl::StrAppend(&json, ",\"state\":\"", StateName(view), "\",\"age_ms\":", view.age_ms,
                    ",\"duration_ms\":", view.duration_ms);
    json += ",\"codec\":" + call::JsonString(view.codec) +
            ",\"caller_digits\":" + call::JsonString(view.digits[0]) +
            ",\"callee_digits\":" + call::JsonString(view.digits[1]) + ",\"legs\":[";
    for (size_t i = 0; i < 2; ++i) {
      const auto leg = LegOf(media, view.number, i);
      absl::StrAppend(
          &json, i == 0 ? "" : ",", "{\"received_packets\":", leg.received_packets,
          ",\"sent_packets\":", leg.sent_packets, ",\"dropped_packets\":", leg.dropped_packets,
          ",\"lost_packets\":", leg.lost_packets, ",\"jitter_us\":", leg.jitter_us, "}");
    }
    json += "]}";
  }
  return json + "]}\n";
}

}  // namespace sipctl::cli
