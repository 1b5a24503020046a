// Clients that come, die, come back, or find no room.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/support/relay_harness.h"

namespace {

using relay::abi::AttachError;
using relay::abi::AttachFailure;
using relay::abi::Attachment;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::WelcomeStatus;
using support::LegOpen;
using support::RelayHarness;

TEST(ConductorDoorTest, ADeadClientsCallsGoOnAndItsSuccessorFindsThem) {
  RelayHarness relay;
  {
    Attachment client = relay.Client(42);
    EXPECT_FALSE(client.resumed());
    ASSERT_EQ(client.journal().size(), 4096u);
    std::memcpy(client.journal().data(), "dialog", 6);
    ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
    ASSERT_EQ(relay.Do(client, LegOpen(7, 1, 10002)).kind, EventKind::kCommandDone);
    ASSERT_EQ(relay.Do(client, support::Bridge(7, 0, 1)).kind, EventKind::kCommandDone);
  }
  relay.Step(3);
  ASSERT_TRUE(relay.port().Inject({.local = {.address = 0, .port = 10000},
                                   .remote = support::FarEnd(0),
                                   .payload = support::RtpPacket(1)}));
  relay.Step();
  EXPECT_TRUE(relay.port().Collect().has_value());  // carried with nobody in charge

  Attachment successor = relay.Client(42);
  EXPECT_TRUE(successor.resumed());
  EXPECT_EQ(std::memcmp(successor.journal().data(), "dialog", 6), 0);
  relay::abi::SessionRecord record;
  ASSERT_TRUE(successor.ReadSession(0, &record));
  EXPECT_EQ(record.session, 7u);
  EXPECT_EQ(record.owner_cookie, 42u);
  EXPECT_EQ(record.leg_count, 2);
  EXPECT_EQ(record.legs[0].listeners, 1u << 1);
  EXPECT_EQ(record.legs[1].listeners, 1u << 0);
  EXPECT_EQ(record.legs[0].local.port, 10000);
  EXPECT_EQ(relay.Do(successor, support::SessionClose(7)).kind, EventKind::kCommandDone);
}

TEST(ConductorDoorTest, EndingsThatHappenedMeanwhileAreDelivered) {
  RelayHarness relay;
  {
    Attachment client = relay.Client(42);
    relay::abi::Command open = LegOpen(7, 0, 10000);
    open.body.leg.plan.session_length_ms = 1000;
    ASSERT_EQ(relay.Do(client, open).kind, EventKind::kCommandDone);
  }
  relay.Step(3);
  relay.Advance(2 * relay::kSecond);
  relay.Step(3);
  Attachment successor = relay.Client(42);
  const std::vector<Event> events = relay.Events(successor);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::kLegEnded);
  EXPECT_EQ(events[1].kind, EventKind::kSessionEnded);
  EXPECT_EQ(events[1].session, 7u);
}

TEST(ConductorDoorTest, WhatWasPublishedBeforeTheEndIsStillDone) {
  RelayHarness relay;
  {
    Attachment client = relay.Client(42);
    ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
    ASSERT_EQ(client.Push(support::SessionClose(7)), relay::abi::RingResult::kOk);
  }
  relay.Step(5);
  EXPECT_EQ(relay.relay().conductor().live_sessions(), 0u);
}

TEST(ConductorDoorTest, ASlotWithCallsIsKeptForItsOwner) {
  RelayHarness relay;
  {
    Attachment client = relay.Client(42);
    ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
  }
  relay.Step(3);
  Attachment other;
  const AttachFailure failure = relay.Attach({.path = {}, .owner_cookie = 43}, &other);
  EXPECT_EQ(failure.error, AttachError::kRefused);
  EXPECT_EQ(failure.welcome, WelcomeStatus::kNoSlot);
  EXPECT_TRUE(failure.retry());
  EXPECT_FALSE(other.attached());
}

TEST(ConductorDoorTest, AnAbandonedSlotWithoutCallsGoesToTheNext) {
  RelayHarness relay;
  {
    Attachment client = relay.Client(42);
    std::memcpy(client.journal().data(), "secret", 6);
  }
  relay.Step(3);
  Attachment other = relay.Client(43);
  EXPECT_FALSE(other.resumed());
  EXPECT_EQ(other.journal()[0], 0);
}

TEST(ConductorDoorTest, ALivingClientsCookieIsTaken) {
  RelayHarness relay({.client_slots = 2});
  Attachment client = relay.Client(42);
  Attachment twin;
  EXPECT_EQ(relay.Attach({.path = {}, .owner_cookie = 42}, &twin).welcome,
            WelcomeStatus::kCookieInUse);
  Attachment other = relay.Client(43);
  EXPECT_NE(client.client_slot(), other.client_slot());
  // The ranges do not overlap.
  EXPECT_EQ(client.leases()[0].port_last + 1, other.leases()[0].port_first);
}

TEST(ConductorDoorTest, TheJournalIsNoLargerThanAllowed) {
  RelayHarness relay({.journal_bytes_max = 100});
  EXPECT_EQ(relay.Client(1).journal().size(), 100u);
}

TEST(ConductorDoorTest, AClientWithALyingCursorIsCutOffAndItsCallsGoOn) {
  RelayHarness relay;
  Attachment client = relay.Client(42);
  ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
  const_cast<relay::abi::ClientArea*>(client.client_area())
      ->commands_produced.value.store(1u << 30);
  client.Signal();
  relay.Step(3);
  EXPECT_TRUE(client.RelayGone());
  EXPECT_EQ(relay.relay().conductor().live_sessions(), 1u);
  Attachment successor = relay.Client(42);
  EXPECT_TRUE(successor.resumed());
}

TEST(ConductorDoorTest, AnObserverSeesAndLeaves) {
  RelayHarness relay;
  Attachment client = relay.Client(42);
  ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
  Attachment observer;
  ASSERT_TRUE(relay.Observe(&observer).ok());
  relay::abi::SessionRecord record;
  EXPECT_TRUE(observer.ReadSession(0, &record));
  EXPECT_EQ(observer.addresses().size(), 2u);
  const uint64_t beat = observer.RelayHeartbeat();
  observer.Detach();
  relay.Step(3);
  EXPECT_GT(client.RelayHeartbeat(), beat);
}

// A client knocks while the relay has no descriptor left: it waits, and the conductor sleeps.
TEST(ConductorDoorTest, WhoCannotBeAdmittedKeepsNobodyBusy) {
  RelayHarness relay;
  relay::abi::Descriptor knocker(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, relay.path().data(), relay.path().size());
  relay::conductor::Conductor& conductor = relay.relay().conductor();
  // What a sanitizer sees for the first time it looks up through a pipe: all of it comes before
  // the descriptors are gone.
  relay.Step(3);
  std::atomic<bool> there = false, begin = false;
  std::thread running([&] {
    there = true;
    while (!begin) std::this_thread::yield();
    conductor.Run();
  });
  while (!there) std::this_thread::yield();
  rlimit before{};
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest = dup(knocker.get());
  close(lowest);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest), .rlim_max = before.rlim_max};
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(connect(knocker.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  // A beat every 100 ms; who spins makes five of them in no time.
  const auto& heartbeat = relay.relay().state().header().heartbeat;
  const uint64_t first = heartbeat.load();
  const relay::TimeNs start = relay::MonotonicNow();
  begin = true;
  while (heartbeat.load() < first + 5 && relay::MonotonicNow() < start + 5 * relay::kSecond) {
    std::this_thread::yield();
  }
  EXPECT_GT(relay::MonotonicNow() - start, 200 * relay::kMillisecond);
  conductor.RequestEnd();
  running.join();
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
