#include "bench/loadgen/options.h"

#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace bench::loadgen {
namespace {

struct Row {
  const char* name;
  const char* value;  // what stands behind it; empty = a switch
  const char* sentence;
  std::function<bool(const std::string&)> set;
};

template <typename Number>
std::function<bool(const std::string&)> Whole(Number* target) {
  return [target](const std::string& text) {
    uint64_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) return false;
    *target = static_cast<Number>(value);
    return static_cast<uint64_t>(*target) == value;
  };
}

std::function<bool(const std::string&)> Real(double* target) {
  return [target](const std::string& text) { return absl::SimpleAtod(text, target); };
}

std::function<bool(const std::string&)> Text(std::string* target) {
  return [target](const std::string& text) {
    *target = text;
    return !text.empty();
  };
}

std::vector<Row> Table(Options* o) {
  return {
      {"--relay", "SOCKET", "program the calls into the relay behind this socket", Text(&o->relay)},
      {"--streams", "FILE", "use calls opened by others: lines ADDRESS PORT_A PORT_B",
       Text(&o->list)},
      {"--far", "ADDRESS", "our own address, that of both far parties", Text(&o->pump.far.address)},
      {"--port", "N", "our first UDP port, even", Whole(&o->pump.far.port_first)},
      {"--sockets", "N", "sockets a side", Whole(&o->pump.far.sockets)},
      {"--device", "NAME", "send and take frames at this network device, past the kernel's sockets",
       Text(&o->pump.far.device)},
      {"--eal", "WORDS", "for --device dpdk:DEVICE@MAC-OF-THE-RELAY, like \"--no-huge\"",
       Text(&o->pump.far.eal)},
      {"--reflect", "", "what is sent comes back as it is (testpmd macswap); dpdk only",
       [o](const std::string&) { return o->pump.far.reflect = true; }},
      {"--mode", "NAME", "plain, transcode (PCMA to PCMU), srtp (RTP to SRTP), srtp-both or gcm",
       [o](const std::string& text) {
         const auto media = CallMediaOf(text);
         if (media.ok()) o->pump.media = *media;
         return media.ok();
       }},
      {"--pace", "N", "packets/s of a stream, instead of 50", Whole(&o->pump.pace)},
      {"--calls", "N", "calls; each is two streams of 50 packets/s", Whole(&o->calls)},
      {"--seconds", "S", "length of a measurement", Real(&o->seconds)},
      {"--warm", "S", "seconds before it that do not count", Real(&o->warm_seconds)},
      {"--search", "RATE", "look for the highest clean rate, from RATE packets/s upwards",
       Whole(&o->search_from)},
      {"--search-to", "RATE", "and no higher than this", Whole(&o->search_to)},
      {"--p99-ms", "MS", "clean means: nothing lost, and p99 latency below this",
       Real(&o->p99_ms_max)},
      {"--cpu", "N", "pin the generator to this CPU", Whole(&o->cpu)},
      {"--separate-rtcp", "", "legs with an RTCP port of their own instead of rtcp-mux",
       [o](const std::string&) {
         o->rtcp_mux = false;
         return true;
       }},
      {"--json", "FILE", "write the result there as JSON; - is standard output", Text(&o->json)},
      {"--help", "", "print this list", [o](const std::string&) { return o->help = true; }},
  };
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  const std::vector<Row> table = Table(&options);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Row* row = nullptr;
    for (const Row& candidate : table) {
      if (arguments[i] == candidate.name) row = &candidate;
    }
    if (row == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(arguments[i], " is no option; see --help"));
    }
    std::string value;
    if (*row->value != '\0') {
      if (++i == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat(row->name, " needs ", row->value));
      }
      value = arguments[i];
    }
    if (!row->set(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat(value, " is no ", row->value, " for ", row->name));
    }
  }
  if (!options.help && options.relay.empty() == options.list.empty()) {
    return absl::InvalidArgumentError("give one of --relay and --streams");
  }
  if (options.calls == 0 || options.seconds <= 0 || options.pump.far.sockets == 0 ||
      options.pump.pace == 0) {
    return absl::InvalidArgumentError("--calls, --seconds, --sockets and --pace must be above 0");
  }
  if (options.search_from > 0 && options.pump.pace != kPacketsPerSecond) {
    return absl::InvalidArgumentError("--search changes the number of calls at their own pace");
  }
  if (!options.pump.media.plain() && (options.search_from > 0 || options.pump.far.reflect)) {
    return absl::InvalidArgumentError("--search and --reflect go with --mode plain alone");
  }
  return options;
}

std::string HelpText() {
  Options options;
  std::string text =
      "loadgen: RTP through a relay and back, every packet accounted for\n\n"
      "  loadgen --relay /run/tandem/relay.sock --far 192.0.2.2 --calls 100\n\n";
  for (const Row& row : Table(&options)) {
    std::string left = absl::StrCat("  ", row.name, " ", row.value);
    left.resize(24, ' ');
    absl::StrAppend(&text, left, row.sentence, "\n");
  }
  return text;
}

}  // namespace bench::loadgen
