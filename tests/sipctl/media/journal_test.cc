#include "sipctl/media/journal.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sipctl::media {
namespace {

constexpr uint64_t kCookie = 42;

std::map<uint32_t, std::string> ReadAll(std::span<uint8_t> memory, size_t* damages = nullptr,
                                        uint64_t cookie = kCookie) {
  std::map<uint32_t, std::string> records;
  Journal journal;
  const auto damaged = journal.Open(
      memory, cookie, [&](uint32_t slot, std::string_view record) { records[slot] = record; });
  if (damages != nullptr) *damages = damaged.size();
  return records;
}

TEST(JournalTest, RecordsAreFoundAgain) {
  std::vector<uint8_t> memory(JournalBytes(4));
  Journal journal;
  EXPECT_TRUE(journal.Open(memory, kCookie, [](uint32_t, std::string_view) { FAIL(); }).empty());
  const uint32_t a = *journal.Allocate(), b = *journal.Allocate(), c = *journal.Allocate();
  ASSERT_TRUE(journal.Write(a, "first").ok());
  ASSERT_TRUE(journal.Write(a, "first, changed").ok());
  ASSERT_TRUE(journal.Write(b, "second").ok());
  ASSERT_TRUE(journal.Write(c, "third").ok());
  journal.Erase(c);
  EXPECT_EQ(ReadAll(memory),
            (std::map<uint32_t, std::string>{{a, "first, changed"}, {b, "second"}}));
}

TEST(JournalTest, SlotsAreBounded) {
  std::vector<uint8_t> memory(JournalBytes(2));
  Journal journal;
  journal.Format(memory, kCookie);
  EXPECT_TRUE(journal.Allocate());
  const auto last = journal.Allocate();
  EXPECT_TRUE(last);
  EXPECT_FALSE(journal.Allocate());
  journal.Erase(*last);
  EXPECT_EQ(journal.Allocate(), last);
}

TEST(JournalTest, TooLongARecordLeavesTheOldOne) {
  std::vector<uint8_t> memory(JournalBytes(1));
  Journal journal;
  journal.Format(memory, kCookie);
  const uint32_t slot = *journal.Allocate();
  ASSERT_TRUE(journal.Write(slot, "old").ok());
  EXPECT_TRUE(
      absl::IsResourceExhausted(journal.Write(slot, std::string(kJournalRecordBytesMax + 1, 'x'))));
  EXPECT_EQ(ReadAll(memory)[slot], "old");
  const std::string longest(kJournalRecordBytesMax, 'y');
  ASSERT_TRUE(journal.Write(slot, longest).ok());
  EXPECT_EQ(ReadAll(memory)[slot], longest);
}

TEST(JournalTest, ForeignAndFreshMemoryIsFormatted) {
  std::vector<uint8_t> memory(JournalBytes(2));
  Journal journal;
  journal.Format(memory, kCookie);
  ASSERT_TRUE(journal.Write(*journal.Allocate(), "record").ok());
  EXPECT_TRUE(ReadAll(memory, nullptr, kCookie + 1).empty());
  EXPECT_TRUE(ReadAll(memory).empty()) << "formatted for the other owner, and then for us";
}

TEST(JournalTest, MemoryTooSmallIsNoJournal) {
  std::vector<uint8_t> memory(100);
  Journal journal;
  journal.Open(memory, kCookie, [](uint32_t, std::string_view) { FAIL(); });
  EXPECT_FALSE(journal.open());
  EXPECT_FALSE(journal.Allocate());
  EXPECT_FALSE(journal.Write(0, "x").ok());
}

// A process killed in the middle of a store: any prefix of the new bytes may be there, without
// their entry. The record of before must be found.
TEST(JournalTest, AnInterruptedWriteLeavesTheRecordBefore) {
  std::mt19937 random(7);
  std::vector<uint8_t> memory(JournalBytes(1));
  Journal journal;
  journal.Format(memory, kCookie);
  const uint32_t slot = *journal.Allocate();
  std::string last;
  for (int i = 0; i < 200; ++i) {
    const std::string next(random() % 2000, static_cast<char>('a' + i % 26));
    const std::vector<uint8_t> before = memory;
    ASSERT_TRUE(journal.Write(slot, next).ok());
    if (i > 0) {
      std::vector<uint8_t> torn = memory;
      constexpr size_t kEntries = kJournalHeaderBytes;
      std::copy_n(before.begin() + kEntries, 2 * kJournalEntryBytes, torn.begin() + kEntries);
      size_t damages = 0;
      EXPECT_EQ(ReadAll(torn, &damages)[slot], last);
      EXPECT_EQ(damages, 0u);
    }
    last = next;
  }
}

// Whatever stands in the memory: no crash, and what is read has its checksum.
TEST(JournalTest, DamageIsReportedAndSkipped) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint8_t> memory(JournalBytes(8));
    Journal journal;
    journal.Format(memory, kCookie);
    std::map<uint32_t, std::string> written;
    for (int i = 0; i < 8; ++i) {
      const uint32_t slot = *journal.Allocate();
      written[slot] = std::string(1 + random() % 500, static_cast<char>('A' + i));
      ASSERT_TRUE(journal.Write(slot, written[slot]).ok());
    }
    for (int i = 0; i < 20; ++i) {
      // Mostly at the start of slots, where the entries are.
      const size_t slot = random() % 8;
      const size_t offset = kJournalHeaderBytes + slot * kJournalSlotBytes + random() % 64;
      memory[offset] = static_cast<uint8_t>(random());
    }
    size_t damages = 0;
    const auto found = ReadAll(memory, &damages);
    for (const auto& [slot, record] : found) EXPECT_EQ(record, written[slot]);
    EXPECT_LE(found.size() + damages, 8u);
    Journal again;
    size_t free = 0;
    again.Open(memory, kCookie, [](uint32_t, std::string_view) {});
    while (again.Allocate()) ++free;
    EXPECT_EQ(free + found.size(), 8u);
  }
}

}  // namespace
}  // namespace sipctl::media
