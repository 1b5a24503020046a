#include "sipctl/call/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sipctl/call/leg.h"
#include "sipctl/call/status.h"

namespace sipctl::call {

namespace {

// 2,000 calls a second: no peer is flooded, and 15,000 calls are over in 8 seconds.
constexpr size_t kCallsPerTurn = 100;
constexpr TimeMs kTurnMs = 50;

std::string Why() {
  return Q850Reason(41, "the call's server was restarted");
}

}  // namespace

Recovery::Recovery(Context* context) : context_(context) {}

Recovery::~Recovery() {
  context_->timers->Cancel(&timer_);
}

void Recovery::Begin(std::span<uint8_t> memory, uint64_t owner_cookie) {
  std::vector<uint32_t> slots;
  size_t unreadable = 0;
  const auto damages =
      context_->journal->Open(memory, owner_cookie, [&](uint32_t slot, std::string_view bytes) {
        slots.push_back(slot);
        auto record = ParseRecord(bytes);
        if (record.ok()) {
          left_.push_back(*std::move(record));
        } else {
          ++unreadable;
        }
      });
  for (uint32_t slot : slots) context_->journal->Erase(slot);
  for (media::SessionId session : context_->relay->Foreign()) {
    context_->relay->CloseForeign(session);
  }
  if (left_.empty() && damages.empty() && unreadable == 0) return;
  context_->log->OnNotice(absl::StrCat("hanging up ", left_.size(),
                                       " calls of an earlier life of this process; ",
                                       damages.size() + unreadable, " records were damaged"));
  Some();
}

void Recovery::Some() {
  timer_ = 0;
  for (size_t i = 0; i < kCallsPerTurn && !left_.empty(); ++i) {
    HangUp(left_.front());
    left_.pop_front();
  }
  if (!left_.empty()) timer_ = context_->timers->After(kTurnMs, [this] { Some(); });
}

void Recovery::HangUp(const CallRecord& record) {
  for (int i = 0; i < 2; ++i) {
    const auto& dialog = record.dialogs[i];
    if (dialog && dialog->state == sip::DialogState::kConfirmed) {
      SendBye(*dialog, record.trunks[i]);
    } else if (!record.invites[i].empty()) {
      EndInvite(record.invites[i], dialog ? dialog->local.tag() : std::string_view(),
                record.trunks[i]);
    }
  }
}

// The configuration may have changed since.
std::optional<size_t> Recovery::FindTrunk(uint32_t mark) const {
  const auto& trunks = context_->config->trunks;
  const auto trunk = std::find_if(trunks.begin(), trunks.end(), [&](const trunk::Trunk& each) {
    return !each.retired && TrunkMark(each) == mark;
  });
  if (trunk == trunks.end()) return std::nullopt;
  return static_cast<size_t>(trunk - trunks.begin());
}

void Recovery::SendBye(sip::Dialog dialog, uint32_t mark) {
  const auto trunk = FindTrunk(mark);
  if (!trunk || dialog.flow.listener >= context_->config->listeners.size()) {
    context_->log->OnNotice("a call of an earlier life used a trunk that is no more");
    return;
  }
  dialog.flow.connection = 0;  // ended with the process
  const sip::Flow flow = NextFlow(*context_, *trunk, dialog);
  const bool called = dialog.role == sip::DialogRole::kUac;
  call::SendBye(context_, MakeBye(*context_, &dialog, Why()), flow,
                called ? context_->credentials_of(*trunk) : nullptr, {});
}

// A call that rang: the caller gets its final answer, the callee CANCEL; if it answers all the
// same, it is acknowledged and hung up (HangUpStray).
void Recovery::EndInvite(std::string_view record, std::string_view local_tag, uint32_t mark) {
  const auto trunk = FindTrunk(mark);
  const auto adopted = context_->transactions->AdoptInvite(record, trunk ? PeerOf(*trunk) : 0);
  if (!adopted) {
    context_->log->OnNotice("a call of an earlier life rang; its INVITE's record is damaged");
  } else if (adopted->sent) {
    context_->transactions->Cancel(adopted->id, Why());
  } else {
    sip::Message response = sip::MakeResponse(adopted->invite, 503, local_tag);
    AddProduct(*context_, &response);
    AddReason(Why(), &response);
    context_->transactions->Respond(adopted->id, std::move(response));
  }
}

}  // namespace sipctl::call
