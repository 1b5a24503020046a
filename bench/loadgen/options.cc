#include "bench/loadgen/options.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/abi/placement.h"

namespace bench::loadgen {

using relay::NumberInto;
using relay::OptionRow;
using relay::SwitchInto;
using relay::TextInto;

namespace {

constexpr uint64_t kRateMax = 1'000'000'000;  // packets/s

absl::Status TakeMode(std::string_view text, CallMedia* media) {
  const auto named = CallMediaOf(text);
  if (named.ok()) *media = *named;
  return named.status();
}

// Whose calls, and how packets leave and come back.
std::vector<OptionRow> RoadRows(Options* o) {
  FarEnd& far = o->pump.far;
  return {
      {"--relay", "SOCKET", "", "Programs the calls into the relay behind this socket.", false,
       TextInto(&o->relay)},
      {"--streams", "FILE", "", "Uses calls opened by others: lines ADDRESS PORT_A PORT_B.", false,
       TextInto(&o->list)},
      {"--far", "ADDRESS", far.address, "Our own address, that of both far parties.", false,
       TextInto(&far.address)},
      {"--port", "N", absl::StrCat(far.port_first), "Our first UDP port, even.", false,
       NumberInto(&far.port_first, 1, 65535)},
      {"--sockets", "N", absl::StrCat(far.sockets), "Sockets a side.", false,
       NumberInto(&far.sockets, 1, 16384)},
      {"--device", "NAME", "",
       "Sends and takes frames at this network device, past the kernel's sockets; xdp:NAME: by "
       "AF_XDP; dpdk:DEVICE@MAC-OF-THE-RELAY: at one of DPDK's.",
       false, TextInto(&far.device)},
      {"--eal", "WORDS", "", "For --device dpdk:..., words for DPDK's EAL like \"--no-huge\".",
       false, TextInto(&far.eal)},
      {"--queues", "N", absl::StrCat(far.queues),
       "Queue pairs of an xdp or dpdk device; a socket keeps to one of them.", false,
       NumberInto(&far.queues, 1, relay::abi::kWorkersMax)},
      {"--reflect", "", "",
       "What is sent comes back as it is (testpmd macswap); xdp and dpdk only.", false,
       SwitchInto(&far.reflect)},
      {"--separate-rtcp", "", "", "Legs have an RTCP port of their own instead of rtcp-mux.", false,
       SwitchInto(&o->rtcp_mux, false)},
  };
}

// What is sent, and what is looked for.
std::vector<OptionRow> LoadRows(Options* o) {
  return {
      {"--mode", "plain|transcode|srtp|srtp-both|gcm", "plain",
       "transcode: PCMA to PCMU; srtp and gcm: RTP to SRTP.", false,
       [o](std::string_view text) { return TakeMode(text, &o->pump.media); }},
      {"--calls", "N", absl::StrCat(o->calls), "Calls; each is two streams of 50 packets/s.", false,
       NumberInto(&o->calls, 1, 1'000'000)},
      {"--pace", "N", absl::StrCat(o->pump.pace), "Packets/s of a stream, where not 50.", false,
       NumberInto(&o->pump.pace, 1, kRateMax)},
      {"--seconds", "SECONDS", absl::StrCat(o->seconds), "Length of a measurement.", false,
       RealInto(&o->seconds, 0.001, kDayS)},
      {"--warm", "SECONDS", absl::StrCat(o->warm_seconds), "Time before it that does not count.",
       false, RealInto(&o->warm_seconds, 0, kDayS)},
      {"--search", "RATE", "",
       "Looks for the highest clean rate, from RATE packets/s upwards; not beside --pace.", false,
       NumberInto(&o->search_from, 1, kRateMax)},
      {"--search-to", "RATE", absl::StrCat(o->search_to), "And no higher than this.", false,
       NumberInto(&o->search_to, 1, kRateMax)},
      {"--p99-ms", "MILLISECONDS", absl::StrCat(o->p99_ms_max),
       "Clean means: nothing lost, and p99 latency below this.", false,
       RealInto(&o->p99_ms_max, 0.001, 60'000)},
      {"--cpu", "N", "", "Pins the generator to this CPU.", false, NumberInto(&o->cpu, 0, kCpuMax)},
      {"--json", "FILE", "", "Writes the result there as JSON; - is standard output.", false,
       TextInto(&o->json)},
  };
}

absl::Status CheckFarEnd(const FarEnd& far) {
  const uint32_t end = far.port_first + 4U * far.sockets;
  if (far.port_first % 2 != 0 || end > 65536) {
    return absl::InvalidArgumentError(
        absl::StrCat("ports ", far.port_first, " to ", end - 1, " are not to be had: give an even ",
                     "--port with room for 4 ports of each of --sockets below 65536"));
  }
  const bool by_port = far.device.starts_with("xdp:") || far.device.starts_with("dpdk:");
  if ((far.reflect || far.queues > 1) && !by_port) {
    return absl::InvalidArgumentError(
        "--reflect and --queues go with --device xdp:NAME or dpdk:DEVICE@MAC alone");
  }
  return absl::OkStatus();
}

absl::Status Check(const Options& options) {
  if (options.relay.empty() == options.list.empty()) {
    return absl::InvalidArgumentError(
        "give one of --relay and --streams; `loadgen --help` explains them");
  }
  if (options.search_from > 0 && options.pump.pace != kPacketsPerSecond) {
    return absl::InvalidArgumentError(
        "--search changes the number of calls at their own pace; leave out --pace");
  }
  if (!options.pump.media.plain() && (options.search_from > 0 || options.pump.far.reflect)) {
    return absl::InvalidArgumentError(
        "--search and --reflect go with --mode plain alone; leave out either");
  }
  return CheckFarEnd(options.pump.far);
}

}  // namespace

Usage UsageOf(Options* options) {
  std::vector<OptionRow> rows = RoadRows(options);
  for (OptionRow& row : LoadRows(options)) rows.push_back(std::move(row));
  return {.program = "loadgen",
          .summary =
              "Sends RTP through a relay and back, and accounts for every packet:\n"
              "  loadgen --relay /run/tandem/relay.sock --far 192.0.2.2 --calls 100",
          .rows = std::move(rows),
          .check = [options] { return Check(*options); }};
}

}  // namespace bench::loadgen
