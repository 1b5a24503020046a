// What the journal keeps of a call, and how it becomes bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sipctl/call/context.h"
#include "sipctl/media/journal.h"
#include "sipctl/sip/dialog.h"

namespace sipctl::call {

// Names a trunk in a record: its index may be another one's in the next configuration.
uint32_t TrunkMark(const trunk::Trunk& trunk);

struct CallRecord {
  CallNumber call = 0;
  uint32_t trunks[2] = {0, 0};  // TrunkMark of each
  std::optional<sip::Dialog> dialogs[2];
  // Of an INVITE of that leg without a final answer (TransactionLayer::RememberInvite); may be
  // empty.
  std::string invites[2];
};

// `*whole` is false when something is too long and was left out.
std::string Serialize(const CallRecord& record, bool* whole);
// Fails on anything that Serialize did not write; any bytes are safe to give.
absl::StatusOr<CallRecord> ParseRecord(std::string_view bytes);

// An error means that the call goes on, but would not be found again.
absl::Status WriteRecord(const CallRecord& record, media::Journal* journal, uint32_t slot);

}  // namespace sipctl::call
