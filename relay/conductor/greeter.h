// The door: the Unix socket, who may come in, and the greeting.
//
// Conductor thread. A connection is a Guest until its Hello is there, and never waits for longer
// than kGreetingTimeout.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"
#include "relay/clock.h"

namespace relay::conductor {

inline constexpr TimeNs kGreetingTimeout = 2 * kSecond;
inline constexpr size_t kGuestsMax = 16;

struct Door {
  std::string path;
  std::string group;  // whose members may come in besides root and our own user; empty = nobody
};

class Greeter {
 public:
  // Listens on the path; a socket that a dead relay left there is replaced.
  static absl::StatusOr<Greeter> Open(const Door& door);

  Greeter(Greeter&&) = default;
  Greeter& operator=(Greeter&&) = default;
  ~Greeter();  // removes the path

  // Readable when somebody knocks.
  int listen_fd() const { return listen_fd_.get(); }

  // Takes the next connection in; -1 when there is none. Who is not permitted is turned away here.
  // The descriptor is to be watched; when it is readable, Read it.
  int Admit(TimeNs now);
  // After Admit: somebody stands outside, but no descriptor was left for him. He is to be admitted
  // later, and not by watching the door, which would tell of him for ever.
  bool someone_waits() const { return someone_waits_; }

  struct Visitor {
    abi::Descriptor socket;
    abi::Hello hello;
  };
  // The Hello of a guest, when it is whole and of our layout. Otherwise nothing: the guest was
  // refused with a reason, or there is nothing to read yet.
  std::optional<Visitor> Read(int fd);
  // Sends guests home who do not speak: their descriptors are closed.
  void Expire(TimeNs now);

 private:
  struct Guest {
    abi::Descriptor socket;
    TimeNs deadline_ns;
  };

  Greeter() = default;
  bool Permitted(int fd) const;

  std::string path_;
  std::optional<gid_t> group_;
  abi::Descriptor listen_fd_;
  std::vector<Guest> guests_;
  bool someone_waits_ = false;
};

// Answers a Hello, with `descriptors` where it is accepted. False when the peer is gone.
bool SendWelcome(int socket, const abi::Welcome& welcome, std::span<const int> descriptors);
// A refusal.
void SendRefusal(int socket, abi::WelcomeStatus status);

}  // namespace relay::conductor
