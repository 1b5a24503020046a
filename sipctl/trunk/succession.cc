#include "sipctl/trunk/succession.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sipctl::trunk {
namespace {

bool SameButForItsLine(Trunk a, const Trunk& b) {
  a.line = b.line;
  return a == b;
}

bool SameListeners(const Config& a, const Config& b) {
  return std::equal(a.listeners.begin(), a.listeners.end(), b.listeners.begin(), b.listeners.end(),
                    [](Listener left, const Listener& right) {
                      left.line = right.line;
                      return left == right;
                    });
}

}  // namespace

Config Succeed(const Config& running, const Config& next,
               const std::function<bool(size_t)>& in_use) {
  Config result = next;
  result.trunks = running.trunks;
  std::vector<bool> taken(running.trunks.size());
  std::vector<std::optional<size_t>> places(next.trunks.size());
  for (size_t i = 0; i < next.trunks.size(); ++i) {
    for (size_t place = 0; place < running.trunks.size(); ++place) {
      if (!SameButForItsLine(running.trunks[place], next.trunks[i])) continue;
      places[i] = place;
      taken[place] = true;
      break;
    }
  }
  for (size_t place = 0; place < running.trunks.size(); ++place) {
    if (taken[place]) continue;
    taken[place] = in_use(place);
    if (!taken[place]) result.trunks[place] = Trunk{};
    result.trunks[place].retired = true;
  }
  for (size_t i = 0; i < next.trunks.size(); ++i) {
    if (!places[i].has_value()) {
      const auto free = std::find(taken.begin(), taken.end(), false);
      places[i] = static_cast<size_t>(free - taken.begin());
      if (free == taken.end()) {
        taken.push_back(true);
        result.trunks.emplace_back();
      } else {
        *free = true;
      }
    }
    result.trunks[*places[i]] = next.trunks[i];
  }
  while (!taken.back()) {
    taken.pop_back();
    result.trunks.pop_back();
  }
  for (Route& route : result.routes) {
    if (route.from.has_value()) route.from = *places[*route.from];
    route.to = *places[route.to];
  }
  return result;
}

std::vector<std::string> RestartReasons(const Config& running, const Config& next) {
  std::vector<std::string> reasons;
  const auto say = [&reasons](bool changed, const char* sentence) {
    if (changed) reasons.emplace_back(sentence);
  };
  say(!SameListeners(running, next), "the listeners are bound once, at start");
  say(running.relay_socket != next.relay_socket, "the relay's socket is joined once, at start");
  say(running.control_socket != next.control_socket, "the control socket is bound once, at start");
  say(running.name_servers != next.name_servers, "the name servers are chosen once, at start");
  say(running.journal != next.journal || running.calls_max != next.calls_max,
      "the journal has its place and its size (calls_max) from the start");
  return reasons;
}

}  // namespace sipctl::trunk
