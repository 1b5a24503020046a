#include "sipctl/call/reliable_progress.h"

#include <algorithm>
#include <utility>

namespace sipctl::call {

namespace {

constexpr TimeMs kT1 = 500;  // RFC 3261 table 4
// RFC 3262 section 3: what still rings says so, for the sake of proxies on the way.
constexpr TimeMs kAgainMs = 150 * kSecondMs;

}  // namespace

ReliableProgress::ReliableProgress(Timers* timers, uint32_t rseq,
                                   std::function<void(const sip::Message&)> send,
                                   std::function<void()> give_up)
    : timers_(timers), rseq_(rseq), send_(std::move(send)), give_up_(std::move(give_up)) {}

ReliableProgress::~ReliableProgress() {
  timers_->Cancel(&timer_);
}

void ReliableProgress::Add(sip::Message response) {
  if (waiting_.empty()) timers_->Cancel(&timer_);
  last_ = response;
  last_.body.clear();
  last_.content_type.clear();
  response.require.emplace_back("100rel");
  response.rseq = rseq_++;
  waiting_.push_back(std::move(response));
  if (waiting_.size() == 1) SendFirst();
}

void ReliableProgress::SendFirst() {
  interval_ = kT1;
  waited_ = 0;
  send_(waiting_.front());
  timer_ = timers_->After(interval_, [this] { Repeat(); });
}

// At T1, and then after twice as long each time, without an upper bound.
void ReliableProgress::Repeat() {
  timer_ = 0;
  waited_ += interval_;
  if (waited_ >= 64 * kT1) {
    waiting_.clear();
    const auto give_up = give_up_;  // it may be the end of this object
    give_up();
    return;
  }
  interval_ = std::min(2 * interval_, 64 * kT1 - waited_);
  send_(waiting_.front());
  timer_ = timers_->After(interval_, [this] { Repeat(); });
}

bool ReliableProgress::Acknowledge(const sip::RAck& rack) {
  if (waiting_.empty()) return false;
  const sip::Message& first = waiting_.front();
  if (rack.rseq != first.rseq || !(rack.cseq == first.cseq)) return false;
  timers_->Cancel(&timer_);
  settled_ = settled_ || !first.body.empty();
  waiting_.pop_front();
  if (!waiting_.empty()) {
    SendFirst();
  } else {
    timer_ = timers_->After(kAgainMs, [this] {
      timer_ = 0;
      Add(sip::Message(last_));
    });
  }
  return true;
}

bool ReliableProgress::HoldsAnswer() const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [](const sip::Message& response) { return !response.body.empty(); });
}

}  // namespace sipctl::call
