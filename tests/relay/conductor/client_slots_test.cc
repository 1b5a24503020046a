#include "relay/conductor/client_slots.h"

#include <gtest/gtest.h>

#include <map>

namespace relay::conductor {
namespace {

class ClientSlotsTest : public testing::Test {
 protected:
  ClientSlotsTest()
      : slots_(2, std::vector<abi::LocalAddress>{{.port_first = 10000, .port_last = 10099}}) {}
  // Attaches a client by hand; any open descriptor stands for its socket.
  ClientSlot* Enter(uint64_t cookie) {
    const ClientSlots::Choice choice = Choose(cookie);
    if (choice.slot == nullptr) return nullptr;
    if (!choice.resumed) choice.slot->Forget(&keeper_);
    EXPECT_TRUE(choice.slot->Prepare(cookie, "test", 64, &keeper_).ok());
    choice.slot->Attached(abi::Descriptor(dup(0)));
    return choice.slot;
  }
  ClientSlots::Choice Choose(uint64_t cookie) {
    return slots_.Choose(cookie, [this](uint16_t slot) { return live_[slot]; });
  }

  Keeper keeper_;
  ClientSlots slots_;
  std::map<uint16_t, size_t> live_;
};

TEST_F(ClientSlotsTest, UnusedSlotsComeFirstThenTheLongestAbandoned) {
  ClientSlot* first = Enter(1);
  first->Leave(10);
  ClientSlot* second = Enter(2);
  EXPECT_NE(first, second);  // the first one may come back
  second->Leave(20);
  EXPECT_EQ(Choose(3).slot, first);
  EXPECT_EQ(Choose(1).slot, first);
  EXPECT_TRUE(Choose(1).resumed);
  live_[first->number()] = 1;
  EXPECT_EQ(Choose(3).slot, second);
  live_[second->number()] = 1;
  EXPECT_EQ(Choose(3).status, abi::WelcomeStatus::kNoSlot);
  EXPECT_EQ(Choose(2).slot, second);
}

TEST_F(ClientSlotsTest, ALivingCookieIsRefusedEvenWhereThereIsRoom) {
  Enter(1);
  EXPECT_EQ(Choose(1).status, abi::WelcomeStatus::kCookieInUse);
}

}  // namespace
}  // namespace relay::conductor
