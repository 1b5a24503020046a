#include "relay/tools/relaystat_views.h"

#include <cctype>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "relay/address_text.h"

namespace relay::tools {
namespace {

std::string EndpointText(const abi::Address& address, uint16_t port) {
  if (port == 0) return "-";
  const std::string host = AddressText(address);
  return address.IsIpv4() ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

std::string LocalText(const Snapshot& snapshot, abi::LocalEndpoint local) {
  if (local.address >= snapshot.addresses.size()) return "?";
  return EndpointText(snapshot.addresses[local.address].address, local.port);
}

// Labels come from a client: only what a terminal shows harmlessly.
std::string LabelText(const char (&label)[16]) {
  std::string text;
  for (const char c : label) {
    if (c == '\0') break;
    text += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  }
  return text;
}

// "-" for plain RTP.
const char* SrtpText(abi::SrtpSuite suite) {
  const bool known =
      suite != abi::SrtpSuite::kNone && static_cast<uint8_t>(suite) < abi::kSrtpSuiteCount;
  return known ? abi::FactsOf(suite).name : "-";
}

const char* CodecText(abi::Codec codec) {
  switch (codec) {
    case abi::Codec::kPcmu:
      return "PCMU";
    case abi::Codec::kPcma:
      return "PCMA";
    case abi::Codec::kTelephoneEvent:
      return "telephone-event";
    case abi::Codec::kComfortNoise:
      return "CN";
    case abi::Codec::kOpaque:
      return "other";
    case abi::Codec::kNone:
      break;
  }
  return "-";
}

const abi::Endpoint& RemoteOf(const LegView& leg) {
  return leg.statistics.remote.port != 0 ? leg.statistics.remote : leg.record.remote_signalled;
}

}  // namespace

Snapshot Take(const abi::Attachment& relay, uint64_t now_ns) {
  const abi::StateHeader& header = relay.state();
  Snapshot snapshot;
  snapshot.relay_pid = header.relay_pid;
  snapshot.uptime_s = static_cast<double>(now_ns - header.started_ns) / 1e9;
  snapshot.draining = relay.Draining();
  snapshot.workers = header.workers;
  snapshot.addresses.assign(relay.addresses().begin(), relay.addresses().end());
  snapshot.placement.assign(header.workers, 0);
  for (const uint8_t worker : relay.placement().table) {
    if (worker < header.workers) ++snapshot.placement[worker];
  }
  snapshot.counters.assign(abi::kCounterCount, 0);
  for (const abi::CounterBlock& block : relay.counters()) {
    for (uint16_t i = 0; i < abi::kCounterCount; ++i) {
      snapshot.counters[i] += block.Read(static_cast<abi::Counter>(i));
    }
  }
  for (uint32_t index = 0; index < header.sessions_max; ++index) {
    abi::SessionRecord record;
    if (!relay.ReadSession(index, &record)) continue;
    SessionView view{.session = record.session,
                     .client_slot = record.client_slot,
                     .age_s = static_cast<double>(now_ns - record.opened_ns) / 1e9,
                     .legs = {}};
    for (uint8_t number = 0; number < abi::kLegsPerSession; ++number) {
      const abi::LegRecord& leg = record.legs[number];
      if (leg.state != abi::LegState::kOpen) continue;
      LegView leg_view{.number = number, .record = leg, .statistics = {}};
      relay.ReadStatistics(leg.statistics, &leg_view.statistics);
      view.legs.push_back(leg_view);
    }
    snapshot.sessions.push_back(std::move(view));
  }
  return snapshot;
}

std::string Text(const Snapshot& snapshot, bool all) {
  std::string text =
      absl::StrFormat("relay %d, up %.0f s%s, %d sessions\n", snapshot.relay_pid, snapshot.uptime_s,
                      snapshot.draining ? ", draining" : "", snapshot.sessions.size());
  for (const abi::LocalAddress& address : snapshot.addresses) {
    absl::StrAppend(&text, "listen ", ListenText(address), "\n");
  }
  for (size_t worker = 0; worker < snapshot.placement.size(); ++worker) {
    absl::StrAppendFormat(&text, "worker %d: %d of %d port pairs\n", worker,
                          snapshot.placement[worker], abi::kPlacementEntries);
  }
  absl::StrAppend(&text, "\n");
  for (uint16_t i = 0; i < abi::kCounterCount; ++i) {
    if (snapshot.counters[i] == 0 && !all) continue;
    absl::StrAppendFormat(&text, "%-22s %14d  %s\n", abi::kCounterTexts[i].name,
                          snapshot.counters[i], abi::kCounterTexts[i].sentence);
  }
  if (snapshot.sessions.empty()) return text;
  absl::StrAppendFormat(&text, "\n%-18s %3s %-22s %-22s %10s %10s %7s %9s %-6s %7s %-24s %s\n",
                        "session", "leg", "local", "remote", "received", "sent", "lost",
                        "jitter ms", "codec", "age s", "srtp", "label");
  for (const SessionView& session : snapshot.sessions) {
    for (const LegView& leg : session.legs) {
      const abi::Endpoint& remote = RemoteOf(leg);
      absl::StrAppendFormat(
          &text, "%-18x %3d %-22s %-22s %10d %10d %7d %9.2f %-6s %7.0f %-24s %s\n", session.session,
          leg.number, LocalText(snapshot, leg.record.local),
          EndpointText(remote.address, remote.port), leg.statistics.received_packets,
          leg.statistics.sent_packets, leg.statistics.lost_packets,
          leg.statistics.jitter_us / 1000.0, CodecText(leg.record.codec), session.age_s,
          SrtpText(leg.record.srtp), LabelText(leg.record.label));
    }
  }
  return text;
}

std::string Json(const Snapshot& snapshot) {
  using nlohmann::ordered_json;
  ordered_json root;
  root["relay_pid"] = snapshot.relay_pid;
  root["uptime_s"] = snapshot.uptime_s;
  root["draining"] = snapshot.draining;
  root["listen"] = ordered_json::array();
  for (const abi::LocalAddress& address : snapshot.addresses) {
    root["listen"].push_back(ListenText(address));
  }
  root["placement"] = {{"workers", snapshot.workers}, {"pairs", snapshot.placement}};
  for (uint16_t i = 0; i < abi::kCounterCount; ++i) {
    root["counters"][abi::kCounterTexts[i].name] = snapshot.counters[i];
  }
  root["sessions"] = ordered_json::array();
  for (const SessionView& session : snapshot.sessions) {
    ordered_json legs = ordered_json::array();
    for (const LegView& leg : session.legs) {
      const abi::LegStatistics& numbers = leg.statistics;
      const abi::Endpoint& remote = RemoteOf(leg);
      legs.push_back({{"leg", leg.number},
                      {"label", LabelText(leg.record.label)},
                      {"local", LocalText(snapshot, leg.record.local)},
                      {"remote", EndpointText(remote.address, remote.port)},
                      {"worker", leg.record.worker},
                      {"codec", CodecText(leg.record.codec)},
                      {"srtp", SrtpText(leg.record.srtp)},
                      {"rtcp_mux", leg.record.rtcp_mux != 0},
                      {"received_packets", numbers.received_packets},
                      {"received_bytes", numbers.received_bytes},
                      {"sent_packets", numbers.sent_packets},
                      {"sent_bytes", numbers.sent_bytes},
                      {"dropped_packets", numbers.dropped_packets},
                      {"expected_packets", numbers.expected_packets},
                      {"duplicate_packets", numbers.duplicate_packets},
                      {"reordered_packets", numbers.reordered_packets},
                      {"lost_packets", numbers.lost_packets},
                      {"jitter_ms", numbers.jitter_us / 1000.0},
                      {"rtcp_received_packets", numbers.rtcp_received_packets},
                      {"rtcp_sent_packets", numbers.rtcp_sent_packets},
                      {"payload_type_received", numbers.payload_type_received},
                      {"payload_type_sent", numbers.payload_type_sent},
                      {"ssrc_received", numbers.ssrc_received},
                      {"ssrc_sent", numbers.ssrc_sent}});
    }
    root["sessions"].push_back({{"session", session.session},
                                {"client_slot", session.client_slot},
                                {"age_s", session.age_s},
                                {"legs", std::move(legs)}});
  }
  return root.dump(2) + "\n";
}

}  // namespace relay::tools
