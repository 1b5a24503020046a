#include "sipctl/slab.h"

#include <deque>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sipctl {
namespace {

using Names = Slab<std::string, 1>;

TEST(Slab, FindsWhatIsThereAndNothingElse) {
  Names slab;
  auto [id, record] = slab.Insert();
  *record = "one";
  EXPECT_TRUE(Names::Owns(id));
  EXPECT_EQ(*slab.Find(id), "one");
  EXPECT_EQ(slab.Find(id + 2), nullptr);
  EXPECT_EQ(slab.Find(0), nullptr);
  slab.Erase(id);
  EXPECT_EQ(slab.Find(id), nullptr);
  EXPECT_EQ(slab.size(), 0u);
}

TEST(Slab, GivesBackWhatARushHasTaken) {
  Names slab;
  std::vector<uint64_t> ids;
  for (int i = 0; i < 100'000; ++i) ids.push_back(slab.Insert().first);
  EXPECT_GE(slab.places(), 100'000u);
  for (const uint64_t id : ids) slab.Erase(id);
  EXPECT_LE(slab.places(), Names::kChunk);
}

TEST(Slab, GivesBackWhileSomethingIsAlwaysAlive) {
  Names slab;
  std::vector<uint64_t> ids;
  for (int i = 0; i < 100'000; ++i) ids.push_back(slab.Insert().first);
  // The rush ends; new ones come meanwhile, and a thousand of them are always alive.
  std::deque<uint64_t> later;
  for (size_t i = 0; i < ids.size(); ++i) {
    slab.Erase(ids[i]);
    if (i % 8 != 0) continue;
    later.push_back(slab.Insert().first);
    if (later.size() <= 1000) continue;
    slab.Erase(later.front());
    later.pop_front();
  }
  EXPECT_EQ(slab.size(), 1000u);
  EXPECT_LE(slab.places(), 6 * Names::kChunk);
}

TEST(Slab, NoIdComesTwiceAndRecordsStayWhereTheyAre) {
  Names slab;
  std::mt19937 random(1);
  std::set<uint64_t> ever;
  std::vector<std::pair<uint64_t, std::string*>> live;
  for (int i = 0; i < 200'000; ++i) {
    // The number alive swings, so that chunks come and go.
    const bool grows = i / 5000 % 2 == 0;
    if (live.empty() || random() % 10 < (grows ? 8 : 2)) {
      auto [id, record] = slab.Insert();
      ASSERT_TRUE(ever.insert(id).second) << id;
      ASSERT_TRUE(record->empty());
      *record = std::to_string(id);
      live.emplace_back(id, record);
    } else {
      const size_t which = random() % live.size();
      const auto [id, record] = live[which];
      ASSERT_EQ(slab.Find(id), record);
      ASSERT_EQ(*record, std::to_string(id));
      slab.Erase(id);
      ASSERT_EQ(slab.Find(id), nullptr);
      live[which] = live.back();
      live.pop_back();
    }
    ASSERT_EQ(slab.size(), live.size());
  }
  size_t seen = 0;
  slab.ForEach([&](uint64_t id, const std::string& record) {
    EXPECT_EQ(record, std::to_string(id));
    ++seen;
  });
  EXPECT_EQ(seen, live.size());
}

}  // namespace
}  // namespace sipctl
