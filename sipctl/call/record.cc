#include "sipctl/call/record.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace sipctl::call {

namespace {

// version, call, two trunks, two lengths; then the dialogs as they serialise themselves. Host byte
// order: the bytes never leave the machine.
struct Prefix {
  uint32_t version;
  uint32_t reserved;
  uint64_t call;
  uint32_t trunks[2];
  uint32_t lengths[2];  // 0 = no such dialog
};
static_assert(sizeof(Prefix) == 32);
static_assert(sizeof(Prefix) + 2 * sip::kDialogBytesMax <= media::kJournalRecordBytesMax);
constexpr uint32_t kVersion = 1;

}  // namespace

std::string Serialize(const CallRecord& record, bool* whole) {
  *whole = true;
  Prefix prefix{
      .version = kVersion, .reserved = 0, .call = record.call, .trunks = {}, .lengths = {}};
  std::string dialogs;
  for (int i = 0; i < 2; ++i) {
    prefix.trunks[i] = static_cast<uint32_t>(record.trunks[i]);
    if (!record.dialogs[i]) continue;
    const auto bytes = record.dialogs[i]->Serialize();
    if (!bytes.ok()) {
      *whole = false;
      continue;
    }
    prefix.lengths[i] = static_cast<uint32_t>(bytes->size());
    dialogs += *bytes;
  }
  return std::string(reinterpret_cast<const char*>(&prefix), sizeof prefix) + dialogs;
}

absl::StatusOr<CallRecord> ParseRecord(std::string_view bytes) {
  Prefix prefix;
  if (bytes.size() < sizeof prefix) return absl::InvalidArgumentError("the record is cut off");
  std::memcpy(&prefix, bytes.data(), sizeof prefix);
  if (prefix.version != kVersion) return absl::InvalidArgumentError("another version's record");
  bytes.remove_prefix(sizeof prefix);
  CallRecord record{.call = prefix.call, .trunks = {prefix.trunks[0], prefix.trunks[1]}};
  for (int i = 0; i < 2; ++i) {
    if (prefix.lengths[i] == 0) continue;
    if (prefix.lengths[i] > bytes.size()) {
      return absl::InvalidArgumentError("a dialog of the record is cut off");
    }
    auto dialog = sip::Dialog::Parse(bytes.substr(0, prefix.lengths[i]));
    if (!dialog.ok()) return dialog.status();
    record.dialogs[i] = *std::move(dialog);
    bytes.remove_prefix(prefix.lengths[i]);
  }
  if (!bytes.empty()) return absl::InvalidArgumentError("bytes are left over");
  return record;
}

absl::Status WriteRecord(const CallRecord& record, media::Journal* journal, uint32_t slot) {
  bool whole = true;
  if (absl::Status written = journal->Write(slot, Serialize(record, &whole)); !written.ok()) {
    return written;
  }
  if (whole) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("a dialog of call ", record.call, " is too long for the journal"));
}

}  // namespace sipctl::call
