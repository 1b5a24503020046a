// A configuration that is read again while the process runs: `sipctl reload` and SIGHUP.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "sipctl/loop.h"
#include "sipctl/options.h"
#include "sipctl/trunk/config.h"

namespace sipctl::cli {

// Reads the file on a thread of its own, because files block, and brings what it found to the loop.
class Reloader {
 public:
  using Done = std::function<void(const trunk::LoadResult&)>;

  Reloader(Loop* loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // False when the one before is not done yet.
  bool Begin(Done done);

 private:
  Loop* loop_;
  std::string path_;
  std::thread reading_;
  bool busy_ = false;  // loop's thread only
};

// Exit status: 0 when the process runs by the new configuration, 1 when the old one stays.
int RunReload(const ReloadOptions& options, std::ostream& out, std::ostream& err);

// What the answer to "reload" begins its last line with.
inline constexpr std::string_view kReloaded = "reloaded: ";
inline constexpr std::string_view kNotReloaded = "not reloaded: ";

}  // namespace sipctl::cli
