#include "relay/port/hop_reader.h"

#include <unistd.h>

namespace relay::port {

HopReader::HopReader(const HopTable* table, const std::atomic<uint64_t>* turn, int wake_fd)
    : table_(table),
      turn_(turn),
      wake_fd_(wake_fd),
      used_(std::make_unique<std::atomic<uint8_t>[]>(kHopsMax)),
      questions_(std::make_unique<Destination[]>(kQuestionsMax)) {
  const abi::RingView<Destination> view{.records = questions_.get(),
                                        .produced = &produced_,
                                        .consumed = &consumed_,
                                        .capacity = kQuestionsMax};
  producer_ = abi::RingProducer<Destination>(view);
  consumer_ = abi::RingConsumer<Destination>(view);
}

void HopReader::Ask(uint64_t hash, const Destination& destination) {
  const uint64_t turn = turn_->load(std::memory_order_relaxed);
  Asked& asked = asked_[hash % asked_.size()];
  if (asked.hash == hash && asked.turn == turn) return;
  // A full ring holds enough for this turn; the next packet asks again.
  if (producer_.Push(destination) != abi::RingResult::kOk) return;
  asked = {.hash = hash, .turn = turn};
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

}  // namespace relay::port
