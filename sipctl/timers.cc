#include "sipctl/timers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <limits>
#include <utility>

#include "sipctl/slab.h"

namespace sipctl {
namespace {

// Eight levels of 64 slots: a slot of level n spans 64^n ms, so the wheel reaches 2^48 ms. Starting
// and stopping a timer costs the same with one timer or a hundred thousand.
constexpr int kBitsPerLevel = 6;
constexpr uint32_t kSlotsPerLevel = 1u << kBitsPerLevel;
constexpr int kLevels = 8;
constexpr uint32_t kSlots = kLevels * kSlotsPerLevel;
constexpr TimeMs kDelayMsMax = TimeMs{1} << 40;  // 35 years

// Each list is a ring through a node of its own: one for every slot, one for the timers that are
// firing, then the timers themselves.
constexpr uint32_t kFiring = kSlots;
constexpr uint32_t kFirstTimer = kSlots + 1;
constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

struct Node {
  uint32_t previous = 0;
  uint32_t next = 0;
  uint32_t slot = kNone;
  uint64_t due = 0;
  std::function<void()> fire;
};
// An old id finds nobody else; a rush of timers leaves no memory behind.
using Running = Slab<Node, 0>;

}  // namespace

struct Timers::Wheel {
  uint64_t now;     // what the owner sees
  uint64_t cursor;  // how far the wheel has turned; behind `now` only inside Advance
  std::array<uint64_t, kLevels> occupied{};  // a bit for each slot with timers
  std::array<Node, kFirstTimer> lists;
  Running running;

  explicit Wheel(uint64_t start) : now(start), cursor(start) {
    for (uint32_t i = 0; i < kFirstTimer; ++i) lists[i].previous = lists[i].next = i;
  }

  // A list's own node, or a timer's.
  Node& At(uint32_t index) {
    return index < kFirstTimer ? lists[index] : running.At(index - kFirstTimer);
  }

  // The level is the highest digit in which the due time differs from the cursor. A slot is taken
  // apart exactly when the cursor enters it, before anything can be put below it; so equal due
  // times stay in order of scheduling whichever level they began on.
  uint32_t SlotOf(uint64_t due) const {
    const uint64_t difference = due ^ cursor;
    const int level = difference == 0 ? 0 : (63 - std::countl_zero(difference)) / kBitsPerLevel;
    assert(level < kLevels);
    const uint64_t digit = (due >> (level * kBitsPerLevel)) & (kSlotsPerLevel - 1);
    return static_cast<uint32_t>(level * kSlotsPerLevel + digit);
  }

  void Append(uint32_t list, uint32_t index) {
    Node& node = At(index);
    node.slot = list;
    node.next = list;
    node.previous = lists[list].previous;
    At(node.previous).next = index;
    lists[list].previous = index;
    if (list < kSlots) occupied[list / kSlotsPerLevel] |= uint64_t{1} << (list % kSlotsPerLevel);
  }

  void Unlink(uint32_t index) {
    const Node& node = At(index);
    At(node.previous).next = node.next;
    At(node.next).previous = node.previous;
    if (node.slot < kSlots && lists[node.slot].next == node.slot) ClearBit(node.slot);
  }

  void ClearBit(uint32_t slot) {
    occupied[slot / kSlotsPerLevel] &= ~(uint64_t{1} << (slot % kSlotsPerLevel));
  }

  void Free(uint32_t index) { running.Erase(running.IdAt(index - kFirstTimer)); }

  // The first time at which the wheel has something to do: exact on level 0, the beginning of a
  // slot above. Slots behind the cursor are empty, and a lower level is always earlier.
  struct Stop {
    uint64_t time;
    uint32_t slot;
  };
  std::optional<Stop> NextStop() const {
    for (int level = 0; level < kLevels; ++level) {
      if (occupied[level] == 0) continue;
      const int shift = level * kBitsPerLevel;
      const auto digit = static_cast<uint64_t>(std::countr_zero(occupied[level]));
      const uint64_t above = (cursor >> shift) & ~uint64_t{kSlotsPerLevel - 1};
      return Stop{(above | digit) << shift, static_cast<uint32_t>(level * kSlotsPerLevel + digit)};
    }
    return std::nullopt;
  }

  void Redistribute(uint32_t slot) {
    uint32_t index = lists[slot].next;
    lists[slot].next = lists[slot].previous = slot;
    ClearBit(slot);
    while (index != slot) {
      const uint32_t next = At(index).next;
      Append(SlotOf(At(index).due), index);
      index = next;
    }
  }

  void FireAll(uint32_t slot) {
    // Moved aside first: a timer set with delay 0 by a callback waits for the next turn.
    for (uint32_t index = lists[slot].next; index != slot; index = lists[slot].next) {
      Unlink(index);
      Append(kFiring, index);
    }
    while (lists[kFiring].next != kFiring) {
      const uint32_t index = lists[kFiring].next;
      std::function<void()> fire = std::move(At(index).fire);
      Unlink(index);
      Free(index);
      fire();
    }
  }
};

Timers::Timers(TimeMs now) : wheel_(std::make_unique<Wheel>(static_cast<uint64_t>(now))) {
  assert(now >= 0);
}

Timers::~Timers() = default;

TimeMs Timers::now() const {
  return static_cast<TimeMs>(wheel_->now);
}

Timers::Id Timers::After(TimeMs delay, std::function<void()> fire) {
  Wheel& wheel = *wheel_;
  const auto [id, node] = wheel.running.Insert();
  node->due = wheel.now + static_cast<uint64_t>(std::clamp<TimeMs>(delay, 0, kDelayMsMax));
  node->fire = std::move(fire);
  wheel.Append(wheel.SlotOf(node->due), kFirstTimer + Running::SlotOf(id));
  return id;
}

void Timers::Cancel(Id* id) {
  Wheel& wheel = *wheel_;
  const Id cancelled = std::exchange(*id, 0);
  if (wheel.running.Find(cancelled) == nullptr) return;
  wheel.Unlink(kFirstTimer + Running::SlotOf(cancelled));
  wheel.running.Erase(cancelled);
}

void Timers::Advance(TimeMs now) {
  Wheel& wheel = *wheel_;
  if (now > this->now()) wheel.now = static_cast<uint64_t>(now);
  while (const auto stop = wheel.NextStop()) {
    if (stop->time > wheel.now) break;
    wheel.cursor = std::max(wheel.cursor, stop->time);
    if (stop->slot >= kSlotsPerLevel) {
      wheel.Redistribute(stop->slot);
      continue;
    }
    wheel.FireAll(stop->slot);
    if (stop->time == wheel.now) break;
  }
  wheel.cursor = wheel.now;
}

std::optional<TimeMs> Timers::Next() const {
  const auto stop = wheel_->NextStop();
  if (!stop) return std::nullopt;
  return static_cast<TimeMs>(stop->time);
}

size_t Timers::size() const {
  return wheel_->running.size();
}

}  // namespace sipctl
