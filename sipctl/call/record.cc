#include "sipctl/call/record.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace sipctl::call {

namespace {

// version, call, two trunks, lengths; then the dialogs and the INVITEs as they serialise
// themselves. Host byte order: the bytes never leave the machine.
struct Prefix {
  uint32_t version;
  uint32_t reserved;
  uint64_t call;
  uint32_t trunks[2];
  uint32_t dialogs[2];  // lengths; 0 = no such dialog
  uint32_t invites[2];  // likewise
};
static_assert(sizeof(Prefix) == 40);
static_assert(sizeof(Prefix) + 2 * sip::kDialogBytesMax <= media::kJournalRecordBytesMax);
// While it rings there is one dialog at the most, the caller's; an INVITE of the caller's beside
// both (its answer waits for a PRACK) has room as long as the dialogs are not of the longest.
static_assert(sizeof(Prefix) + sip::kDialogBytesMax + 2 * sip::kInviteRecordBytesMax <=
              media::kJournalRecordBytesMax);
constexpr uint32_t kVersion = 3;
constexpr sip::TokenKey kMarkKey{.low = 0x7472756e6b, .high = 1};

}  // namespace

uint32_t TrunkMark(const trunk::Trunk& trunk) {
  return static_cast<uint32_t>(sip::SipHash(kMarkKey, trunk.name));
}

std::string Serialize(const CallRecord& record, bool* whole) {
  *whole = true;
  Prefix prefix{.version = kVersion,
                .reserved = 0,
                .call = record.call,
                .trunks = {},
                .dialogs = {},
                .invites = {}};
  std::string body;
  for (int i = 0; i < 2; ++i) {
    prefix.trunks[i] = record.trunks[i];
    if (!record.dialogs[i]) continue;
    const auto bytes = record.dialogs[i]->Serialize();
    if (!bytes.ok()) {
      *whole = false;
      continue;
    }
    prefix.dialogs[i] = static_cast<uint32_t>(bytes->size());
    body += *bytes;
  }
  for (int i = 0; i < 2; ++i) {
    if (sizeof prefix + body.size() + record.invites[i].size() > media::kJournalRecordBytesMax) {
      *whole = false;
      continue;
    }
    prefix.invites[i] = static_cast<uint32_t>(record.invites[i].size());
    body += record.invites[i];
  }
  return std::string(reinterpret_cast<const char*>(&prefix), sizeof prefix) + body;
}

absl::StatusOr<CallRecord> ParseRecord(std::string_view bytes) {
  Prefix prefix;
  if (bytes.size() < sizeof prefix) return absl::InvalidArgumentError("the record is cut off");
  std::memcpy(&prefix, bytes.data(), sizeof prefix);
  if (prefix.version != kVersion) return absl::InvalidArgumentError("another version's record");
  bytes.remove_prefix(sizeof prefix);
  CallRecord record{
      .call = prefix.call, .trunks = {prefix.trunks[0], prefix.trunks[1]}, .invites = {}};
  const auto cut = [&bytes](uint32_t length) {
    const std::string_view part = bytes.substr(0, length);
    bytes.remove_prefix(part.size());
    return part;
  };
  for (int i = 0; i < 2; ++i) {
    if (prefix.dialogs[i] == 0) continue;
    const std::string_view part = cut(prefix.dialogs[i]);
    if (part.size() != prefix.dialogs[i]) {
      return absl::InvalidArgumentError("a dialog of the record is cut off");
    }
    auto dialog = sip::Dialog::Parse(part);
    if (!dialog.ok()) return dialog.status();
    record.dialogs[i] = *std::move(dialog);
  }
  for (int i = 0; i < 2; ++i) {
    record.invites[i] = cut(prefix.invites[i]);
    if (record.invites[i].size() != prefix.invites[i]) {
      return absl::InvalidArgumentError("an INVITE of the record is cut off");
    }
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
      absl::StrCat("a dialog or INVITE of call ", record.call, " is too long for the journal"));
}

}  // namespace sipctl::call
