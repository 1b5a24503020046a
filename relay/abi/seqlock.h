// Reading and writing a record of the state segment under its sequence lock.
//
// Such a record begins with `std::atomic<uint32_t> version`: odd while its one writer is at work.
// The rest is copied word by word with acquire loads and release stores, which cost nothing extra
// on x86, so that no fence is needed and ThreadSanitizer can follow:
//   writer: version = odd; words with release (none may move before `odd`); version = even, release
//   reader: version, acquire; words with acquire (none may move after the second look); version
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace relay::abi {

// A word of any record, whatever its members are: without may_alias a compiler could move the
// stores that filled a record behind the loads that copy it.
using RecordWord [[gnu::may_alias]] = uint32_t;

// Copies everything but `version` of `from` into `to`. One writer per record.
template <typename Record>
void StoreLocked(Record* to, const Record& from) {
  static_assert(offsetof(Record, version) == 0 && sizeof(Record) % 4 == 0);
  const uint32_t version = to->version.load(std::memory_order_relaxed);
  to->version.store(version + 1, std::memory_order_relaxed);
  auto* target = reinterpret_cast<RecordWord*>(to);
  const auto* source = reinterpret_cast<const RecordWord*>(&from);
  for (size_t i = 1; i < sizeof(Record) / 4; ++i) {
    __atomic_store_n(&target[i], source[i], __ATOMIC_RELEASE);
  }
  to->version.store(version + 2, std::memory_order_release);
}

// Copies a whole and untorn `from` into `to` (its `version` included). False when the writer was
// met in the act too often: it is stuck or dead in the middle of a store.
template <typename Record>
bool LoadLocked(const Record& from, Record* to) {
  static_assert(offsetof(Record, version) == 0 && sizeof(Record) % 4 == 0);
  constexpr int kTries = 10'000;
  const auto* source = reinterpret_cast<const RecordWord*>(&from);
  auto* target = reinterpret_cast<RecordWord*>(to);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const uint32_t before = from.version.load(std::memory_order_acquire);
    if (before % 2 != 0) continue;
    for (size_t i = 1; i < sizeof(Record) / 4; ++i) {
      target[i] = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE);
    }
    if (from.version.load(std::memory_order_relaxed) == before) {
      to->version.store(before, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace relay::abi
