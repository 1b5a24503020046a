// The conductor's part that sees processes come and go.
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "relay/conductor/conductor.h"
#include "relay/log.h"

namespace relay::conductor {
namespace {

constexpr size_t kObserversMax = 64;
constexpr int kEpollEvents = 64;

}  // namespace

bool Conductor::Watch(int fd, Source source, uint32_t value, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<uint64_t>(source) << 32 | value;
  return epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Closing is not enough where the other process holds the same open file.
void Conductor::Unwatch(int fd) {
  epoll_ctl(epoll_fd_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Conductor::Notice(TimeNs now) {
  epoll_event events[kEpollEvents];
  const int count = epoll_wait(epoll_fd_.get(), events, kEpollEvents, 0);
  bool knocked = greeter_.someone_waits();
  for (int i = 0; i < count; ++i) {
    const auto source = static_cast<Source>(events[i].data.u64 >> 32);
    const auto value = static_cast<uint32_t>(events[i].data.u64);
    const int fd = static_cast<int>(value);
    switch (source) {
      case Source::kDoor:
        knocked = true;
        break;
      case Source::kGuest:
        if (std::optional<Greeter::Visitor> visitor = greeter_.Read(fd)) {
          Unwatch(fd);  // it is watched as something else from here on
          visitor->hello.role == abi::Role::kClient ? Welcome(*std::move(visitor))
                                                    : WelcomeObserver(*std::move(visitor));
        }
        break;
      case Source::kClient: {
        // A client has nothing to say here: readable means gone, or not speaking the contract.
        ClientSlot& slot = slots_[value];
        if (slot.attached()) ClientGone(slot, "its process ended", now);
        break;
      }
      case Source::kObserver:
        std::erase_if(observers_,
                      [fd](const abi::Descriptor& observer) { return observer.get() == fd; });
        break;
      case Source::kReports: {
        uint64_t ignored;
        [[maybe_unused]] const ssize_t n = read(config_.report_fd, &ignored, sizeof ignored);
        break;
      }
      case Source::kUpkeep:  // its turn comes with every turn
        break;
      case Source::kSignal:
        TakeSignal(now);
        break;
      case Source::kCommands:
        break;  // edge-triggered and never read: the client may have made it blocking
    }
  }
  if (knocked) AdmitGuests(now);
}

// The door is edge-triggered: who finds no descriptor waits for the next turn, at the latest the
// next beat of the heart, and keeps nobody busy meanwhile.
void Conductor::AdmitGuests(TimeNs now) {
  const bool waited = greeter_.someone_waits();
  for (int guest; (guest = greeter_.Admit(now)) >= 0;) {
    Watch(guest, Source::kGuest, static_cast<uint32_t>(guest), EPOLLIN);
  }
  if (greeter_.someone_waits() && !waited) {
    log::Warn(
        "a client waits at the door: no descriptor is left for it; raise the limit of "
        "open files (LimitNOFILE= in the unit file)");
  }
}

void Conductor::Welcome(Greeter::Visitor visitor) {
  const abi::Hello& hello = visitor.hello;
  const ClientSlots::Choice choice =
      slots_.Choose(hello.owner_cookie, [this](uint16_t slot) { return directory_.LiveOf(slot); });
  if (choice.status != abi::WelcomeStatus::kOk) {
    SendRefusal(visitor.socket.get(), choice.status);
    return;
  }
  ClientSlot& slot = *choice.slot;
  if (!choice.resumed) {
    slot.Forget(config_.keeper);
    networks_[slot.number()].Clear();
  }
  const std::string name(hello.name, strnlen(hello.name, sizeof hello.name));
  const absl::Status status =
      slot.Prepare(hello.owner_cookie, name,
                   std::min(hello.journal_bytes, config_.journal_bytes_max), config_.keeper);
  if (!status.ok()) {
    log::Error("client slot {}: {}", slot.number(), status.ToString());
    slot.Leave(turns_);
    SendRefusal(visitor.socket.get(), abi::WelcomeStatus::kNoSlot);
    return;
  }
  abi::Welcome welcome{};
  welcome.magic = abi::kMagic;
  welcome.layout_version = abi::kLayoutVersion;
  welcome.layout_hash = abi::LayoutHash();
  welcome.client_slot = slot.number();
  welcome.resumed = choice.resumed ? 1 : 0;
  welcome.descriptors = abi::kClientDescriptors;
  welcome.journal_bytes = slot.journal_bytes();
  const int descriptors[] = {
      config_.state->read_only_fd(), slot.client_fd(),   slot.answer_fd(), slot.journal_fd(),
      slot.command_event(),          slot.answer_event()};
  const int socket = visitor.socket.get();
  if (!Watch(socket, Source::kClient, slot.number(), EPOLLIN) ||
      !Watch(slot.command_event(), Source::kCommands, slot.number(), EPOLLIN | EPOLLET) ||
      !SendWelcome(socket, welcome, descriptors)) {
    Unwatch(slot.command_event());
    slot.Leave(turns_);
    return;
  }
  slot.Attached(std::move(visitor.socket));
  log::Info("client slot {}: '{}' {}, {} sessions live", slot.number(), slot.name(),
            choice.resumed ? "came back" : "attached", directory_.LiveOf(slot.number()));
}

void Conductor::WelcomeObserver(Greeter::Visitor visitor) {
  if (observers_.size() == kObserversMax) {
    SendRefusal(visitor.socket.get(), abi::WelcomeStatus::kNoSlot);
    return;
  }
  abi::Welcome welcome{};
  welcome.magic = abi::kMagic;
  welcome.layout_version = abi::kLayoutVersion;
  welcome.layout_hash = abi::LayoutHash();
  welcome.descriptors = abi::kObserverDescriptors;
  const int state = config_.state->read_only_fd();
  const int fd = visitor.socket.get();
  if (!SendWelcome(fd, welcome, {&state, 1})) return;
  if (!Watch(fd, Source::kObserver, static_cast<uint32_t>(fd), EPOLLIN)) return;
  observers_.push_back(std::move(visitor.socket));
}

void Conductor::ClientGone(ClientSlot& slot, const char* why, TimeNs now) {
  // What it had published is still done: a client may say goodbye and end at once.
  abi::Command command;
  for (uint64_t i = 0; i < abi::kCommandRingCapacity; ++i) {
    if (slot.TakeLast(&command) != abi::RingResult::kOk) break;
    Execute(slot, command, now);
    ForgetKeys(&command);
  }
  Unwatch(slot.command_event());
  Unwatch(slot.socket());
  slot.Leave(turns_);
  log::Info("client slot {}: '{}' is gone ({}), {} sessions go on", slot.number(), slot.name(), why,
            directory_.LiveOf(slot.number()));
}

void Conductor::TakeSignal(TimeNs now) {
  signalfd_siginfo info;
  while (read(config_.signal_fd, &info, sizeof info) == sizeof info) {
    log::Info("signal {} from process {}", strsignal(static_cast<int>(info.ssi_signo)),
              info.ssi_pid);
    Terminate(now);
  }
}

}  // namespace relay::conductor
