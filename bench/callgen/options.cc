#include "bench/callgen/options.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/text.h"

namespace bench::callgen {

using relay::NumberInto;
using relay::OptionRow;
using relay::TextInto;
using sipctl::sip::Protocol;
using sipctl::sip::SocketAddress;

namespace {

constexpr uint64_t kCallsMax = 1'000'000'000;
constexpr uint64_t kConnectionsMax = 1'000'000;
constexpr uint64_t kDayMs = 86'400'000;

// `suffix`: what each must be given to be an address with a port; `like`: such a list, for people.
std::function<absl::Status(std::string_view)> AddressesInto(std::vector<SocketAddress>* addresses,
                                                            std::string suffix, std::string like) {
  return [addresses, suffix, like](std::string_view text) {
    addresses->clear();
    for (const std::string_view one : sipctl::Split(text, ',')) {
      const auto address = sipctl::sip::ParseSocketAddress(sipctl::Concat(one, suffix));
      if (!address.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("is not a list like ", like));
      }
      addresses->push_back(*address);
    }
    return absl::OkStatus();
  };
}

std::function<absl::Status(std::string_view)> AddressInto(SocketAddress* target) {
  return [target](std::string_view text) {
    const auto address = sipctl::sip::ParseSocketAddress(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError("is not an address with a port like 127.0.0.1:5060");
    }
    *target = *address;
    return absl::OkStatus();
  };
}

// Who calls whom, and by what way.
std::vector<OptionRow> PartyRows(Options* o) {
  CallerOptions& caller = o->caller;
  return {
      {"--transport", "udp|tcp|tls", "udp", "What carries SIP.", false,
       relay::OneOf<Protocol>(
           &caller.wire.protocol,
           {{"udp", Protocol::kUdp}, {"tcp", Protocol::kTcp}, {"tls", Protocol::kTls}})},
      {"--to", "ADDRESS:PORT", "", "Who is called, and calls the other side.", false,
       AddressInto(&caller.to)},
      {"--from", "LIST", "", "Local addresses of the callers: 127.0.1.1,127.0.1.2.", false,
       AddressesInto(&caller.from, ":0", "127.0.1.1,127.0.1.2")},
      {"--at", "LIST", "", "Where calls arrive: 127.0.2.1:5060,127.0.2.2:5060.", false,
       AddressesInto(&o->callees, "", "127.0.2.1:5060,127.0.2.2:5060")},
      {"--number", "NUMBER", caller.number, "The number that is called.", false,
       TextInto(&caller.number)},
      {"--certificate", "FILE", "", "PEM: certificates and key of the called side; needed for tls.",
       false, TextInto(&caller.wire.certificate)},
      {"--trust", "FILE", "", "PEM: roots that the callers trust; without it, everybody.", false,
       TextInto(&caller.wire.trust)},
      {"--tls-name", "NAME", "", "What the certificate behind --to must carry.", false,
       TextInto(&caller.wire.tls_name)},
  };
}

// How many calls, and how long.
std::vector<OptionRow> LoadRows(Options* o) {
  CallerOptions& caller = o->caller;
  return {
      {"--connections", "N", absl::StrCat(caller.connections),
       "Of the callers, spread over their addresses; sockets for udp.", false,
       NumberInto(&caller.connections, 1, kConnectionsMax)},
      {"--rate", "N", absl::StrCat(caller.rate), "Calls/s.", false,
       RealInto(&caller.rate, 0.001, 100'000)},
      {"--ramp", "SECONDS", absl::StrCat(caller.ramp_s),
       "From nothing to that rate; latencies count after it.", false,
       RealInto(&caller.ramp_s, 0, kDayS)},
      {"--seconds", "SECONDS", absl::StrCat(o->seconds),
       "How long calls are placed, the ramp included.", false, RealInto(&o->seconds, 0.001, kDayS)},
      {"--calls", "N", "", "Places so many instead.", false, NumberInto(&o->calls, 1, kCallsMax)},
      {"--hold-ms", "MILLISECONDS", absl::StrCat(caller.hold_ms), "Length of a call.", false,
       NumberInto(&caller.hold_ms, 0, kDayMs)},
      {"--patience-ms", "MILLISECONDS", absl::StrCat(caller.patience_ms),
       "How long an answer is waited for.", false, NumberInto(&caller.patience_ms, 1, kDayMs)},
      {"--cpu", "N", "", "Pins the load to this CPU.", false, NumberInto(&o->cpu, 0, kCpuMax)},
      {"--json", "FILE", "", "Writes the result there as JSON; - is standard output.", false,
       TextInto(&o->json)},
  };
}

absl::Status Check(Options* options) {
  CallerOptions& caller = options->caller;
  if (caller.to.port == 0 || caller.from.empty() || options->callees.empty()) {
    return absl::InvalidArgumentError("give --to, --from and --at; `callgen --help` explains them");
  }
  if (caller.wire.protocol == Protocol::kTls && caller.wire.certificate.empty()) {
    return absl::InvalidArgumentError("--transport tls: give --certificate, too");
  }
  caller.calls = options->calls;
  if (caller.calls != 0) return absl::OkStatus();
  if (options->seconds <= caller.ramp_s) {
    return absl::InvalidArgumentError("--seconds ends within --ramp; give it more than the ramp");
  }
  // The ramp's area is half of what its time would be at the full rate.
  caller.calls = static_cast<uint64_t>(caller.rate * (options->seconds - caller.ramp_s / 2) + 0.5);
  if (caller.calls != 0) return absl::OkStatus();
  return absl::InvalidArgumentError("--seconds and --rate make no call; raise one of them");
}

}  // namespace

Usage UsageOf(Options* options) {
  std::vector<OptionRow> rows = PartyRows(options);
  for (OptionRow& row : LoadRows(options)) rows.push_back(std::move(row));
  return {.program = "callgen",
          .summary =
              "Places SIP calls through what stands between, and accounts for every one:\n"
              "  callgen --to 127.0.0.1:5060 --from 127.0.1.1 --at 127.0.2.1:5060 --rate 100",
          .rows = std::move(rows),
          .check = [options] { return Check(options); }};
}

}  // namespace bench::callgen
