#include "sipctl/media/journal.h"

#include <atomic>
#include <cstring>
#include <utility>

namespace sipctl::media {

namespace {

constexpr uint64_t kMagic = 0x314c4e524a444e54;  // "TNDJRNL1", little endian
constexpr uint32_t kVersion = 1;

struct Header {
  uint64_t magic;
  uint32_t version;
  uint32_t slot_bytes;
  uint64_t slots;
  uint64_t owner_cookie;
};
static_assert(sizeof(Header) == 32 && sizeof(Header) <= kJournalHeaderBytes);

// FNV-1a: guards against torn and stray writes, not against an enemy, who could not write here.
uint32_t Checksum(uint32_t generation, std::string_view record) {
  uint32_t hash = 2166136261u ^ generation;
  for (char c : record) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

}  // namespace

// Generation 0 = this copy is empty. The higher generation is the newer copy.
struct Journal::Entry {
  uint32_t generation;
  uint32_t length;
  uint32_t checksum;
  uint32_t reserved;
};

uint8_t* Journal::SlotAt(uint32_t slot) const {
  return memory_.data() + kJournalHeaderBytes + slot * kJournalSlotBytes;
}

void Journal::Format(std::span<uint8_t> memory, uint64_t owner_cookie) {
  static_assert(sizeof(Entry) == kJournalEntryBytes);
  memory_ = {};
  free_.clear();
  slot_count_ = 0;
  if (memory.size() < JournalBytes(1)) return;
  memory_ = memory;
  slot_count_ = (memory.size() - kJournalHeaderBytes) / kJournalSlotBytes;
  for (uint32_t slot = static_cast<uint32_t>(slot_count_); slot-- > 0;) {
    // Fresh memory is all zero: storing zeros would only make its pages resident.
    Entry entries[2];
    std::memcpy(entries, SlotAt(slot), sizeof entries);
    if (entries[0].generation != 0 || entries[1].generation != 0) {
      std::memset(SlotAt(slot), 0, sizeof entries);
    }
    free_.push_back(slot);
  }
  const Header header{.magic = kMagic,
                      .version = kVersion,
                      .slot_bytes = kJournalSlotBytes,
                      .slots = slot_count_,
                      .owner_cookie = owner_cookie};
  std::memcpy(memory_.data(), &header, sizeof header);
}

std::vector<Journal::Damage> Journal::Open(std::span<uint8_t> memory, uint64_t owner_cookie,
                                           const Visit& visit) {
  std::vector<Damage> damages;
  Header header{};
  if (memory.size() >= JournalBytes(1)) std::memcpy(&header, memory.data(), sizeof header);
  const size_t fitting = memory.size() < JournalBytes(1)
                             ? 0
                             : (memory.size() - kJournalHeaderBytes) / kJournalSlotBytes;
  if (header.magic != kMagic || header.version != kVersion ||
      header.slot_bytes != kJournalSlotBytes || header.slots != fitting ||
      header.owner_cookie != owner_cookie) {
    Format(memory, owner_cookie);
    return damages;
  }
  memory_ = memory;
  slot_count_ = fitting;
  free_.clear();
  for (uint32_t slot = static_cast<uint32_t>(slot_count_); slot-- > 0;) {
    Entry entries[2];
    std::memcpy(entries, SlotAt(slot), sizeof entries);
    if (entries[0].generation == 0 && entries[1].generation == 0) {
      free_.push_back(slot);
      continue;
    }
    const int newer = static_cast<int32_t>(entries[1].generation - entries[0].generation) > 0 ||
                              entries[0].generation == 0
                          ? 1
                          : 0;
    auto record = Read(slot, newer);
    if (!record) record = Read(slot, 1 - newer);
    if (record) {
      visit(slot, *record);
      continue;
    }
    damages.push_back({.slot = slot, .what = "no copy of the record has its checksum"});
    std::memset(SlotAt(slot), 0, sizeof entries);
    free_.push_back(slot);
  }
  return damages;
}

std::optional<std::string_view> Journal::Read(uint32_t slot, int copy) const {
  const uint8_t* base = SlotAt(slot);
  Entry entry;
  std::memcpy(&entry, base + copy * sizeof(Entry), sizeof entry);
  if (entry.generation == 0 || entry.length > kJournalRecordBytesMax) return std::nullopt;
  const uint8_t* at =
      copy == 0 ? base + 2 * sizeof(Entry) : base + kJournalSlotBytes - entry.length;
  const std::string_view record(reinterpret_cast<const char*>(at), entry.length);
  if (Checksum(entry.generation, record) != entry.checksum) return std::nullopt;
  return record;
}

std::optional<uint32_t> Journal::Allocate() {
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

absl::Status Journal::Write(uint32_t slot, std::string_view record) {
  if (slot >= slot_count_) return absl::InvalidArgumentError("no such slot");
  if (record.size() > kJournalRecordBytesMax) {
    return absl::ResourceExhaustedError("the record is longer than a slot of the journal");
  }
  uint8_t* base = SlotAt(slot);
  Entry entries[2];
  std::memcpy(entries, base, sizeof entries);
  const bool first_newer = static_cast<int32_t>(entries[0].generation - entries[1].generation) > 0;
  const int copy = first_newer ? 1 : 0;  // the older one
  uint32_t generation = entries[1 - copy].generation + 1;
  if (generation == 0) generation = 1;
  const Entry entry{.generation = generation,
                    .length = static_cast<uint32_t>(record.size()),
                    .checksum = Checksum(generation, record),
                    .reserved = 0};
  uint8_t* at = copy == 0 ? base + 2 * sizeof(Entry) : base + kJournalSlotBytes - record.size();
  // The order in which a process that is killed here may have got: bytes, then the entry.
  std::memcpy(at, record.data(), record.size());
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(base + copy * sizeof(Entry), &entry, sizeof entry);
  return absl::OkStatus();
}

void Journal::Erase(uint32_t slot) {
  if (slot >= slot_count_) return;
  std::memset(SlotAt(slot), 0, 2 * sizeof(Entry));
  free_.push_back(slot);
}

}  // namespace sipctl::media
