// relaystat: counters and sessions of a running relay, read from its segment. It can change
// nothing.
#include <poll.h>

#include <cstdio>
#include <string>

#include "relay/clock.h"
#include "relay/command_line.h"
#include "relay/tools/relaystat_views.h"

namespace {

struct Wishes {
  std::string socket_path = "/run/tandem/relay.sock";
  uint32_t watch_s = 0;
  bool json = false;
  bool all = false;
  bool help = false;
  bool markdown = false;
};

relay::CommandLine Table(Wishes* wishes) {
  return relay::CommandLine(
      "relaystat", "Shows the counters and sessions of a running relay, read-only.",
      {{"--socket", "PATH", wishes->socket_path, "The relay's Unix socket.", false,
        relay::TextInto(&wishes->socket_path)},
       {"--json", "", "", "Prints JSON; with --watch, one document after the other.", false,
        relay::SwitchInto(&wishes->json)},
       {"--all", "", "", "Shows counters that stand at zero too.", false,
        relay::SwitchInto(&wishes->all)},
       {"--watch", "SECONDS", "", "Prints again and again, 1 to 3600 seconds apart.", false,
        relay::NumberInto(&wishes->watch_s, 1, 3600)},
       {"--help", "", "", "Prints this list and ends.", false, relay::SwitchInto(&wishes->help)},
       {"--print-options-markdown", "", "", "Prints this list as in docs/options.md and ends.",
        false, relay::SwitchInto(&wishes->markdown)}});
}

int Show(const Wishes& wishes) {
  relay::abi::Attachment relay;
  const relay::abi::AttachFailure failure = relay.Observe(wishes.socket_path);
  if (!failure.ok()) {
    std::fprintf(stderr, "relaystat: %s: %s\n", wishes.socket_path.c_str(), failure.Text().c_str());
    return 1;
  }
  while (true) {
    const relay::tools::Snapshot snapshot = relay::tools::Take(relay, relay::MonotonicNow());
    const std::string text =
        wishes.json ? relay::tools::Json(snapshot) : relay::tools::Text(snapshot, wishes.all);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    if (wishes.watch_s == 0) return 0;
    pollfd end{relay.socket_fd(), POLLIN, 0};
    if (poll(&end, 1, static_cast<int>(wishes.watch_s) * 1000) > 0 || relay.RelayGone()) {
      std::fprintf(stderr, "relaystat: %s: the relay has ended\n", wishes.socket_path.c_str());
      return 1;
    }
    std::fputs("\n", stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  Wishes wishes;
  const relay::CommandLine table = Table(&wishes);
  const absl::Status status = table.Parse({arguments + 1, static_cast<size_t>(count - 1)});
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 2;
  }
  if (wishes.help || wishes.markdown) {
    std::fputs((wishes.help ? table.Help() : table.Markdown()).c_str(), stdout);
    return 0;
  }
  return Show(wishes);
}
