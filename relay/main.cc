// relay: options -> shared memory and ports -> workers -> conductor, and back in that order.
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/address_text.h"
#include "relay/capabilities.h"
#include "relay/conductor/assembly.h"
#include "relay/log.h"
#include "relay/networks.h"
#include "relay/options.h"
#include "relay/port/preflight.h"
#include "relay/port/xdp.h"
#include "relay/range_claim.h"

namespace {

using relay::Options;
using relay::conductor::Assembly;
using relay::stage::SrtpEngineKind;

static_assert(static_cast<SrtpEngineKind>(relay::SrtpEngineChoice::kNone) == SrtpEngineKind::kNone);
static_assert(static_cast<SrtpEngineKind>(relay::SrtpEngineChoice::kBatch) ==
              SrtpEngineKind::kBatch);

// SIGTERM and SIGINT become readable; no thread is ever interrupted by them.
int TakeSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Raises what may be raised, and says what the machine lacks before anybody misses it.
void Preflight(const Options& options, const relay::Networks& networks) {
  relay::port::PreflightPlan plan{.port_first = 65535,
                                  .port_last = 0,
                                  .addresses = static_cast<uint32_t>(options.listen.size()),
                                  .receive_buffer_bytes = options.receive_buffer};
  for (const relay::abi::LocalAddress& address : options.listen) {
    plan.port_first = std::min(plan.port_first, address.port_first);
    plan.port_last = std::max(plan.port_last, address.port_last);
  }
  const relay::port::MachineFacts facts = relay::port::PrepareMachine();
  if (!networks.has_sockets()) return;
  for (const std::string& warning : relay::port::Warnings(plan, facts))
    relay::log::Warn("{}", warning);
}

// The engine that the workers will have, by name; "" when this machine has none of that kind.
std::string_view SrtpEngineName(SrtpEngineKind kind) {
  if (kind == SrtpEngineKind::kNone) return "none";
  const std::unique_ptr<relay::stage::SrtpEngine> engine = relay::stage::MakeSrtpEngine(kind);
  return engine == nullptr ? std::string_view() : engine->name();
}

// Our own memory for keys is in no core dump; OpenSSL and libsrtp2 have theirs on the heap. With
// them no core is written: 1 is the size at which the kernel gives up pipes as well (core(5)).
void KeepKeysOutOfCores(std::string_view engine) {
  if (engine != "portable" && engine != "libsrtp2") return;
  const rlimit limit{.rlim_cur = 1, .rlim_max = 1};
  if (setrlimit(RLIMIT_CORE, &limit) != 0) relay::log::Warn("core dumps may hold SRTP keys");
}

// A library's thread that takes no signal keeps its rights; that is said, and worth no call. After
// anything else nobody knows who has given up what.
absl::Status GiveUpRights(relay::CapabilitySet kept) {
  absl::Status status = relay::KeepCapabilitiesEverywhere(kept);
  if (!absl::IsDeadlineExceeded(status)) return status;
  relay::log::Warn("{}", std::string(status.message()));
  return absl::OkStatus();
}

// How packets get to their workers, so that nobody has to find out under load.
void Describe(const Options& options, const relay::Networks& networks, std::string_view srtp_engine,
              Assembly& assembly) {
  for (const auto& address : options.listen)
    relay::log::Info("listen {}", relay::ListenText(address));
  relay::log::Info("{} workers, port pair n belongs to worker n/2 mod 128 mod {}; port engine {}",
                   options.workers, options.workers, assembly.port(0)->name());
  relay::log::Info("G.711 by {}", kernels::IsaName(options.isa));
  relay::log::Info("SRTP engine {}", srtp_engine);
  for (const std::string& line : networks.Report()) relay::log::Info("{}", line);
  relay::log::Info("{}, attach at {}", relay::OptionsText(options), options.socket_path);
}

int Serve(Options options) {
  relay::log::Start(options.log_level);
  const auto srtp_kind = static_cast<SrtpEngineKind>(options.srtp_engine);
  const std::string_view srtp_engine = SrtpEngineName(srtp_kind);
  if (srtp_engine.empty()) {
    relay::log::Critical("cannot start: --srtp-engine batch needs SSE4.2, AES-NI and PCLMULQDQ");
    return 1;
  }
  KeepKeysOutOfCores(srtp_engine);
  const auto claims = relay::ClaimRanges(options.listen);
  if (!claims.ok()) {
    relay::log::Critical("cannot start: {}", std::string(claims.status().message()));
    return 1;
  }
  const int signal_fd = TakeSignals();  // before a port starts threads of its own
  relay::Networks networks;
  if (absl::Status status = networks.Open(&options); !status.ok()) {
    relay::log::Critical("cannot start: {}", std::string(status.message()));
    return 1;
  }
  Preflight(options, networks);
  auto assembly = Assembly::Make({.addresses = options.listen,
                                  .door = {.path = options.socket_path, .group = options.group},
                                  .cpus = options.cpus,
                                  .isa = options.isa,
                                  .port_of_address = networks.port_of_address(),
                                  .upkeeps = networks.upkeeps(),
                                  .placement = networks.placement(),
                                  .sessions_max = options.sessions,
                                  .client_slots = options.client_slots,
                                  .journal_bytes_max = options.journal_bytes,
                                  .latch_window_ms = options.latch_window_ms,
                                  .drain_timeout_s = options.drain_timeout_s,
                                  .srtp_engine = srtp_kind,
                                  .signal_fd = signal_fd,
                                  .keeper = relay::conductor::Keeper::FromEnvironment()},
                                 options.workers, networks.PortMaker(options));
  absl::Status status = assembly.ok() ? (*assembly)->Start() : assembly.status();
  if (status.ok()) status = GiveUpRights(networks.capabilities(options));
  if (!status.ok()) {
    relay::log::Critical("cannot start: {}", std::string(status.message()));
    return 1;
  }
  Describe(options, networks, srtp_engine, **assembly);
  (*assembly)->RunConductor();
  (*assembly)->Stop();
  relay::log::Info("stopped");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const absl::StatusOr<Options> options =
      relay::ParseOptions({arguments + 1, static_cast<size_t>(count - 1)});
  if (!options.ok()) {
    std::fprintf(stderr, "%s\n", std::string(options.status().message()).c_str());
    return 2;
  }
  Options table;
  if (options->help || options->print_options_markdown) {
    const relay::CommandLine line = relay::OptionsTable(&table);
    std::fputs((options->help ? line.Help() : line.Markdown()).c_str(), stdout);
    return 0;
  }
  if (!options->xdp_release.empty()) {
    const absl::Status status = relay::port::XdpNetwork::Release(options->xdp_release);
    if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return status.ok() ? 0 : 1;
  }
  return Serve(*options);
}
