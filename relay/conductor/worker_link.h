// The conductor's end of one worker: its mailboxes, its port, its share of the leg slots.
//
// An order that finds the mailbox full waits here in order; the conductor takes no command while
// anything waits, so that what waits is bounded by what one command, or one end of all calls, asks.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "relay/abi/counters.h"
#include "relay/port/port.h"
#include "relay/session/secret_memory.h"
#include "relay/worker/mailbox.h"

namespace relay::conductor {

class WorkerLink {
 public:
  // Leg slots [first_leg, first_leg + legs) of the relay are this worker's, counted from 0 there.
  // `ports` are the worker's, in its order, and outlive this.
  WorkerLink(std::span<port::Port* const> ports, uint32_t first_leg, uint32_t legs,
             abi::CounterBlock* counters)
      : ports_(ports), first_leg_(first_leg), counters_(counters) {
    free_legs_.reserve(legs);
    for (uint32_t leg = legs; leg-- > 0;) free_legs_.push_back(leg);
  }

  port::Port* port(uint8_t index) const { return ports_[index]; }
  worker::Mailbox<worker::Order>* orders() { return &orders_; }
  worker::Mailbox<worker::Report>* reports() { return &reports_; }
  // Called after orders were posted; may be empty where somebody steps the worker by hand.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  // ---- leg slots, counted from 0 in the worker ----

  uint32_t first_leg() const { return first_leg_; }
  bool HasRoom() const { return !free_legs_.empty(); }
  uint32_t TakeLeg() {
    const uint32_t leg = free_legs_.back();
    free_legs_.pop_back();
    return leg;
  }
  void GiveBack(uint32_t leg) { free_legs_.push_back(leg); }

  // ---- orders ----

  void Post(const worker::Order& order) {
    if (waiting_.empty() && orders_.Post(order)) {
      posted_ = true;
      return;
    }
    if (waiting_.empty()) counters_->Add(abi::Counter::kMailboxFull);
    waiting_.push_back(order);
  }
  bool congested() const { return !waiting_.empty(); }
  // Posts what waits and wakes the worker if anything new is in its box.
  void Flush() {
    while (!waiting_.empty() && orders_.Post(waiting_.front())) {
      // It may hold keys, and its page may have others behind it.
      explicit_bzero(&waiting_.front(), sizeof waiting_.front());
      waiting_.pop_front();
      posted_ = true;
    }
    if (posted_ && wake_) wake_();
    posted_ = false;
  }

 private:
  const std::span<port::Port* const> ports_;
  const uint32_t first_leg_;
  abi::CounterBlock* const counters_;  // the conductor's own
  std::function<void()> wake_;
  worker::Mailbox<worker::Order> orders_;
  worker::Mailbox<worker::Report> reports_;
  std::vector<uint32_t> free_legs_;
  std::deque<worker::Order, session::SecretAllocator<worker::Order>> waiting_;
  bool posted_ = false;
};

}  // namespace relay::conductor
