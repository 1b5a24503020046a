// The one door through which descriptors outlive the process.
//
// Whatever must survive a restart of the relay (its memfds, later UMEM and sockets) is put behind
// this door by name. Behind it stands systemd's file descriptor store, spoken to by its plain
// protocol (sd_notify(3), sd_listen_fds(3)) and without libsystemd; where no service manager
// listens, nothing is kept and nothing fails.
//
// Conductor thread, and before the threads start.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "relay/abi/mapping.h"

namespace relay::conductor {

class Keeper {
 public:
  Keeper() = default;  // keeps nothing

  // Takes over what an earlier life left (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and learns where
  // the service manager listens (NOTIFY_SOCKET); removes all four from the environment.
  static Keeper FromEnvironment();

  // Hands a duplicate of `fd` to the service manager under `name` (letters, digits and '-'). What
  // an earlier life kept under that name and nobody took is forgotten. OK also when there is no
  // service manager.
  absl::Status Keep(std::string_view name, int fd);
  // Tells the service manager to forget `name`.
  absl::Status Forget(std::string_view name);
  // What an earlier life kept under `name`; the caller owns it from here on.
  std::optional<abi::Descriptor> Kept(std::string_view name);

  // "READY=1", "STOPPING=1" and the like.
  absl::Status Notify(std::string_view state) const { return Send(state, -1); }

 private:
  struct Entry {
    std::string name;
    abi::Descriptor fd;
  };

  absl::Status Send(std::string_view text, int fd) const;

  std::string notify_socket_;
  std::vector<Entry> kept_;
};

}  // namespace relay::conductor
