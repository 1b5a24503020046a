// The client's side of the contract: how a process joins a relay and talks to it.
//
//   Attachment relay;
//   AttachFailure failure = relay.Attach({.path = "/run/tandem/relay.sock", .owner_cookie = 7});
//   if (failure.retry()) ...try again later: no relay there, or not ready yet
//   relay.Push(command); relay.Signal();
//   ...poll event_fd() and socket_fd()...; relay.ClearSignal(); while (relay.Pop(&event) == kOk)
//   ...
//
// One thread uses an Attachment. Header-only, on libc and the standard library alone, so that any
// program can join without linking the relay.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"
#include "relay/abi/seqlock.h"

namespace relay::abi {

enum class AttachError : uint8_t {
  kNone = 0,
  kNoRelay,         // nobody listens on the path
  kNotReady,        // the segment's magic is still 0
  kTimeout,         // somebody listens but does not answer
  kRefused,         // the relay said no; see `welcome`
  kBadPath,         // longer than a socket address can hold
  kWrongPeer,       // the process behind the socket is not of the user we trust
  kBadWelcome,      // the answer is not a Welcome
  kLayoutMismatch,  // built from another contract
  kBadDescriptors,  // missing, too many or cut off
  kNotSealed,       // a memfd could be truncated under us
  kBadSize,         // a memfd is smaller than what it must hold
  kSystem,          // a system call failed; see `error_number`
};

struct AttachFailure {
  AttachError error = AttachError::kNone;
  int error_number = 0;  // errno where one is known
  WelcomeStatus welcome = WelcomeStatus::kOk;

  bool ok() const { return error == AttachError::kNone; }
  // The same call may succeed later without anybody changing anything.
  bool retry() const {
    return error == AttachError::kNoRelay || error == AttachError::kNotReady ||
           error == AttachError::kTimeout ||
           (error == AttachError::kRefused &&
            (welcome == WelcomeStatus::kNoSlot || welcome == WelcomeStatus::kCookieInUse));
  }
  std::string Text() const {
    std::string text = Sentence();
    if (error_number != 0) text.append(": ").append(std::strerror(error_number));
    return text;
  }

 private:
  const char* Sentence() const {
    switch (error) {
      case AttachError::kNone:
        return "attached";
      case AttachError::kNoRelay:
        return "no relay listens on the socket";
      case AttachError::kNotReady:
        return "the relay is still starting";
      case AttachError::kTimeout:
        return "the relay did not answer in time";
      case AttachError::kRefused:
        return WelcomeSentence();
      case AttachError::kBadPath:
        return "the socket path is empty or longer than 107 bytes";
      case AttachError::kWrongPeer:
        return "the process behind the socket belongs to another user";
      case AttachError::kBadWelcome:
        return "the answer on the socket does not come from a relay";
      case AttachError::kLayoutMismatch:
        return "the relay was built from another version of relay/abi";
      case AttachError::kBadDescriptors:
        return "the relay did not hand over the expected descriptors";
      case AttachError::kNotSealed:
        return "a memfd of the relay is not sealed";
      case AttachError::kBadSize:
        return "a memfd of the relay has the wrong size";
      case AttachError::kSystem:
        return "a system call failed";
    }
    return "unknown error";
  }
  const char* WelcomeSentence() const {
    switch (welcome) {
      case WelcomeStatus::kOk:
        break;
      case WelcomeStatus::kBadHello:
        return "the relay did not understand our greeting";
      case WelcomeStatus::kLayoutMismatch:
        return "the relay was built from another version of relay/abi";
      case WelcomeStatus::kNoSlot:
        return "all client slots of the relay are taken";
      case WelcomeStatus::kCookieInUse:
        return "a living client of the relay has the same owner cookie";
      case WelcomeStatus::kNotPermitted:
        return "the relay does not serve this user";
    }
    return "the relay refused";
  }
};

struct AttachOptions {
  std::string_view path;
  uint64_t owner_cookie = 0;   // not 0; the same over restarts of one client
  uint32_t journal_bytes = 0;  // 0 = none wanted; a resumed slot keeps its size
  std::string_view name = {};  // for people, 31 bytes at most
  int timeout_ms = 1000;
  int64_t relay_user = -1;  // uid the relay must have (root always may); -1 = any
};

class Attachment {
 public:
  Attachment() = default;
  Attachment(Attachment&&) = default;
  Attachment& operator=(Attachment&&) = default;

  // As a client with a slot of its own. An earlier attachment is dropped first.
  AttachFailure Attach(const AttachOptions& options) { return Join(options, Role::kClient); }
  // As an observer: the state alone, read-only.
  AttachFailure Observe(std::string_view path, int timeout_ms = 1000) {
    return Join({.path = path, .timeout_ms = timeout_ms}, Role::kObserver);
  }
  void Detach() { *this = Attachment(); }

  bool attached() const { return state_.valid(); }
  bool resumed() const { return welcome_.resumed != 0; }
  uint16_t client_slot() const { return welcome_.client_slot; }

  // ---- commands and events (clients only) ----

  // Publishes a command; Signal once after a batch.
  RingResult Push(const Command& command) { return commands_.Push(command); }
  RingResult Pop(Event* event) { return events_.Pop(event); }

  void Signal() {
    const uint64_t one = 1;
    // Fails only when the counter is at its end, and then the relay is awake already.
    [[maybe_unused]] const ssize_t written =
        write(descriptors_[kCommandFd].get(), &one, sizeof one);
  }
  // Readable when events may be there. Clear it before popping until kEmpty, never after.
  int event_fd() const { return descriptors_[kEventFd].get(); }
  void ClearSignal() {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(event_fd(), &count, sizeof count);
  }
  // Sleeps until events may be there or the relay is gone; false after `timeout_ms`.
  bool WaitEvents(int timeout_ms) {
    pollfd fds[2] = {{event_fd(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
    return poll(fds, 2, timeout_ms) > 0;
  }
  // Says "I am alive"; a few times a second.
  void Beat() { client()->heartbeat.value.fetch_add(1, std::memory_order_relaxed); }

  std::span<const Lease> leases() const {
    const size_t count = answer()->lease_count;
    return {answer()->leases, count < kLeasesMax ? count : kLeasesMax};
  }
  // The client's own records, kept by the relay over restarts of the client.
  std::span<uint8_t> journal() const { return {journal_.data(), journal_.size()}; }

  // ---- the relay's life ----

  // Readable at the end of the relay's process.
  int socket_fd() const { return socket_.get(); }
  bool RelayGone() const {
    char byte;
    const ssize_t got = recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  }
  // Counts the conductor's turns: a number that stands still means stuck.
  uint64_t RelayHeartbeat() const { return state().heartbeat.load(std::memory_order_relaxed); }
  bool Draining() const { return state().draining.load(std::memory_order_relaxed) != 0; }

  // ---- state ----

  const StateHeader& state() const { return *state_.At<const StateHeader>(0); }
  std::span<const LocalAddress> addresses() const {
    return {state().addresses, state().local_addresses};
  }
  const Placement& placement() const { return state().placement; }
  // One block a worker, then the conductor's.
  std::span<const CounterBlock> counters() const {
    return {state_.At<const CounterBlock>(state().counters_offset), state().workers + 1u};
  }
  std::span<const SessionRecord> sessions() const {
    return {state_.At<const SessionRecord>(state().sessions_offset), state().sessions_max};
  }
  std::span<const LegStatisticsSlot> statistics() const {
    return {state_.At<const LegStatisticsSlot>(state().statistics_offset), state().legs_max};
  }
  // Copies a live session untorn; false when the slot is free.
  bool ReadSession(uint32_t index, SessionRecord* copy) const {
    return LoadLocked(sessions()[index], copy) && copy->session != 0;
  }
  bool ReadStatistics(uint32_t index, LegStatistics* copy) const {
    LegStatisticsSlot slot;
    if (index >= state().legs_max || !LoadLocked(statistics()[index], &slot)) return false;
    *copy = slot.statistics;
    return true;
  }

  // What this client shares with the relay, for tests that lie.
  const ClientArea* client_area() const { return client(); }

 private:
  // Order of Welcome's descriptors.
  enum { kStateFd, kClientFd, kAnswerFd, kJournalFd, kCommandFd, kEventFd };
  // One more than we ask for, to notice a relay that hands over too many.
  static constexpr int kDescriptorsRead = kClientDescriptors + 1;

  static AttachFailure Failure(AttachError error, int error_number = 0) {
    return {error, error_number, WelcomeStatus::kOk};
  }

  AttachFailure Join(const AttachOptions& options, Role role) {
    Attachment fresh;
    AttachFailure failure = fresh.Connect(options);
    if (failure.ok()) failure = fresh.Greet(options, role);
    if (failure.ok()) failure = fresh.ReceiveWelcome(role);
    if (failure.ok()) failure = fresh.MapState();
    if (failure.ok() && role == Role::kClient) failure = fresh.MapAreas();
    *this = failure.ok() ? std::move(fresh) : Attachment();
    return failure;
  }

  AttachFailure Connect(const AttachOptions& options) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.path.empty() || options.path.size() >= sizeof address.sun_path) {
      return Failure(AttachError::kBadPath);
    }
    std::memcpy(address.sun_path, options.path.data(), options.path.size());
    socket_ = Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket_.valid()) return Failure(AttachError::kSystem, errno);
    const timeval timeout{options.timeout_ms / 1000, options.timeout_ms % 1000 * 1000};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      if (errno == EAGAIN) return Failure(AttachError::kTimeout);
      const bool absent = errno == ENOENT || errno == ECONNREFUSED;
      return Failure(absent ? AttachError::kNoRelay : AttachError::kSystem, errno);
    }
    ucred peer{};
    socklen_t length = sizeof peer;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
      return Failure(AttachError::kSystem, errno);
    }
    const bool trusted = options.relay_user < 0 || peer.uid == 0 ||
                         peer.uid == static_cast<uint64_t>(options.relay_user);
    return Failure(trusted ? AttachError::kNone : AttachError::kWrongPeer);
  }

  AttachFailure Greet(const AttachOptions& options, Role role) {
    Hello hello{};
    hello.magic = kMagic;
    hello.layout_version = kLayoutVersion;
    hello.layout_hash = LayoutHash();
    hello.role = role;
    hello.journal_bytes = options.journal_bytes;
    hello.owner_cookie = options.owner_cookie;
    const size_t length = std::min(options.name.size(), sizeof hello.name - 1);
    std::copy_n(options.name.data(), length, hello.name);
    if (send(socket_.get(), &hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello) return {};
    // A relay that refuses the user closes at once; its reason is still there to be read.
    return errno == EPIPE || errno == ECONNRESET ? AttachFailure{}
                                                 : Failure(AttachError::kSystem, errno);
  }

  AttachFailure ReceiveWelcome(Role role) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsRead)];
    iovec part{&welcome_, sizeof welcome_};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    // A relay that turned us away before it read our Hello resets the connection; its reason lies
    // behind that error.
    if (got < 0 && errno == ECONNRESET) got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EAGAIN) return Failure(AttachError::kTimeout);
    if (got < 0) return Failure(AttachError::kSystem, errno);
    int count = 0;
    for (cmsghdr* c = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr; c != nullptr;
         c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const size_t handed = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < handed && count < kDescriptorsRead; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        descriptors_[count++] = Descriptor(fd);
      }
    }
    if (got != sizeof welcome_ || welcome_.magic != kMagic) {
      return Failure(AttachError::kBadWelcome);
    }
    if (welcome_.status != WelcomeStatus::kOk) {
      return {AttachError::kRefused, 0, welcome_.status};
    }
    if (welcome_.layout_version != kLayoutVersion || welcome_.layout_hash != LayoutHash()) {
      return Failure(AttachError::kLayoutMismatch);
    }
    const int wanted = role == Role::kClient ? kClientDescriptors : kObserverDescriptors;
    const bool whole = count == wanted && welcome_.descriptors == wanted &&
                       (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0;
    return Failure(whole ? AttachError::kNone : AttachError::kBadDescriptors);
  }

  // Maps a sealed memfd of at least `size` bytes whole.
  AttachFailure MapSealed(int fd, size_t size, int protection, Mapping* mapping) {
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & kSeals) != kSeals) return Failure(AttachError::kNotSealed);
    if (fstat(fd, &status) != 0) return Failure(AttachError::kSystem, errno);
    if (static_cast<uint64_t>(status.st_size) < size) return Failure(AttachError::kBadSize);
    const auto whole = static_cast<size_t>(status.st_size);
    return mapping->Map(fd, whole, protection) ? AttachFailure{}
                                               : Failure(AttachError::kSystem, errno);
  }

  AttachFailure MapState() {
    const AttachFailure failure =
        MapSealed(descriptors_[kStateFd].get(), sizeof(StateHeader), PROT_READ, &state_);
    if (!failure.ok()) return failure;
    const StateHeader& header = state();
    const uint64_t magic = header.magic.load(std::memory_order_acquire);
    if (magic == 0) return Failure(AttachError::kNotReady);
    if (magic != kMagic || header.layout_version != kLayoutVersion ||
        header.layout_hash != LayoutHash()) {
      return Failure(AttachError::kLayoutMismatch);
    }
    const bool fits = header.size == state_.size() &&
                      header.local_addresses <= kLocalAddressesMax &&
                      header.workers <= kWorkersMax &&
                      Fits(header.counters_offset, header.workers + 1u, sizeof(CounterBlock)) &&
                      Fits(header.sessions_offset, header.sessions_max, sizeof(SessionRecord)) &&
                      Fits(header.statistics_offset, header.legs_max, sizeof(LegStatisticsSlot));
    return Failure(fits ? AttachError::kNone : AttachError::kBadSize);
  }
  bool Fits(uint64_t offset, uint64_t count, uint64_t size) const {
    return offset % 64 == 0 && offset <= state_.size() && count * size <= state_.size() - offset;
  }

  AttachFailure MapAreas() {
    constexpr int kReadWrite = PROT_READ | PROT_WRITE;
    AttachFailure failure =
        MapSealed(descriptors_[kClientFd].get(), sizeof(ClientArea), kReadWrite, &client_);
    if (failure.ok()) {
      failure = MapSealed(descriptors_[kAnswerFd].get(), sizeof(AnswerArea), PROT_READ, &answer_);
    }
    if (failure.ok() && welcome_.journal_bytes > 0) {
      failure =
          MapSealed(descriptors_[kJournalFd].get(), welcome_.journal_bytes, kReadWrite, &journal_);
    }
    if (!failure.ok()) return failure;
    commands_ = RingProducer<Command>({client()->commands, &client()->commands_produced,
                                       &answer()->commands_consumed, kCommandRingCapacity});
    events_ = RingConsumer<Event>({answer()->events, &answer()->events_produced,
                                   &client()->events_consumed, kEventRingCapacity});
    return {};
  }
  ClientArea* client() const { return client_.At<ClientArea>(0); }
  AnswerArea* answer() const { return answer_.At<AnswerArea>(0); }  // mapped read-only

  Descriptor socket_;
  Descriptor descriptors_[kDescriptorsRead];
  Welcome welcome_{};
  Mapping state_, client_, answer_, journal_;
  RingProducer<Command> commands_;
  RingConsumer<Event> events_;
};

}  // namespace relay::abi
