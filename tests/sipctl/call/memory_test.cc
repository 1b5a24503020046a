// What a call costs: bytes of the heap for an established one, and for one that has ended while its
// transactions linger. Counted by malloc itself over a thousand calls; the peers' and the relay's
// own bytes, which this process holds too, are taken off by counting them in a world without calls
// through sipctl.
#include <malloc.h>

#include <cstdio>
#include <memory>

#include "gtest/gtest.h"
#include "sipctl/call/call_table.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

constexpr size_t kCalls = 1000;

size_t InUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// What Notes, peers and the fake relay keep is thrown away before counting.
void ForgetTheRest(World* world) {
  world->carrier.Clear();
  world->pbx.Clear();
  for (auto* list : {&world->carrier.requests, &world->pbx.requests}) list->shrink_to_fit();
  for (auto* list : {&world->carrier.responses, &world->carrier.acks, &world->pbx.acks}) {
    list->shrink_to_fit();
  }
  world->sipctl->notes.cdrs.clear();
  world->sipctl->notes.cdrs.shrink_to_fit();
}

TEST(CallMemoryTest, EstablishedAndEndedCalls) {
  auto world = std::make_unique<World>();
  world->fake_relay.set_logging(false);
  world->Run(1000);
  std::vector<sip::Dialog> dialogs;
  dialogs.reserve(kCalls);
  const size_t empty = InUse();
  const size_t peers_empty =
      world->carrier.layer().memory_bytes() + world->pbx.layer().memory_bytes();
  for (size_t i = 0; i < kCalls; ++i) {
    world->carrier.Invite(1, "+911234", World::CarrierSdp());
    world->Run(25);
    world->pbx.Respond(200, World::PbxSdp());
    world->Run(35);
    ASSERT_EQ(world->carrier.status(), 200);
    dialogs.push_back(*world->carrier.dialog);
    ForgetTheRest(world.get());
  }
  ASSERT_EQ(world->table().size(), kCalls);
  world->Run(60'000);  // the transactions of the set-up are gone
  const size_t established = InUse();
  const size_t per_call = (established - empty) / kCalls;
  std::printf("established: %zu bytes a call, with the test's own dialog records\n", per_call);
  EXPECT_LE(per_call, 16u * 1024);

  for (sip::Dialog& dialog : dialogs) {
    world->carrier.dialog = dialog;
    world->carrier.Bye();
    world->Run(10);
    ForgetTheRest(world.get());
  }
  world->Run(200);
  ForgetTheRest(world.get());
  ASSERT_EQ(world->table().size(), 0u);
  const size_t peers =
      world->carrier.layer().memory_bytes() + world->pbx.layer().memory_bytes() - peers_empty;
  const size_t lingering = (InUse() - empty - peers) / kCalls;
  std::printf("ended: %zu bytes a call while its transactions linger\n", lingering);
  EXPECT_LE(lingering, 6u * 1024);

  world->Run(60'000);
  world->ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
