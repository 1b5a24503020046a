#include "tests/support/relay_harness.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <future>

#include "relay/options.h"

namespace support {

using relay::abi::AttachFailure;
using relay::abi::Attachment;
using relay::abi::Command;
using relay::abi::CommandKind;
using relay::abi::Event;
using relay::abi::EventKind;

RelayHarness::RelayHarness(const HarnessOptions& options) {
  static int count = 0;
  path_ = testing::TempDir() + "relay-" + std::to_string(getpid()) + "-" + std::to_string(++count) +
          ".sock";
  relay::conductor::AssemblyConfig config;
  config.addresses = options.addresses;
  for (const std::string& text : options.listen) {
    if (!options.addresses.empty()) break;
    config.addresses.push_back(relay::ParseListen(text).value());
  }
  config.door.path = path_;
  config.sessions_max = options.sessions;
  config.client_slots = options.client_slots;
  config.journal_bytes_max = options.journal_bytes_max;
  config.drain_timeout_s = options.drain_timeout_s;
  config.srtp_engine = options.srtp_engine;
  config.port_of_address = options.port_of_address;
  config.upkeeps = options.upkeeps;
  relay::conductor::Assembly::MakePort make_port = options.make_port;
  if (!make_port) {
    make_port = [](relay::abi::CounterBlock* counters) {
      return absl::StatusOr<std::unique_ptr<relay::port::Port>>(
          std::make_unique<relay::port::MemoryPort>(
              relay::port::MemoryOptions{.buffers = 256, .counters = counters}));
    };
  }
  auto assembly =
      options.make_ports
          ? relay::conductor::Assembly::Make(std::move(config), options.workers, options.make_ports)
          : relay::conductor::Assembly::Make(std::move(config), options.workers, make_port);
  if (!assembly.ok()) {
    ADD_FAILURE() << assembly.status();
    abort();
  }
  assembly_ = *std::move(assembly);
  const absl::Status attached = assembly_->Attach();
  EXPECT_TRUE(attached.ok()) << attached;
}

bool RelayHarness::Step(int turns) {
  for (int i = 0; i < turns; ++i) {
    now_ += relay::kMillisecond;
    if (!assembly_->Step(now_)) return false;
  }
  return true;
}

AttachFailure RelayHarness::SteppedCall(const std::function<AttachFailure()>& call) {
  std::future<AttachFailure> result = std::async(std::launch::async, call);
  // The relay's clock stands still meanwhile: how often it turns here is the machine's business.
  while (result.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    assembly_->Step(now_);
  }
  return result.get();
}

AttachFailure RelayHarness::Attach(const relay::abi::AttachOptions& options, Attachment* client) {
  return SteppedCall([&] {
    relay::abi::AttachOptions here = options;
    here.path = path_;
    return client->Attach(here);
  });
}

AttachFailure RelayHarness::Observe(Attachment* observer) {
  return SteppedCall([&] { return observer->Observe(path_); });
}

Attachment RelayHarness::Client(uint64_t cookie) {
  Attachment client;
  const AttachFailure failure =
      Attach({.path = {}, .owner_cookie = cookie, .journal_bytes = 4096, .name = "test"}, &client);
  EXPECT_TRUE(failure.ok()) << failure.Text();
  return client;
}

Event RelayHarness::Do(Attachment& client, Command command) {
  command.request = ++request_;
  EXPECT_EQ(client.Push(command), relay::abi::RingResult::kOk);
  client.Signal();
  for (int turn = 0; turn < 100; ++turn) {
    Step();
    Event event;
    while (client.Pop(&event) == relay::abi::RingResult::kOk) {
      if (event.request == request_) return event;
      kept_.push_back(event);
    }
  }
  ADD_FAILURE() << "no answer to a command";
  return {};
}

std::vector<Event> RelayHarness::Events(Attachment& client) {
  Step();
  std::vector<Event> events = std::move(kept_);
  kept_.clear();
  Event event;
  while (client.Pop(&event) == relay::abi::RingResult::kOk) events.push_back(event);
  return events;
}

relay::abi::Endpoint FarEnd(uint8_t leg) {
  return {.address = relay::abi::Address::Ipv4(198, 51, 100, static_cast<uint8_t>(leg + 1)),
          .port = 4000,
          .vlan = 0,
          .interface = 0,
          .reserved = 0};
}

namespace {

Command MakeCommand(CommandKind kind, uint64_t session) {
  Command command{};
  command.kind = kind;
  command.length = static_cast<uint32_t>(relay::abi::BodyLength(kind));
  command.session = session;
  return command;
}

}  // namespace

Command LegOpen(uint64_t session, uint8_t leg, uint16_t port) {
  Command command = MakeCommand(CommandKind::kLegOpen, session);
  command.body.leg.leg = leg;
  relay::abi::LegPlan& plan = command.body.leg.plan;
  plan.local = {.address = 0, .port = port};
  plan.direction = relay::abi::kLegReceives | relay::abi::kLegSends;
  plan.learning = relay::abi::Learning::kSignalled;
  plan.remote_rtp = FarEnd(leg);
  plan.remote_rtcp = FarEnd(leg);
  plan.remote_rtcp.port++;
  plan.network_set = relay::abi::kNoNetworkSet;
  plan.format_count = 1;
  plan.formats[0] = relay::abi::EqualFormat(8, relay::abi::Codec::kPcma, 8000);
  std::memcpy(plan.label, "test", 4);
  return command;
}

Command SrtpLegOpen(uint64_t session, uint8_t leg, uint16_t port, uint8_t seed) {
  Command command = LegOpen(session, leg, port);
  relay::abi::SrtpPlan& srtp = command.body.leg.srtp;
  srtp.suite = relay::abi::SrtpSuite::kAesCm128HmacSha1_80;
  srtp.send_key_count = srtp.receive_key_count = 1;
  srtp.overlap_ms = 1000;
  for (uint8_t i = 0; i < 16; ++i) {
    srtp.send.key[i] = static_cast<uint8_t>(seed + 17 * i);
    srtp.receive[0].key[i] = static_cast<uint8_t>(seed + 29 * i + 1);
  }
  return command;
}

Command Bridge(uint64_t session, uint8_t speaker, uint8_t listener, bool both) {
  Command command = MakeCommand(CommandKind::kBridge, session);
  command.body.bridge.speaker = speaker;
  command.body.bridge.listener = listener;
  command.body.bridge.both = both ? 1 : 0;
  return command;
}

Command Unbridge(uint64_t session, uint8_t speaker, uint8_t listener) {
  Command command = Bridge(session, speaker, listener, false);
  command.kind = CommandKind::kUnbridge;
  return command;
}

Command LegClose(uint64_t session, uint8_t leg) {
  Command command = MakeCommand(CommandKind::kLegClose, session);
  command.body.leg_close.leg = leg;
  return command;
}

Command SessionClose(uint64_t session) {
  return MakeCommand(CommandKind::kSessionClose, session);
}

Command Networks(uint16_t set, uint16_t count, bool append) {
  Command command = MakeCommand(CommandKind::kNetworkSet, 0);
  command.body.network_set.set = set;
  command.body.network_set.count = count;
  command.body.network_set.append = append ? 1 : 0;
  for (uint16_t i = 0; i < count; ++i) {
    command.body.network_set.networks[i].address =
        relay::abi::Address::Ipv4(198, 51, static_cast<uint8_t>(100 + i), 0);
    command.body.network_set.networks[i].prefix_length = 120;
  }
  return command;
}

std::vector<uint8_t> RtpPacket(uint16_t sequence, uint32_t ssrc) {
  std::vector<uint8_t> packet(12 + 160, 0xd5);
  const uint32_t timestamp = 160u * sequence;
  const uint8_t header[12] = {0x80,
                              8,
                              static_cast<uint8_t>(sequence >> 8),
                              static_cast<uint8_t>(sequence),
                              static_cast<uint8_t>(timestamp >> 24),
                              static_cast<uint8_t>(timestamp >> 16),
                              static_cast<uint8_t>(timestamp >> 8),
                              static_cast<uint8_t>(timestamp),
                              static_cast<uint8_t>(ssrc >> 24),
                              static_cast<uint8_t>(ssrc >> 16),
                              static_cast<uint8_t>(ssrc >> 8),
                              static_cast<uint8_t>(ssrc)};
  std::copy(std::begin(header), std::end(header), packet.begin());
  return packet;
}

}  // namespace support
