#include "sipctl/call/session_keeper.h"

#include <utility>

namespace sipctl::call {

namespace {

// One 422 may come from the peer and one from a proxy before it; who then wants more has a fault.
constexpr int kRaisesMax = 2;
constexpr uint32_t kMinSeMaxS = 24 * 3600;

}  // namespace

void SessionKeeper::Watch(std::function<void()> refresh, std::function<void()> expire) {
  refresh_ = std::move(refresh);
  expire_ = std::move(expire);
}

void SessionKeeper::Answer(const sip::SessionTerms& asked, sip::Message* response) {
  auto timer = sip::AgreeAsServer(policy_, asked);
  // A request that was sent before our 2xx came, with which the peer agreed: it still waits for our
  // refreshes. What itself promised, nobody can ask of it any more.
  if (!timer && timer_ && timer_->ours) timer = timer_;
  if (timer) sip::AddTerms(*timer, asked, response);
  Start(timer);
}

void SessionKeeper::OnAnswered(const sip::Message& response) {
  // A peer that says nothing of timers has none; the dialog then lives until BYE.
  const bool wanted = policy_.interval_s != 0;
  Start(wanted ? sip::AgreeAsClient(sip::SessionTermsOf(response)) : std::nullopt);
}

bool SessionKeeper::Raise(const sip::Message& refusal) {
  const uint32_t min_s = sip::SessionTermsOf(refusal).min_s;
  if (policy_.interval_s == 0 || min_s <= policy_.min_s || min_s > kMinSeMaxS) return false;
  if (raises_ == kRaisesMax) return false;
  ++raises_;
  policy_.min_s = min_s;
  return true;
}

void SessionKeeper::Start(const std::optional<sip::SessionTimer>& timer) {
  Stop();
  timer_ = timer;
  if (!timer_) return;
  if (timer_->ours) RefreshAfter(timer_->RefreshAfter());
  expire_timer_ = timers_->After(timer_->ExpiresAfter(), [this] {
    expire_timer_ = 0;
    expire_();
  });
}

void SessionKeeper::RefreshAfter(TimeMs delay) {
  timers_->Cancel(&refresh_timer_);
  refresh_timer_ = timers_->After(delay, [this] {
    refresh_timer_ = 0;
    refresh_();
  });
}

void SessionKeeper::Stop() {
  timers_->Cancel(&refresh_timer_);
  timers_->Cancel(&expire_timer_);
}

}  // namespace sipctl::call
