// What a process that crashed may have left behind: records of calls, and the journal they stand
// in, after any damage. Nothing that is read there may crash the next process, nor may a slot get
// lost or be given out twice.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/call/record.h"
#include "sipctl/media/journal.h"
#include "sipctl/sip/invite_record.h"

namespace {

using sipctl::call::CallRecord;
using sipctl::media::Journal;

constexpr size_t kSlots = 4;
constexpr uint64_t kCookie = 7;

void Require(bool condition) {
  if (!condition) __builtin_trap();
}

// A record that is understood is written again as it was.
void ReadRecord(std::string_view bytes) {
  const auto record = sipctl::call::ParseRecord(bytes);
  if (!record.ok()) return;
  for (const std::string& invite : record->invites) {
    const auto open = sipctl::sip::ReadInviteRecord(invite);
    if (!open) continue;
    // Only what a transaction is known by is written; what else stood there is gone.
    Require(open->invite.method == sipctl::sip::Method::kInvite && !open->invite.via.empty());
    (void)sipctl::sip::Write(*open);
  }
  bool whole = false;
  const std::string written = sipctl::call::Serialize(*record, &whole);
  Require(whole);
  const auto again = sipctl::call::ParseRecord(written);
  Require(again.ok() && again->dialogs[0] == record->dialogs[0] &&
          again->dialogs[1] == record->dialogs[1] && again->invites[1] == record->invites[1]);
}

// Opens it as the next process does, and looks whether all slots are there.
void OpenAndCount(std::vector<uint8_t>* memory) {
  Journal journal;
  std::set<uint32_t> in_use;
  journal.Open(*memory, kCookie, [&](uint32_t slot, std::string_view record) {
    Require(in_use.insert(slot).second && slot < kSlots);
    ReadRecord(record);
  });
  Require(journal.in_use() == in_use.size());
  while (const auto slot = journal.Allocate()) Require(in_use.insert(*slot).second);
  Require(in_use.size() == journal.slots() && journal.slots() == kSlots);
}

// A program of stores, erasures and damage.
void Play(std::string_view program) {
  std::vector<uint8_t> memory(sipctl::media::JournalBytes(kSlots));
  Journal journal;
  journal.Format(memory, kCookie);
  std::map<uint32_t, std::string> stored;
  bool damaged = false;
  const auto take = [&program] {
    if (program.empty()) return uint8_t{0};
    const auto byte = static_cast<uint8_t>(program.front());
    program.remove_prefix(1);
    return byte;
  };
  while (!program.empty()) {
    const uint8_t what = take();
    if (what % 4 == 0) {
      if (const auto slot = journal.Allocate()) stored[*slot];
    } else if (what % 4 == 1 && !stored.empty()) {
      auto& [slot, record] = *std::next(stored.begin(), take() % static_cast<int>(stored.size()));
      std::string text(take() * 20u, static_cast<char>(what));
      if (journal.Write(slot, text).ok()) record = std::move(text);
    } else if (what % 4 == 2 && !stored.empty()) {
      const auto entry = std::next(stored.begin(), take() % static_cast<int>(stored.size()));
      journal.Erase(entry->first);
      stored.erase(entry);
    } else if (what % 4 == 3) {
      const size_t at = (size_t{take()} << 8 | take()) % (memory.size() - 4096) + 4096;
      memory[at] ^= what;
      damaged = true;
    }
  }
  if (!damaged) {
    std::erase_if(stored, [](const auto& entry) { return entry.second.empty(); });
    Journal next;
    std::vector<uint8_t> copy = memory;
    next.Open(copy, kCookie, [&](uint32_t slot, std::string_view record) {
      const auto found = stored.find(slot);
      if (found == stored.end()) return Require(record.empty());
      Require(found->second == record);
      stored.erase(found);
    });
    Require(stored.empty());
  }
  OpenAndCount(&memory);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      ReadRecord(input);
      break;
    case 1:
      Play(input);
      break;
    default: {  // any bytes in the slots of a journal of ours
      std::vector<uint8_t> memory(sipctl::media::JournalBytes(kSlots));
      Journal journal;
      journal.Format(memory, kCookie);
      const size_t length =
          std::min(input.size(), memory.size() - sipctl::media::kJournalHeaderBytes);
      std::memcpy(memory.data() + sipctl::media::kJournalHeaderBytes, input.data(), length);
      OpenAndCount(&memory);
    }
  }
  return 0;
}
