// The running process answers questions on a Unix socket: one line in, text out, end of stream.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "sipctl/loop.h"

namespace sipctl::cli {

class Control {
 public:
  using Reply = std::function<void(std::string)>;
  // Answers a line, without its end, by calling `reply` once: at once or later, on the loop's
  // thread. A visitor that has gone meanwhile does not matter.
  using Answer = std::function<void(std::string_view question, Reply reply)>;

  // Takes `path` over when its owner is dead; fails when somebody answers there.
  static absl::StatusOr<std::unique_ptr<Control>> Create(Loop* loop, std::string path,
                                                         Answer answer);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  struct Visitor {
    uint64_t number = 0;  // of all visitors: a descriptor is used again
    std::string question;
    bool asked = false;
    std::string answer;
    size_t sent = 0;
    bool answering = false;
  };

  Control(Loop* loop, std::string path, Answer answer, int listener);
  void Accept();
  void OnReady(int fd);
  void TakeReply(int fd, uint64_t number, std::string answer);
  void Send(int fd, Visitor* visitor);
  void Close(int fd);

  Loop* loop_;
  std::string path_;
  Answer answer_;
  int listener_;
  absl::flat_hash_map<int, Visitor> visitors_;
  uint64_t visitors_so_far_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // outlived by replies
};

// Asks the process behind `path` and gives its whole answer. Blocks, `timeout_ms` at most for each
// piece of it.
absl::StatusOr<std::string> Ask(const std::string& path, std::string_view question,
                                int timeout_ms = 5000);

// What a command does that only asks: the answer goes to `out`. Exit status: 0 fine, 1 when nobody
// answers, which `errors` hears.
int PrintAnswer(const std::string& path, std::string_view question, std::ostream& out,
                std::ostream& errors);

}  // namespace sipctl::cli
