#include "sipctl/cli/reload.h"

#include <ostream>
#include <utility>

#include "sipctl/cli/control.h"

namespace sipctl::cli {
namespace {

constexpr int kAnswerMsMax = 60'000;  // names that do not resolve take their time

}  // namespace

Reloader::~Reloader() {
  if (reading_.joinable()) reading_.join();
}

bool Reloader::Begin(Done done) {
  if (busy_) return false;
  busy_ = true;
  if (reading_.joinable()) reading_.join();
  reading_ = std::thread([this, done = std::move(done)] {
    trunk::LoadResult loaded = trunk::LoadConfig(path_);
    loop_->Post([this, done, loaded = std::move(loaded)] {
      busy_ = false;
      done(loaded);
    });
  });
  return true;
}

int RunReload(const ReloadOptions& options, std::ostream& out, std::ostream& err) {
  const auto answer = Ask(options.control, "reload", kAnswerMsMax);
  if (!answer.ok()) {
    err << "sipctl: " << std::string(answer.status().message()) << '\n';
    return 1;
  }
  out << *answer;
  const bool first = answer->rfind(kReloaded, 0) == 0;
  return first || answer->find("\n" + std::string(kReloaded)) != std::string::npos ? 0 : 1;
}

}  // namespace sipctl::cli
