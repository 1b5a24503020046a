// What the relay says: answers to commands, ends of sessions, and what to do when some of it was
// lost.
#include <algorithm>
#include <utility>

#include "sipctl/media/relay_client.h"

namespace sipctl::media {

using relay::abi::EndReason;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::Refusal;
using relay::abi::RingResult;

namespace {

// Events taken in one turn: bounds the time that SIP waits behind a burst of them.
constexpr int kEventsPerTurnMax = 1024;

// Another program (or a relay that just died) has the port.
bool IsTaken(Refusal refusal) {
  return refusal == Refusal::kBindFailed || refusal == Refusal::kPortInUse;
}

}  // namespace

void RelayClient::OnEvents() {
  Event event;
  RingResult result = RingResult::kOk;
  for (int i = 0; i < kEventsPerTurnMax && link_ != nullptr; ++i) {
    result = link_->Pop(&event);
    if (result != RingResult::kOk) break;
    OnEvent(event);
  }
  // A cursor that lies: this relay cannot be talked to. A new attachment can.
  if (result == RingResult::kBroken) OnLost();
  if (result == RingResult::kOk) {
    timers_->After(0, [this, alive = alive_] {
      if (*alive && link_ != nullptr) OnEvents();
    });
  }
  Flush();
}

void RelayClient::OnEvent(const Event& event) {
  switch (event.kind) {
    case EventKind::kCommandDone:
    case EventKind::kCommandRefused:
      OnAnswer(event);
      return;
    case EventKind::kLegEnded:
      if (sessions_.contains(event.session)) {
        user_->OnLegEnded(event.session, event.leg, event.body.statistics);
      }
      return;
    case EventKind::kSessionEnded:
      Forget(event.session, event.body.ended.reason);
      return;
    case EventKind::kMediaTimeout:
      if (sessions_.contains(event.session)) user_->OnMediaTimeout(event.session, event.leg);
      return;
    case EventKind::kDigit:
      if (sessions_.contains(event.session)) {
        user_->OnDigit(event.session, event.leg, event.body.digit);
      }
      return;
    case EventKind::kEventsLost:
      OnLostEvents();
      return;
    case EventKind::kMediaResumed:
    case EventKind::kSourceLearned:
    case EventKind::kNone:
      return;
  }
}

void RelayClient::OnAnswer(const Event& event) {
  // Older requests whose answers were lost count as done.
  while (!unanswered_.empty() && unanswered_.front().number <= event.request) {
    const Request request = unanswered_.front();
    unanswered_.pop_front();
    const auto found = sessions_.find(request.session);
    if (found == sessions_.end()) continue;
    Session& session = found->second;
    if (session.unanswered > 0) --session.unanswered;
    if (request.number == event.request && event.kind == EventKind::kCommandRefused) {
      const Refusal refusal = event.body.refused.refusal;
      if (request.opened_leg != kNoOpenedLeg) OnLegRefused(&session, request.opened_leg, refusal);
      if (request.counts && session.refusal == Refusal::kNone) session.refusal = refusal;
    }
    if (session.unanswered > 0 || session.queued) continue;
    const Refusal refusal = std::exchange(session.refusal, Refusal::kNone);
    if (session.closing) {
      // A close that was refused found nothing to close.
      if (refusal != Refusal::kNone) Forget(request.session, EndReason::kClosed);
      continue;
    }
    if (OfferAgain(request.session, &session, refusal)) continue;
    user_->OnSettled(request.session, refusal);
  }
}

// The relay has not the leg, nor what was told of it behind.
void RelayClient::OnLegRefused(Session* session, uint8_t number, Refusal refusal) {
  Leg& leg = session->legs[number];
  leg.told = false;
  leg.told_listeners = 0;
  for (Leg& speaker : session->legs) {
    speaker.told_listeners &= static_cast<uint8_t>(~(1u << number));
  }
  leg.taken = IsTaken(refusal);
}

// After a restart of the relay its calls keep their ports, so those are waited for.
bool RelayClient::OfferAgain(SessionId id, Session* session, Refusal refusal) {
  if (!IsTaken(refusal) || timers_->now() >= session->rebind_until) return false;
  for (Leg& leg : session->legs) leg.changed = leg.changed || leg.taken;
  timers_->After(kRebindMs, [this, id, alive = alive_] {
    if (!*alive) return;
    const auto found = sessions_.find(id);
    if (found != sessions_.end()) Touch(id, &found->second);
  });
  return true;
}

// We were too slow. The directory knows what is still alive; the rest has ended.
void RelayClient::OnLostEvents() {
  absl::flat_hash_map<SessionId, bool> alive;
  ForEachOwn([&](const relay::abi::SessionRecord& record) { alive[record.session] = true; });
  std::vector<SessionId> ended;
  for (const auto& [id, session] : sessions_) {
    const bool opened = std::any_of(session.legs.begin(), session.legs.end(),
                                    [](const Leg& leg) { return leg.told; });
    // One whose commands are still unanswered may not be there yet.
    if (opened && session.unanswered == 0 && !alive.contains(id)) ended.push_back(id);
  }
  std::sort(ended.begin(), ended.end());
  for (SessionId id : ended) Forget(id, EndReason::kNone);
}

}  // namespace sipctl::media
