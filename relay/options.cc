#include "relay/options.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/address_text.h"
#include "relay/text.h"

namespace relay {
namespace {

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

bool ParseAddress(const std::string& text, abi::Address* address) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    const auto* b = reinterpret_cast<const uint8_t*>(&v4);
    *address = abi::Address::Ipv4(b[0], b[1], b[2], b[3]);
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  std::memcpy(address->bytes.data(), &v6, sizeof v6);
  return true;
}

absl::Status ParsePorts(std::string_view text, abi::LocalAddress* address) {
  const std::vector<std::string> ends = absl::StrSplit(View(text), '-');
  uint64_t first = 0;
  uint64_t last = 0;
  if (ends.size() != 2 || !ReadNumber(ends[0], 1024, 65535, &first).ok() ||
      !ReadNumber(ends[1], 1024, 65535, &last).ok()) {
    return Wrong("needs ports as FIRST-LAST, each from 1024 to 65535");
  }
  if (first % 2 != 0 || last % 2 != 1 || first > last) {
    return Wrong("needs an even first port and an odd, greater last one: whole RTP/RTCP pairs");
  }
  address->port_first = static_cast<uint16_t>(first);
  address->port_last = static_cast<uint16_t>(last);
  return absl::OkStatus();
}

std::function<absl::Status(std::string_view)> CpusInto(std::vector<uint16_t>* cpus) {
  return [cpus](std::string_view text) {
    for (const absl::string_view part : absl::StrSplit(View(text), ',')) {
      const std::vector<std::string> ends = absl::StrSplit(part, '-');
      uint64_t first = 0;
      uint64_t last = 0;
      if (ends.size() > 2 || !ReadNumber(ends.front(), 0, 1023, &first).ok() ||
          !ReadNumber(ends.back(), first, 1023, &last).ok()) {
        return Wrong("is not a list of CPUs like 2,3 or 4-7");
      }
      for (uint64_t cpu = first; cpu <= last; ++cpu) cpus->push_back(static_cast<uint16_t>(cpu));
    }
    return absl::OkStatus();
  };
}

std::function<absl::Status(std::string_view)> IsaInto(kernels::Isa* isa) {
  return [isa](std::string_view text) {
    const std::optional<kernels::Isa> named =
        text == "auto" ? kernels::BestIsa() : kernels::IsaOf(text);
    if (!named) return Wrong("is none of auto, scalar, sse4, avx2, avx512vbmi");
    if (!kernels::IsSupported(*named)) return Wrong("is not what this processor has");
    *isa = *named;
    return absl::OkStatus();
  };
}

std::function<absl::Status(std::string_view)> ListenInto(std::vector<abi::LocalAddress>* listen) {
  return [listen](std::string_view text) {
    absl::StatusOr<abi::LocalAddress> address = ParseListen(text);
    if (!address.ok()) return address.status();
    listen->push_back(*address);
    return absl::OkStatus();
  };
}

std::function<absl::Status(std::string_view)> PortInto(std::vector<PortChoice>* ports) {
  return [ports](std::string_view text) {
    PortChoice choice;
    if (text.substr(0, 4) == "xdp:") {
      choice = {.kind = PortKind::kXdp, .device = std::string(text.substr(4))};
      if (choice.device.empty() ||
          choice.device.size() >= sizeof(abi::LocalAddress::interface_name)) {
        return Wrong("needs a network device of 1 to 15 characters behind 'xdp:'");
      }
    } else if (text.substr(0, 5) == "dpdk:" && text.size() > 5) {
      choice = {.kind = PortKind::kDpdk, .device = std::string(text.substr(5))};
    } else if (text == "memory") {
      choice.kind = PortKind::kMemory;
    } else if (text != "uring") {
      return Wrong("must be uring, xdp:DEVICE, dpdk:DEVICE or memory");
    }
    if (std::find(ports->begin(), ports->end(), choice) != ports->end()) {
      return Wrong("is given twice");
    }
    ports->push_back(choice);
    return absl::OkStatus();
  };
}

bool IsRaw(const PortChoice& choice) {
  return choice.kind == PortKind::kXdp || choice.kind == PortKind::kDpdk;
}

// The only device is the interface of all addresses that name none.
void NameInterface(Options* options) {
  if (options->ports.size() != 1 || !IsRaw(options->ports[0])) return;
  const std::string name = InterfaceOf(options->ports[0]);
  for (abi::LocalAddress& address : options->listen) {
    if (address.interface_name[0] == 0) {
      name.copy(address.interface_name, sizeof(address.interface_name) - 1);
    }
  }
}

// Numbers the interface names: what Endpoint::interface means. dpdk devices come first, in their
// order, then the others as they appear.
void NumberInterfaces(const std::vector<PortChoice>& ports,
                      std::vector<abi::LocalAddress>* listen) {
  std::vector<std::string> names;
  for (const PortChoice& choice : ports) {
    if (choice.kind == PortKind::kDpdk) names.push_back(InterfaceOf(choice));
  }
  for (abi::LocalAddress& address : *listen) {
    const std::string name(address.interface_name,
                           strnlen(address.interface_name, sizeof address.interface_name));
    const auto found = std::find(names.begin(), names.end(), name);
    address.interface = static_cast<uint16_t>(found - names.begin());
    if (found == names.end()) names.push_back(name);
  }
}

absl::Status CheckPorts(const Options& options) {
  const auto any = [&options](PortKind kind) {
    return std::any_of(options.ports.begin(), options.ports.end(),
                       [kind](const PortChoice& choice) { return choice.kind == kind; });
  };
  if (options.ports.size() > 1 && any(PortKind::kMemory)) {
    return Wrong("relay: --port memory: stands alone; leave the others away");
  }
  if (any(PortKind::kXdp) && any(PortKind::kDpdk)) {
    return Wrong("relay: --port xdp:... and dpdk:... are for two relays; give this one either");
  }
  if (!options.eal.empty() && !any(PortKind::kDpdk)) {
    return Wrong("relay: --eal is for --port dpdk:...; leave it away");
  }
  return absl::OkStatus();
}

absl::Status Check(const Options& options) {
  if (options.listen.size() > abi::kLocalAddressesMax) {
    return Wrong(absl::StrCat("relay: --listen: more than ", abi::kLocalAddressesMax,
                              " addresses; start a second relay for the rest"));
  }
  for (size_t i = 0; i < options.listen.size(); ++i) {
    const abi::LocalAddress& one = options.listen[i];
    if ((one.port_last - one.port_first + 1) / 2 < options.client_slots) {
      return Wrong(absl::StrCat("relay: --listen ", ListenText(one), ": fewer port pairs than the ",
                                options.client_slots, " --client-slots; give it a wider range"));
    }
    for (size_t j = 0; j < i; ++j) {
      const abi::LocalAddress& other = options.listen[j];
      if (one.address == other.address && one.interface == other.interface &&
          one.port_first <= other.port_last && other.port_first <= one.port_last) {
        return Wrong(absl::StrCat("relay: --listen ", ListenText(one), " overlaps ",
                                  ListenText(other), "; give each address its ports once"));
      }
    }
  }
  if (!options.cpus.empty() && options.cpus.size() != options.workers) {
    return Wrong(absl::StrCat("relay: --cpus names ", options.cpus.size(), " CPUs for ",
                              options.workers, " --workers; name one for each"));
  }
  return CheckPorts(options);
}

// Where packets enter and leave.
std::vector<OptionRow> PortRows(Options* o) {
  return {
      {"--port", "uring|xdp:DEVICE|dpdk:DEVICE[@INTERFACE|@MAC]|memory", "uring",
       "Where packets enter and leave: the kernel's sockets, AF_XDP on a network device, a DPDK "
       "device as EAL calls it, or nowhere (memory, for trials). Several may be given: an address "
       "of --listen that names an interface of an xdp or dpdk device is reached by it, any other "
       "by uring. INTERFACE is the kernel's device that stands for the dpdk device, made as a TAP "
       "when it does not exist; MAC is the only next hop where there is none.",
       true, PortInto(&o->ports)},
      {"--eal", "WORDS", "", "Further words for DPDK's EAL, like \"--no-huge --no-shconf\".", false,
       TextInto(&o->eal)},
      {"--xdp-mode", "auto|native|zero-copy|generic", "auto",
       "auto takes the best that drivers can; native and zero-copy refuse to start with less; "
       "generic takes the slowest, for drivers with faults.",
       false,
       OneOf<port::XdpMode>(&o->xdp_mode, {{"auto", port::XdpMode::kAuto},
                                           {"native", port::XdpMode::kNative},
                                           {"zero-copy", port::XdpMode::kZeroCopy},
                                           {"generic", port::XdpMode::kGeneric}})},
      {"--xdp-busy-poll", "MICROSECONDS", absl::StrCat(o->xdp_busy_poll_us),
       "0: interrupts bring packets. Up to 1000: the worker drives the device's queue itself, so "
       "long at a time.",
       false, NumberInto(&o->xdp_busy_poll_us, 0, 1000)},
      {"--xdp-dispatcher", "", "",
       "Shares xdp devices with other XDP programs, by libxdp's dispatcher; needs a bpffs.", false,
       SwitchInto(&o->xdp_dispatcher)},
      {"--xdp-release", "DEVICE", "",
       "Takes the filter off a device that drops the relay's ports while no relay runs, and ends.",
       false, TextInto(&o->xdp_release)},
      {"--port-engine", "auto|uring|mmsg", "auto",
       "How the uring port talks to the kernel; auto takes recvmmsg/sendmmsg where io_uring is "
       "forbidden.",
       false,
       OneOf<PortEngine>(&o->port_engine, {{"auto", PortEngine::kAuto},
                                           {"uring", PortEngine::kUring},
                                           {"mmsg", PortEngine::kMmsg}})},
      {"--isa", "auto|scalar|sse4|avx2|avx512vbmi", "auto",
       "Instructions that transcode G.711; auto takes the best that the processor has.", false,
       IsaInto(&o->isa)},
  };
}

}  // namespace

CommandLine OptionsTable(Options* o) {
  std::vector<OptionRow> rows = {
      {"--listen", "ADDRESS[@INTERFACE][:FIRST-LAST]", "127.0.0.1:10000-39999",
       "A local address with the UDP ports the relay owns there; IPv6 in brackets. With an "
       "interface, its sockets are bound to it.",
       true, ListenInto(&o->listen)},
      {"--socket", "PATH", o->socket_path, "Unix socket on which clients and observers attach.",
       false, TextInto(&o->socket_path)},
      {"--group", "NAME", "",
       "Group whose members may attach besides root and the relay's own user.", false,
       TextInto(&o->group)},
      {"--workers", "N", "1", absl::StrCat("Media threads, 1 to ", abi::kWorkersMax, "."), false,
       NumberInto(&o->workers, 1, abi::kWorkersMax)},
      {"--cpus", "LIST", "", "CPUs of the workers in their order, like 2,3 or 4-7; one for each.",
       false, CpusInto(&o->cpus)},
      {"--sessions", "N", absl::StrCat(kSessionsDefault),
       absl::StrCat("Calls at a time, 1 to ", kSessionsMax,
                    "; all memory is taken at start, for two legs a call."),
       false, NumberInto(&o->sessions, 1, kSessionsMax)},
      {"--client-slots", "N", absl::StrCat(o->client_slots),
       absl::StrCat("Clients at a time, 1 to ", abi::kClientSlotsMax,
                    "; the port ranges are split evenly among them."),
       false, NumberInto(&o->client_slots, 1, abi::kClientSlotsMax)},
      {"--journal-bytes", "N", absl::StrCat(o->journal_bytes),
       absl::StrCat("The largest journal a client may ask for, up to ", kJournalBytesMax, "."),
       false, NumberInto(&o->journal_bytes, 0, kJournalBytesMax)},
      {"--latch-window", "MILLISECONDS", absl::StrCat(o->latch_window_ms),
       "How long a leg behind NAT may choose its source, where its plan does not say; 100 to "
       "60000.",
       false, NumberInto(&o->latch_window_ms, 100, 60000)},
      {"--receive-buffer", "BYTES", absl::StrCat(o->receive_buffer),
       "Receive buffer of each socket (SO_RCVBUF), 4096 to 16777216.", false,
       NumberInto(&o->receive_buffer, 4096, 16u << 20)},
      {"--drain-timeout", "SECONDS", absl::StrCat(o->drain_timeout_s),
       "How long SIGTERM waits for the last call, 0 to 86400; a second signal ends it at once.",
       false, NumberInto(&o->drain_timeout_s, 0, 86400)},
      {"--srtp-engine", "auto|batch|portable|libsrtp2|none", "auto",
       "Who encrypts: intel-ipsec-mb in bursts (batch), OpenSSL (portable), or libsrtp2 for "
       "comparison; auto takes the fastest that the processor has. With none, legs with SRTP are "
       "refused.",
       false,
       OneOf<SrtpEngineChoice>(&o->srtp_engine, {{"auto", SrtpEngineChoice::kAuto},
                                                 {"batch", SrtpEngineChoice::kBatch},
                                                 {"portable", SrtpEngineChoice::kPortable},
                                                 {"libsrtp2", SrtpEngineChoice::kLibsrtp2},
                                                 {"none", SrtpEngineChoice::kNone}})},
      {"--log-level", "debug|info|warn|error", o->log_level, "What is written to standard error.",
       false,
       OneOf<std::string>(
           &o->log_level,
           {{"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}})},
      {"--help", "", "", "Prints this list and ends.", false, SwitchInto(&o->help)},
      {"--print-options-markdown", "", "", "Prints this list as in docs/options.md and ends.",
       false, SwitchInto(&o->print_options_markdown)},
  };
  std::vector<OptionRow> ports = PortRows(o);
  const auto place = std::find_if(rows.begin(), rows.end(),
                                  [](const OptionRow& row) { return row.name == "--sessions"; });
  rows.insert(place, std::make_move_iterator(ports.begin()), std::make_move_iterator(ports.end()));
  return CommandLine("relay",
                     "Carries the media of calls. It does what its clients say on the "
                     "command ring and knows no SIP.",
                     std::move(rows));
}

absl::StatusOr<Options> ParseOptions(std::span<const char* const> arguments) {
  Options options;
  if (absl::Status status = OptionsTable(&options).Parse(arguments); !status.ok()) return status;
  if (options.listen.empty()) options.listen.push_back(*ParseListen("127.0.0.1"));
  if (options.ports.empty()) options.ports.emplace_back();
  NameInterface(&options);
  NumberInterfaces(options.ports, &options.listen);
  if (absl::Status status = Check(options); !status.ok()) return status;
  return options;
}

std::string InterfaceOf(const PortChoice& choice) {
  if (choice.kind != PortKind::kDpdk) return choice.device;
  const size_t at = choice.device.rfind('@');
  const std::string behind = at == std::string::npos ? "" : choice.device.substr(at + 1);
  const bool is_mac = behind.find(':') != std::string::npos;
  if (!behind.empty() && !is_mac) return behind;
  return choice.device.substr(0, std::min(choice.device.find(','), at))
      .substr(0, sizeof(abi::LocalAddress::interface_name) - 1);
}

absl::StatusOr<abi::LocalAddress> ParseListen(std::string_view text) {
  abi::LocalAddress result{};
  result.port_first = kPortFirstDefault;
  result.port_last = kPortLastDefault;
  std::string host;
  std::string_view rest;
  if (text.substr(0, 1) == "[") {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Wrong("lacks the ']' behind its IPv6 address");
    host = std::string(text.substr(1, end - 1));
    rest = text.substr(end + 1);
  } else {
    const size_t end = std::min(text.find_first_of("@:"), text.size());
    host = std::string(text.substr(0, end));
    rest = text.substr(end);
  }
  if (!ParseAddress(host, &result.address) || result.address.IsUnspecified()) {
    return Wrong("needs a numeric address of this host first, like 192.0.2.1 or [2001:db8::1]");
  }
  if (rest.substr(0, 1) == "@") {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string_view name = rest.substr(1, end - 1);
    if (name.empty() || name.size() >= sizeof result.interface_name) {
      return Wrong("needs an interface name of 1 to 15 characters behind '@'");
    }
    std::memcpy(result.interface_name, name.data(), name.size());
    rest = rest.substr(end);
  }
  if (result.address.IsLinkLocalIpv6() && result.interface_name[0] == 0) {
    return Wrong("is link-local and needs its interface, like [fe80::1]@eth0");
  }
  if (rest.substr(0, 1) == ":") {
    if (absl::Status status = ParsePorts(rest.substr(1), &result); !status.ok()) return status;
  } else if (!rest.empty()) {
    return Wrong("must look like ADDRESS[@INTERFACE][:FIRST-LAST]");
  }
  return result;
}

std::string OptionsText(const Options& o) {
  return absl::StrCat("sessions ", o.sessions, ", client slots ", o.client_slots, ", latch window ",
                      o.latch_window_ms, " ms, receive buffer ", o.receive_buffer,
                      ", drain timeout ", o.drain_timeout_s, " s");
}

}  // namespace relay
