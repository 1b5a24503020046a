// What the person who starts the relay may choose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/isa.h"
#include "relay/abi/segment.h"
#include "relay/command_line.h"
#include "relay/limits.h"
#include "relay/port/xdp_mode.h"

namespace relay {

enum class PortKind : uint8_t { kUring, kMemory, kXdp, kDpdk };

// One --port: what carries packets, and over which device of the machine.
struct PortChoice {
  PortKind kind = PortKind::kUring;
  // kXdp: the kernel's device. kDpdk: DEVICE[@INTERFACE|@MAC], as EAL calls it.
  std::string device = {};

  bool operator==(const PortChoice&) const = default;
};
enum class PortEngine : uint8_t { kAuto, kUring, kMmsg };
enum class SrtpEngineChoice : uint8_t { kAuto, kBatch, kPortable, kLibsrtp2, kNone };

struct Options {
  std::vector<abi::LocalAddress> listen;  // empty on the command line = 127.0.0.1:10000-39999
  std::string socket_path = "/run/tandem/relay.sock";
  uint16_t workers = 1;
  std::vector<uint16_t> cpus;     // of the workers in their order; empty = not pinned
  std::vector<PortChoice> ports;  // empty on the command line = uring
  PortEngine port_engine = PortEngine::kAuto;
  kernels::Isa isa = kernels::BestIsa();
  port::XdpMode xdp_mode = port::XdpMode::kAuto;
  uint32_t xdp_busy_poll_us = 0;
  bool xdp_dispatcher = false;
  std::string eal;          // further words for DPDK
  std::string xdp_release;  // take the guard off this device and end
  uint32_t sessions = kSessionsDefault;
  uint16_t client_slots = 1;
  uint32_t journal_bytes = 64u << 20;  // the most one client gets
  uint32_t latch_window_ms = 3000;     // for plans that leave it to the relay
  uint32_t receive_buffer = 65536;     // SO_RCVBUF of each socket
  uint32_t drain_timeout_s = 7200;
  SrtpEngineChoice srtp_engine = SrtpEngineChoice::kAuto;
  std::string group;  // empty = root and the relay's own user only
  std::string log_level = "info";
  bool help = false;
  bool print_options_markdown = false;
};

// The table, writing into `options`.
CommandLine OptionsTable(Options* options);

// Parses and checks what concerns several options at once.
absl::StatusOr<Options> ParseOptions(std::span<const char* const> arguments);

// What --listen calls the device of an xdp or dpdk port behind '@': the kernel's interface that
// stands for it, else its own name without arguments.
std::string InterfaceOf(const PortChoice& choice);

// ADDRESS[@interface][:first-last], IPv6 addresses in brackets. The interface's index is left 0.
absl::StatusOr<abi::LocalAddress> ParseListen(std::string_view text);
// The effective numbers, as one line of the log.
std::string OptionsText(const Options& options);

}  // namespace relay
