// Records named by ids. A record never moves while it lives; its place is used again, its id is
// not: 0 names none, and an id that is kept too long finds nothing.
//
//   id:  generation << 32 | slot << 1 | Side
//
// The lowest bit tells client from server transactions, so that both share one space of ids.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sipctl::sip {

template <typename Record, uint64_t kSide>
class Slab {
  static_assert(kSide <= 1);

 public:
  static constexpr bool Owns(uint64_t id) { return id != 0 && (id & 1) == kSide; }

  // A default-constructed record and its id.
  std::pair<uint64_t, Record*> Insert() {
    uint32_t slot = free_;
    if (slot == kNone) {
      slot = static_cast<uint32_t>(used_++);
      if (slot % kChunk == 0) chunks_.push_back(std::make_unique<Chunk>());
    } else {
      free_ = At(slot).next_free;
    }
    Place& place = At(slot);
    place.live = true;
    ++size_;
    return {uint64_t{place.generation} << 32 | uint64_t{slot} << 1 | kSide, &place.record};
  }

  Record* Find(uint64_t id) {
    const auto slot = static_cast<uint32_t>(id) >> 1;
    if (!Owns(id) || slot >= used_) return nullptr;
    Place& place = At(slot);
    return place.live && place.generation == id >> 32 ? &place.record : nullptr;
  }

  void Erase(uint64_t id) {
    if (Find(id) == nullptr) return;
    const auto slot = static_cast<uint32_t>(id) >> 1;
    Place& place = At(slot);
    place.record = Record{};
    place.live = false;
    --size_;
    // A place whose generations are used up is never used again (after 4 billion transactions).
    if (++place.generation == 0) return;
    place.next_free = free_;
    free_ = slot;
  }

  // fn(id, record); it must neither insert nor erase.
  template <typename Function>
  void ForEach(Function&& fn) {
    for (uint32_t slot = 0; slot < used_; ++slot) {
      Place& place = At(slot);
      if (place.live) {
        fn(uint64_t{place.generation} << 32 | uint64_t{slot} << 1 | kSide, place.record);
      }
    }
  }

  size_t size() const { return size_; }
  static constexpr size_t place_bytes() { return sizeof(Place); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kChunk = 256;

  struct Place {
    Record record;
    uint32_t generation = 1;  // 1 .. UINT32_MAX, so that no id is 0
    uint32_t next_free = kNone;
    bool live = false;
  };
  using Chunk = std::array<Place, kChunk>;

  Place& At(uint32_t slot) { return (*chunks_[slot / kChunk])[slot % kChunk]; }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  size_t used_ = 0;
  size_t size_ = 0;
  uint32_t free_ = kNone;
};

}  // namespace sipctl::sip
