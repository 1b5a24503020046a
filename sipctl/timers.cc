#include "sipctl/timers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

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
  uint32_t next = 0;        // in the free list: the next free node
  uint32_t slot = kNone;    // kNone: not running
  uint32_t generation = 1;  // distinguishes the users of one node, so an old id cancels nobody else
  uint64_t due = 0;
  std::function<void()> fire;
};

}  // namespace

struct Timers::Wheel {
  uint64_t now;     // what the owner sees
  uint64_t cursor;  // how far the wheel has turned; behind `now` only inside Advance
  uint32_t free = kNone;
  size_t running = 0;
  std::array<uint64_t, kLevels> occupied{};  // a bit for each slot with timers
  std::vector<Node> nodes;

  explicit Wheel(uint64_t start) : now(start), cursor(start), nodes(kFirstTimer) {
    for (uint32_t i = 0; i < kFirstTimer; ++i) nodes[i].previous = nodes[i].next = i;
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
    Node& node = nodes[index];
    node.slot = list;
    node.next = list;
    node.previous = nodes[list].previous;
    nodes[node.previous].next = index;
    nodes[list].previous = index;
    if (list < kSlots) occupied[list / kSlotsPerLevel] |= uint64_t{1} << (list % kSlotsPerLevel);
  }

  void Unlink(uint32_t index) {
    Node& node = nodes[index];
    nodes[node.previous].next = node.next;
    nodes[node.next].previous = node.previous;
    if (node.slot < kSlots && nodes[node.slot].next == node.slot) ClearBit(node.slot);
    node.slot = kNone;
  }

  void ClearBit(uint32_t slot) {
    occupied[slot / kSlotsPerLevel] &= ~(uint64_t{1} << (slot % kSlotsPerLevel));
  }

  void Free(uint32_t index) {
    Node& node = nodes[index];
    node.fire = nullptr;
    if (++node.generation == 0) node.generation = 1;
    node.next = free;
    free = index;
    --running;
  }

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
    uint32_t index = nodes[slot].next;
    nodes[slot].next = nodes[slot].previous = slot;
    ClearBit(slot);
    while (index != slot) {
      const uint32_t next = nodes[index].next;
      Append(SlotOf(nodes[index].due), index);
      index = next;
    }
  }

  void FireAll(uint32_t slot) {
    // Moved aside first: a timer set with delay 0 by a callback waits for the next turn.
    for (uint32_t index = nodes[slot].next; index != slot; index = nodes[slot].next) {
      Unlink(index);
      Append(kFiring, index);
    }
    while (nodes[kFiring].next != kFiring) {
      const uint32_t index = nodes[kFiring].next;
      std::function<void()> fire = std::move(nodes[index].fire);
      Unlink(index);
      Free(index);
      fire();  // may grow `nodes`
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
  uint32_t index = wheel.free;
  if (index == kNone) {
    index = static_cast<uint32_t>(wheel.nodes.size());
    wheel.nodes.emplace_back();
  } else {
    wheel.free = wheel.nodes[index].next;
  }
  Node& node = wheel.nodes[index];
  node.due = wheel.now + static_cast<uint64_t>(std::clamp<TimeMs>(delay, 0, kDelayMsMax));
  node.fire = std::move(fire);
  wheel.Append(wheel.SlotOf(node.due), index);
  ++wheel.running;
  return (uint64_t{node.generation} << 32) | index;
}

void Timers::Cancel(Id* id) {
  const auto index = static_cast<uint32_t>(*id);
  const auto generation = static_cast<uint32_t>(*id >> 32);
  *id = 0;
  Wheel& wheel = *wheel_;
  if (index < kFirstTimer || index >= wheel.nodes.size()) return;
  const Node& node = wheel.nodes[index];
  if (node.generation != generation || node.slot == kNone) return;
  wheel.Unlink(index);
  wheel.Free(index);
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
  return wheel_->running;
}

}  // namespace sipctl
