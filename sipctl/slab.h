// Records named by ids. A record never moves while it lives; its place is used again, its id is
// not: 0 names none, and an id that is kept too long finds nothing.
//
//   id:  generation << 32 | slot << 1 | Side
//
// The lowest bit tells one kind of record from another where two kinds share one space of ids.
// Places come in chunks, the lowest with room first, so that the upper ones empty themselves when
// there is less to do; an empty one is given back.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sipctl {

template <typename Record, uint64_t kSide>
class Slab {
  static_assert(kSide <= 1);

 public:
  static constexpr uint32_t kChunk = 256;  // places

  static constexpr bool Owns(uint64_t id) { return id != 0 && (id & 1) == kSide; }

  // A default-constructed record and its id.
  std::pair<uint64_t, Record*> Insert() {
    const uint32_t number = ChunkWithRoom();
    Chunk& chunk = *chunks_[number].chunk;
    if (number == empty_) empty_ = kNone;
    uint32_t index = chunk.free;
    if (index == kNone) {
      index = chunk.begun++;
    } else {
      chunk.free = chunk.places[index].next_free;
    }
    Place& place = chunk.places[index];
    place.live = true;
    if (++chunk.taken == kChunk) room_[number / 64] &= ~Bit(number);
    ++size_;
    const uint32_t slot = number * kChunk + index;
    return {uint64_t{place.generation} << 32 | uint64_t{slot} << 1 | kSide, &place.record};
  }

  Record* Find(uint64_t id) {
    const auto slot = static_cast<uint32_t>(id) >> 1;
    if (!Owns(id) || slot / kChunk >= chunks_.size()) return nullptr;
    Chunk* chunk = chunks_[slot / kChunk].chunk.get();
    if (chunk == nullptr) return nullptr;
    Place& place = chunk->places[slot % kChunk];
    return place.live && place.generation == id >> 32 ? &place.record : nullptr;
  }

  static constexpr uint32_t SlotOf(uint64_t id) { return static_cast<uint32_t>(id) >> 1; }
  // A live one's; any slot below 2^31.
  Record& At(uint32_t slot) { return chunks_[slot / kChunk].chunk->places[slot % kChunk].record; }
  uint64_t IdAt(uint32_t slot) const {
    const Place& place = chunks_[slot / kChunk].chunk->places[slot % kChunk];
    return uint64_t{place.generation} << 32 | uint64_t{slot} << 1 | kSide;
  }

  void Erase(uint64_t id) {
    if (Find(id) == nullptr) return;
    const auto slot = static_cast<uint32_t>(id) >> 1;
    const uint32_t number = slot / kChunk;
    Chunk& chunk = *chunks_[number].chunk;
    Place& place = chunk.places[slot % kChunk];
    place.record = Record{};
    place.live = false;
    --size_;
    // A place whose generations are used up is never used again (after 4 billion transactions).
    if (++place.generation == 0) return;
    place.next_free = chunk.free;
    chunk.free = slot % kChunk;
    if (chunk.taken-- == kChunk) HasRoom(number);
    if (chunk.taken == 0) GiveBack(number);
  }

  // fn(id, record); it must neither insert nor erase.
  template <typename Function>
  void ForEach(Function&& fn) {
    for (uint32_t number = 0; number < chunks_.size(); ++number) {
      Chunk* chunk = chunks_[number].chunk.get();
      if (chunk == nullptr) continue;
      for (uint32_t index = 0; index < chunk->begun; ++index) {
        Place& place = chunk->places[index];
        if (!place.live) continue;
        const uint64_t slot = uint64_t{number} * kChunk + index;
        fn(uint64_t{place.generation} << 32 | slot << 1 | kSide, place.record);
      }
    }
  }

  size_t size() const { return size_; }
  size_t places() const { return chunks_in_memory_ * kChunk; }
  static constexpr size_t place_bytes() { return sizeof(Place); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Place {
    Record record;
    uint32_t generation = 1;  // 1 .. UINT32_MAX, so that no id is 0
    uint32_t next_free = kNone;
    bool live = false;
  };
  struct Chunk {
    std::array<Place, kChunk> places;
    uint32_t begun = 0;     // places from the first one on that were ever used
    uint32_t taken = 0;     // live ones, and those whose generations are used up
    uint32_t free = kNone;  // list of begun places
  };
  struct Slot {
    std::unique_ptr<Chunk> chunk;
    uint32_t generation = 1;  // for the places of the next chunk here: above all that were
  };

  uint32_t ChunkWithRoom() {
    while (lowest_ < room_.size() && room_[lowest_] == 0) ++lowest_;
    if (lowest_ == room_.size()) {
      room_.resize(chunks_.size() / 64 + 1);
      HasRoom(static_cast<uint32_t>(chunks_.size()));
      chunks_.emplace_back();
    }
    const auto number =
        static_cast<uint32_t>(lowest_ * 64 + static_cast<size_t>(std::countr_zero(room_[lowest_])));
    Slot& slot = chunks_[number];
    if (slot.chunk == nullptr) {
      slot.chunk = std::make_unique<Chunk>();
      for (Place& place : slot.chunk->places) place.generation = slot.generation;
      ++chunks_in_memory_;
    }
    return number;
  }

  static constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number % 64; }
  void HasRoom(uint32_t number) {
    room_[number / 64] |= Bit(number);
    lowest_ = std::min<size_t>(lowest_, number / 64);
  }

  // One empty chunk is kept, so that a record that comes and goes costs no memory each time.
  void GiveBack(uint32_t number) {
    const uint32_t lower = std::min(number, empty_), upper = std::max(number, empty_);
    empty_ = lower;
    if (upper == kNone) return;
    Slot& slot = chunks_[upper];
    for (const Place& place : slot.chunk->places) {
      slot.generation = std::max(slot.generation, place.generation);
    }
    slot.chunk = nullptr;
    --chunks_in_memory_;
  }

  std::vector<Slot> chunks_;
  std::vector<uint64_t> room_;  // a bit for each chunk with room, those given back too
  size_t lowest_ = 0;           // word of room_: those before it are 0
  uint32_t empty_ = kNone;      // a chunk without a record, kept
  size_t chunks_in_memory_ = 0;
  size_t size_ = 0;
};

}  // namespace sipctl
