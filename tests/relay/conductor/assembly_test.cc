// The relay with its real threads: started, used, drained, taken down.
#include "relay/conductor/assembly.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "relay/options.h"
#include "relay/port/memory.h"
#include "tests/support/relay_harness.h"

namespace relay::conductor {
namespace {

TEST(AssemblyTest, ThreadsStartServeAndEnd) {
  AssemblyConfig config;
  config.addresses = {ParseListen("192.0.2.1:10000-10255").value()};
  config.door.path = testing::TempDir() + "assembly-" + std::to_string(getpid()) + ".sock";
  config.sessions_max = 8;
  config.drain_timeout_s = 60;
  const std::string path = config.door.path;
  auto assembly =
      Assembly::Make(std::move(config), 2, [](abi::CounterBlock* counters) {
        return absl::StatusOr<std::unique_ptr<port::Port>>(std::make_unique<port::MemoryPort>(
            port::MemoryOptions{.buffers = 256, .counters = counters}));
      }).value();
  ASSERT_TRUE(assembly->Start().ok());
  std::thread conductor([&] { assembly->RunConductor(); });

  abi::Attachment client;
  ASSERT_TRUE(client.Attach({.path = path, .owner_cookie = 1, .timeout_ms = 10'000}).ok());
  uint64_t requests = 0;
  const auto run = [&](abi::Command command) {
    command.request = ++requests;
    ASSERT_EQ(client.Push(command), abi::RingResult::kOk);
  };
  for (uint64_t session = 1; session <= 4; ++session) {  // on both workers
    const auto port = static_cast<uint16_t>(10000 + 2 * session);
    run(support::LegOpen(session, 0, port));
    run(support::LegOpen(session, 1, static_cast<uint16_t>(port + 100)));
    run(support::Bridge(session, 0, 1));
    run(support::SessionClose(session));
  }
  client.Signal();
  uint64_t done = 0;
  int legs_ended = 0;
  int sessions_ended = 0;
  while (sessions_ended < 4 && client.WaitEvents(10'000)) {
    client.ClearSignal();
    abi::Event event;
    while (client.Pop(&event) == abi::RingResult::kOk) {
      done += event.kind == abi::EventKind::kCommandDone;
      legs_ended += event.kind == abi::EventKind::kLegEnded;
      sessions_ended += event.kind == abi::EventKind::kSessionEnded;
    }
  }
  EXPECT_EQ(done, requests);
  EXPECT_EQ(legs_ended, 8);
  EXPECT_EQ(sessions_ended, 4);
  // The conductor's own methods belong to its thread: end it from outside by a drain that has
  // nothing left to wait for.
  client.Detach();
  assembly->RequestEnd();
  conductor.join();
  assembly->Stop();
  for (uint16_t worker = 0; worker < 2; ++worker) {
    EXPECT_EQ(assembly->state().counters(worker)->Read(abi::Counter::kLegsOpened), 4u);
    EXPECT_EQ(assembly->state().counters(worker)->Read(abi::Counter::kLegsClosed), 4u);
  }
}

}  // namespace
}  // namespace relay::conductor
