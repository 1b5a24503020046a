// What is done for the calls of an earlier life of this process, which was killed: the relay has
// gone on carrying their media, and the journal knows their dialogs and open INVITEs. Both sides
// are hung up properly - where it still rang, by CANCEL and a final answer - and the relay's
// sessions closed (ADR 0005 says why they are not carried on).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "sipctl/call/context.h"
#include "sipctl/call/record.h"

namespace sipctl::call {

class Recovery {
 public:
  explicit Recovery(Context* context);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  // Reads the journal and takes it over for this process. The BYEs follow a few at a time.
  void Begin(std::span<uint8_t> memory, uint64_t owner_cookie);

 private:
  void Some();
  void HangUp(const CallRecord& record);
  void SendBye(sip::Dialog dialog, uint32_t mark);
  std::optional<size_t> FindTrunk(uint32_t mark) const;
  void EndInvite(std::string_view record, std::string_view local_tag, uint32_t mark);

  Context* context_;
  std::deque<CallRecord> left_;
  Timers::Id timer_ = 0;
};

}  // namespace sipctl::call
