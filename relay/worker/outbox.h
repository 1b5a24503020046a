// What legs have to tell the conductor. A leg notes it in flags of its own and joins a list that
// runs through the legs; the list is posted as far as the mailbox has room, the rest in a later
// cycle. So nothing is lost, nothing is allocated, and a leg that says the same thing twice before
// it is heard says it once.
#pragma once

#include <cstdint>
#include <span>

#include "relay/abi/segment.h"
#include "relay/session/leg.h"
#include "relay/worker/mailbox.h"

namespace relay::worker {

class Outbox {
 public:
  Outbox(std::span<session::Leg> legs, Mailbox<Report>* reports) : legs_(legs), reports_(reports) {}

  // `report` is one of session::kReport...
  void Note(uint32_t leg, uint8_t report);

  // Posts what fits. Returns how many reports were posted.
  size_t Flush(TimeNs now);

 private:
  // False when the mailbox is full.
  bool PostAll(uint32_t slot, TimeNs now, size_t* posted);

  std::span<session::Leg> legs_;
  Mailbox<Report>* reports_;
  uint32_t first_ = session::kNoLeg;
  uint32_t last_ = session::kNoLeg;
};

}  // namespace relay::worker
