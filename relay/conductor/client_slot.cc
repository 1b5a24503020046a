#include "relay/conductor/client_slot.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/conductor/segment.h"

namespace relay::conductor {

std::string ClientSlot::JournalName() const {
  return absl::StrCat("journal-", number_);
}

absl::Status ClientSlot::MakeAreas() {
  absl::StatusOr<abi::Descriptor> client =
      MakeSealedMemfd("tandem-client", sizeof(abi::ClientArea));
  if (!client.ok()) return client.status();
  absl::StatusOr<abi::Descriptor> answer =
      MakeSealedMemfd("tandem-answer", sizeof(abi::AnswerArea));
  if (!answer.ok()) return answer.status();
  absl::StatusOr<abi::Descriptor> read_only = ReopenReadOnly(answer->get());
  if (!read_only.ok()) return read_only.status();
  abi::Descriptor command_event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  abi::Descriptor answer_event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!command_event.valid() || !answer_event.valid()) {
    return absl::ErrnoToStatus(errno, "eventfd");
  }
  constexpr int kReadWrite = PROT_READ | PROT_WRITE;
  if (!client_.Map(client->get(), sizeof(abi::ClientArea), kReadWrite) ||
      !answer_.Map(answer->get(), sizeof(abi::AnswerArea), kReadWrite)) {
    return absl::ErrnoToStatus(errno, "mapping a client's areas");
  }
  // Commands may hold keys, until they are taken.
  if (madvise(client_.At<abi::ClientArea>(0), sizeof(abi::ClientArea), MADV_DONTDUMP) != 0) {
    return absl::ErrnoToStatus(errno, "madvise");
  }
  client_fd_ = *std::move(client);
  answer_fd_ = *std::move(answer);
  answer_read_only_fd_ = *std::move(read_only);
  command_event_ = std::move(command_event);
  answer_event_ = std::move(answer_event);
  return absl::OkStatus();
}

absl::Status ClientSlot::Prepare(uint64_t cookie, std::string name, uint32_t journal_bytes,
                                 Keeper* keeper) {
  if (absl::Status status = MakeAreas(); !status.ok()) return status;
  if (!journal_fd_.valid()) {
    absl::StatusOr<abi::Descriptor> journal = MakeSealedMemfd("tandem-journal", journal_bytes);
    if (!journal.ok()) return journal.status();
    journal_fd_ = *std::move(journal);
    journal_bytes_ = journal_bytes;
    if (absl::Status status = keeper->Keep(JournalName(), journal_fd_.get()); !status.ok()) {
      return status;
    }
  }
  cookie_ = cookie;
  name_ = std::move(name);
  broken_ = false;

  auto* client = client_.At<abi::ClientArea>(0);
  auto* answer = answer_.At<abi::AnswerArea>(0);
  answer->owner_cookie = cookie;
  answer->client_slot = number_;
  answer->lease_count = static_cast<uint16_t>(leases_.size());
  for (size_t i = 0; i < leases_.size(); ++i) answer->leases[i] = leases_[i];
  commands_ =
      abi::RingConsumer<abi::Command>({client->commands, &client->commands_produced,
                                       &answer->commands_consumed, abi::kCommandRingCapacity});
  events_ = abi::RingProducer<abi::Event>({answer->events, &answer->events_produced,
                                           &client->events_consumed, abi::kEventRingCapacity});
  return absl::OkStatus();
}

void ClientSlot::Leave(uint64_t turn) {
  ended_turn_ = turn;
  socket_.Close();
  client_fd_.Close();
  answer_fd_.Close();
  answer_read_only_fd_.Close();
  command_event_.Close();
  answer_event_.Close();
  client_.Unmap();
  answer_.Unmap();
  commands_ = {};
  events_ = {};
  news_ = false;
  // Answers were meant for the process that asked.
  std::erase_if(backlog_, IsAnswer);
}

void ClientSlot::Forget(Keeper* keeper) {
  cookie_ = 0;
  name_.clear();
  if (journal_fd_.valid()) keeper->Forget(JournalName()).IgnoreError();
  journal_fd_.Close();
  journal_bytes_ = 0;
  backlog_.clear();
  lost_ = 0;
}

abi::RingResult ClientSlot::Take(abi::Command* command) {
  if (!backlog_.empty() || lost_ > 0) return abi::RingResult::kEmpty;
  return commands_.PopAndWipe(command);
}

void ClientSlot::PutBy(const abi::Event& event) {
  // Once something was lost, the gap is reported at its place before anything newer.
  const size_t needed = lost_ > 0 ? 2 : 1;
  if (backlog_.size() + needed > kBacklogMax) {
    ++lost_;
    return;
  }
  if (lost_ > 0) {
    abi::Event gap{};
    gap.kind = abi::EventKind::kEventsLost;
    gap.leg = abi::kNoLeg;
    gap.length = sizeof gap.body.lost;
    gap.body.lost.count = std::exchange(lost_, 0);
    backlog_.push_back(gap);
  }
  backlog_.push_back(event);
}

void ClientSlot::Emit(const abi::Event& event) {
  if (!attached()) {
    if (!named() || IsAnswer(event)) return;
    if (IsEnding(event) || backlog_.size() < kNewsPutByMax) {
      PutBy(event);
    } else {
      ++lost_;
    }
    return;
  }
  if (backlog_.empty() && lost_ == 0) {
    const abi::RingResult result = events_.Push(event);
    news_ = news_ || result == abi::RingResult::kOk;
    broken_ = broken_ || result == abi::RingResult::kBroken;
    if (result != abi::RingResult::kFull) return;
  }
  PutBy(event);
}

bool ClientSlot::Flush() {
  if (!attached()) return true;
  while (!broken_ && !backlog_.empty()) {
    const abi::RingResult result = events_.Push(backlog_.front());
    broken_ = result == abi::RingResult::kBroken;
    if (result != abi::RingResult::kOk) break;
    backlog_.pop_front();
    news_ = true;
  }
  if (lost_ > 0 && backlog_.empty()) {  // report the gap though nothing newer came
    abi::Event gap{};
    gap.kind = abi::EventKind::kEventsLost;
    gap.leg = abi::kNoLeg;
    gap.length = sizeof gap.body.lost;
    gap.body.lost.count = lost_;
    if (events_.Push(gap) == abi::RingResult::kOk) lost_ = 0, news_ = true;
  }
  if (std::exchange(news_, false)) {
    // The client holds this eventfd too: it may have filled it and made it blocking. Never wait for
    // it; a full one is readable anyway.
    pollfd ready{answer_event_.get(), POLLOUT, 0};
    const uint64_t one = 1;
    if (poll(&ready, 1, 0) == 1) {
      [[maybe_unused]] const ssize_t n = write(answer_event_.get(), &one, sizeof one);
    }
  }
  return !broken_;
}

}  // namespace relay::conductor
