#include "bench/callgen/options.h"

#include <functional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sipctl/text.h"

namespace bench::callgen {

using sipctl::sip::Protocol;
using sipctl::sip::SocketAddress;

namespace {

struct Row {
  const char* name;
  const char* value;  // what stands behind it; empty = a switch
  const char* sentence;
  std::function<bool(const std::string&)> set;
};

template <typename Number>
std::function<bool(const std::string&)> Whole(Number* target) {
  return [target](const std::string& text) { return absl::SimpleAtoi(text, target); };
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

bool TakeAddresses(const std::string& text, std::string_view suffix,
                   std::vector<SocketAddress>* addresses) {
  addresses->clear();
  for (const std::string_view one : sipctl::Split(text, ',')) {
    const auto address = sipctl::sip::ParseSocketAddress(sipctl::Concat(one, suffix));
    if (!address.ok()) return false;
    addresses->push_back(*address);
  }
  return true;
}

bool TakeProtocol(const std::string& text, Protocol* protocol) {
  if (text == "udp") return *protocol = Protocol::kUdp, true;
  if (text == "tcp") return *protocol = Protocol::kTcp, true;
  if (text == "tls") return *protocol = Protocol::kTls, true;
  return false;
}

std::vector<Row> Table(Options* o) {
  CallerOptions& caller = o->caller;
  return {
      {"--transport", "NAME", "udp (without it), tcp or tls",
       [&caller](const std::string& text) { return TakeProtocol(text, &caller.wire.protocol); }},
      {"--to", "ADDRESS:PORT", "who is called, and calls the other side",
       [&caller](const std::string& text) {
         const auto to = sipctl::sip::ParseSocketAddress(text);
         if (to.ok()) caller.to = *to;
         return to.ok();
       }},
      {"--from", "LIST", "local addresses of the callers: 127.0.1.1,127.0.1.2",
       [&caller](const std::string& text) { return TakeAddresses(text, ":0", &caller.from); }},
      {"--at", "LIST", "where calls arrive: 127.0.2.1:5060,127.0.2.2:5060",
       [o](const std::string& text) { return TakeAddresses(text, "", &o->callees); }},
      {"--number", "NUMBER", "the number that is called", Text(&caller.number)},
      {"--connections", "N", "of the callers, spread over their addresses; sockets for udp",
       Whole(&caller.connections)},
      {"--rate", "N", "calls/s", Real(&caller.rate)},
      {"--ramp", "S", "seconds from nothing to that rate; latencies count after them",
       Real(&caller.ramp_s)},
      {"--seconds", "S", "how long calls are placed, the ramp included", Real(&o->seconds)},
      {"--calls", "N", "place so many instead", Whole(&caller.calls)},
      {"--hold-ms", "MS", "length of a call", Whole(&caller.hold_ms)},
      {"--patience-ms", "MS", "how long an answer is waited for", Whole(&caller.patience_ms)},
      {"--certificate", "FILE", "PEM: certificates and key of the called side, for tls",
       Text(&caller.wire.certificate)},
      {"--trust", "FILE", "PEM: roots that the callers trust; without it everybody",
       Text(&caller.wire.trust)},
      {"--tls-name", "NAME", "that the certificate behind --to must carry",
       Text(&caller.wire.tls_name)},
      {"--cpu", "N", "pin the load to this CPU", Whole(&o->cpu)},
      {"--json", "FILE", "write the result there as JSON; - is standard output", Text(&o->json)},
      {"--help", "", "print this list", [o](const std::string&) { return o->help = true; }},
  };
}

absl::Status Check(Options* options) {
  CallerOptions& caller = options->caller;
  if (options->help) return absl::OkStatus();
  if (caller.to.port == 0 || caller.from.empty() || options->callees.empty()) {
    return absl::InvalidArgumentError("give --to, --from and --at; see --help");
  }
  if (caller.rate <= 0 || caller.connections == 0 || options->seconds <= 0 || caller.ramp_s < 0 ||
      caller.hold_ms < 0 || caller.patience_ms <= 0) {
    return absl::InvalidArgumentError(
        "--rate, --connections, --seconds and --patience-ms must be above 0, times not below");
  }
  const bool tls = caller.wire.protocol == Protocol::kTls;
  if (tls && caller.wire.certificate.empty()) {
    return absl::InvalidArgumentError("--transport tls needs --certificate");
  }
  // The ramp's area is half of what its time would be at the full rate.
  if (caller.calls == 0) {
    if (options->seconds <= caller.ramp_s) {
      return absl::InvalidArgumentError("--seconds ends within --ramp");
    }
    caller.calls =
        static_cast<uint64_t>(caller.rate * (options->seconds - caller.ramp_s / 2) + 0.5);
  }
  if (caller.calls == 0) return absl::InvalidArgumentError("--seconds and --rate make no call");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  options.caller.calls = 0;
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
  if (absl::Status checked = Check(&options); !checked.ok()) return checked;
  return options;
}

std::string HelpText() {
  Options options;
  std::string text =
      "callgen: SIP calls through what stands between, every one accounted for\n\n"
      "  callgen --to 127.0.0.1:5060 --from 127.0.1.1 --at 127.0.2.1:5060 --rate 100\n\n";
  for (const Row& row : Table(&options)) {
    std::string left = absl::StrCat("  ", row.name, " ", row.value);
    left.resize(24, ' ');
    absl::StrAppend(&text, left, row.sentence, "\n");
  }
  return text;
}

}  // namespace bench::callgen
