// Records that outlive this process: one slot for each call, in memory that the relay keeps for us
// (a memfd; ADR 0004) or in a mapped file. The journal knows slots, bytes and checksums; what
// stands in a record is the call layer's business (call/record.h).
//
//   header (4096)   magic, version, slots, slot size, owner cookie
//   slot (4096)     copy 0 -> | entry[0] entry[1] | bytes ... free ... bytes | <- copy 1
//
// A slot holds two copies, the older and the newer; the next write overwrites the older one and
// then its entry, so that a process killed in the middle of a store leaves the last whole record.
// (Records of more than half a slot reach into the other copy and give that up.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sipctl::media {

inline constexpr size_t kJournalSlotBytes = 4096;
inline constexpr size_t kJournalHeaderBytes = 4096;
inline constexpr size_t kJournalEntryBytes = 16;
inline constexpr size_t kJournalRecordBytesMax = kJournalSlotBytes - 2 * kJournalEntryBytes;

constexpr size_t JournalBytes(size_t slots) {
  return kJournalHeaderBytes + slots * kJournalSlotBytes;
}

class Journal {
 public:
  struct Damage {
    uint32_t slot;
    const char* what;  // a sentence
  };
  using Visit = std::function<void(uint32_t slot, std::string_view record)>;

  Journal() = default;

  // Takes `memory` over. When it holds a journal of `owner_cookie`, `visit` gets the newest whole
  // record of each slot in use; damaged ones are listed and freed. Anything else is formatted.
  std::vector<Damage> Open(std::span<uint8_t> memory, uint64_t owner_cookie, const Visit& visit);
  // Forgets all that is there.
  void Format(std::span<uint8_t> memory, uint64_t owner_cookie);
  void Close() { *this = Journal(); }
  bool open() const { return !memory_.empty(); }

  // A free slot, or nothing when all are taken.
  std::optional<uint32_t> Allocate();
  // RESOURCE_EXHAUSTED for a record that is too long; the slot then holds what it held.
  absl::Status Write(uint32_t slot, std::string_view record);
  void Erase(uint32_t slot);

  size_t slots() const { return slot_count_; }
  size_t in_use() const { return slot_count_ - free_.size(); }

 private:
  struct Entry;

  uint8_t* SlotAt(uint32_t slot) const;
  std::optional<std::string_view> Read(uint32_t slot, int copy) const;

  std::span<uint8_t> memory_;
  size_t slot_count_ = 0;
  std::vector<uint32_t> free_;  // last one is taken next
};

}  // namespace sipctl::media
