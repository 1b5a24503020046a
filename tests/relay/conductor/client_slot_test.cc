// Events that find no room: kept in order, then counted, never reordered.
#include "relay/conductor/client_slot.h"

#include <gtest/gtest.h>

#include <optional>

namespace relay::conductor {
namespace {

class ClientSlotTest : public testing::Test {
 protected:
  ClientSlotTest() : slot_(0, {{.address = 0, .port_first = 10000, .port_last = 10099}}) {
    Enter();
  }
  void Enter() {
    ASSERT_TRUE(slot_.Prepare(7, "test", 64, &keeper_).ok());
    slot_.Attached(abi::Descriptor(dup(0)));
    ASSERT_TRUE(client_.Map(slot_.client_fd(), sizeof(abi::ClientArea), PROT_READ | PROT_WRITE));
    ASSERT_TRUE(answer_.Map(slot_.answer_fd(), sizeof(abi::AnswerArea), PROT_READ));
    auto* client = client_.At<abi::ClientArea>(0);
    auto* answer = answer_.At<abi::AnswerArea>(0);
    reader_ = abi::RingConsumer<abi::Event>({answer->events, &answer->events_produced,
                                             &client->events_consumed, abi::kEventRingCapacity});
  }
  static abi::Event Numbered(uint64_t number, abi::EventKind kind = abi::EventKind::kMediaTimeout) {
    abi::Event event{};
    event.kind = kind;
    event.session = number;
    return event;
  }
  std::optional<abi::Event> Read() {
    abi::Event event;
    if (reader_.Pop(&event) != abi::RingResult::kOk) return std::nullopt;
    return event;
  }

  Keeper keeper_;
  ClientSlot slot_;
  abi::Mapping client_, answer_;
  abi::RingConsumer<abi::Event> reader_;
};

TEST_F(ClientSlotTest, TheGapIsReportedAtItsPlace) {
  constexpr uint64_t kKept = abi::kEventRingCapacity + kBacklogMax;
  for (uint64_t i = 0; i < kKept + 5; ++i) slot_.Emit(Numbered(i));
  uint64_t next = 0;
  uint64_t gap_at = 0;
  uint64_t lost = 0;
  for (int round = 0; round < 4; ++round) {
    while (const std::optional<abi::Event> event = Read()) {
      if (event->kind == abi::EventKind::kEventsLost) {
        gap_at = next;
        lost = event->body.lost.count;
        next += lost;
      } else {
        ASSERT_EQ(event->session, next++);
      }
    }
    ASSERT_TRUE(slot_.Flush());
    if (round == 2) slot_.Emit(Numbered(next));
  }
  EXPECT_EQ(gap_at, kKept);
  EXPECT_EQ(lost, 5u);
  EXPECT_EQ(next, kKept + 6);
  EXPECT_EQ(slot_.backlog(), 0u);
}

TEST_F(ClientSlotTest, NoCommandIsTakenWhileEventsWait) {
  auto* client = client_.At<abi::ClientArea>(0);
  client->commands_produced.value = 1;
  for (uint64_t i = 0; i <= abi::kEventRingCapacity; ++i) slot_.Emit(Numbered(i));
  abi::Command command;
  EXPECT_EQ(slot_.Take(&command), abi::RingResult::kEmpty);
  while (Read()) {
  }
  ASSERT_TRUE(slot_.Flush());
  EXPECT_EQ(slot_.Take(&command), abi::RingResult::kOk);
}

TEST_F(ClientSlotTest, AllButAnswersWaitsForAClientThatIsAway) {
  slot_.Leave(1);
  slot_.Emit(Numbered(1, abi::EventKind::kMediaTimeout));
  slot_.Emit(Numbered(2, abi::EventKind::kLegEnded));
  slot_.Emit(Numbered(3, abi::EventKind::kCommandDone));
  slot_.Emit(Numbered(4, abi::EventKind::kSourceLearned));
  slot_.Emit(Numbered(5, abi::EventKind::kSessionEnded));
  Enter();
  ASSERT_TRUE(slot_.Flush());
  for (const uint64_t session : {1u, 2u, 4u, 5u}) EXPECT_EQ(Read()->session, session);
  EXPECT_FALSE(Read().has_value());
}

TEST_F(ClientSlotTest, AnswersThatWereNotReadAreForNobodyElse) {
  for (uint64_t i = 0; i < abi::kEventRingCapacity; ++i) slot_.Emit(Numbered(i));
  slot_.Emit(Numbered(7001, abi::EventKind::kCommandDone));
  slot_.Emit(Numbered(7002, abi::EventKind::kMediaTimeout));
  slot_.Leave(1);
  Enter();
  ASSERT_TRUE(slot_.Flush());
  EXPECT_EQ(Read()->session, 7002u);
  EXPECT_FALSE(Read().has_value());
}

// Parties that fall silent again and again while nobody is there.
TEST_F(ClientSlotTest, NewsDoesNotCrowdOutEndings) {
  slot_.Leave(1);
  for (uint64_t i = 0; i < 2 * kBacklogMax; ++i) slot_.Emit(Numbered(i));
  for (uint64_t i = 0; i < 100; ++i) slot_.Emit(Numbered(i, abi::EventKind::kLegEnded));
  Enter();
  ASSERT_TRUE(slot_.Flush());
  size_t endings = 0;
  uint64_t known = 0;  // told or counted as lost
  while (const std::optional<abi::Event> event = Read()) {
    endings += event->kind == abi::EventKind::kLegEnded;
    known += event->kind == abi::EventKind::kEventsLost ? event->body.lost.count : 1;
  }
  EXPECT_EQ(endings, 100u);
  EXPECT_EQ(known, 2 * kBacklogMax + 100);
}

TEST_F(ClientSlotTest, ALyingEventCursorIsFoundOut) {
  client_.At<abi::ClientArea>(0)->events_consumed.value = 1u << 30;
  for (uint64_t i = 0; i <= abi::kEventRingCapacity; ++i) slot_.Emit(Numbered(i));
  EXPECT_FALSE(slot_.Flush());
}

// The client holds the eventfd too and may do with it what it likes.
TEST_F(ClientSlotTest, AFullBlockingEventfdDoesNotHoldUsUp) {
  const int fd = slot_.answer_event();
  const uint64_t full = ~uint64_t{0} - 1;
  ASSERT_EQ(write(fd, &full, sizeof full), ssize_t{sizeof full});
  ASSERT_EQ(fcntl(fd, F_SETFL, 0), 0);
  slot_.Emit(Numbered(1));
  EXPECT_TRUE(slot_.Flush());  // returns
}

}  // namespace
}  // namespace relay::conductor
