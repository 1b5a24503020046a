// Where does a call go? Source trunk, address and called number to destination trunk and its
// number.
#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sipctl/trunk/config.h"

namespace sipctl::trunk {

struct Query {
  size_t source = 0;        // trunk
  std::string_view number;  // as the trunk wrote it; routes see it as E.164 where it is a number
  std::optional<sdp::IpAddress> address;  // of the caller; routes with a source need it
};

struct Decision {
  std::optional<size_t> trunk;  // destination; nothing: refused with `status`
  std::optional<size_t> route;  // index into Config::routes
  std::string number;           // as the destination shall see it
  bool flow = false;            // into a call flow of the destination
  int status = 0;               // 403: the trunk may not call us; 404: no route
  std::string explanation;      // one sentence for the log and for `sipctl check`
};

// How well a route fits a call: what is more particular wins, compared in this order.
struct Fit {
  bool whole_number = false;  // the number stands in its list
  size_t prefix = 0;          // characters
  int network = -1;           // bits of the source network; -1 = from anywhere
  bool trunk = false;         // it names the trunk

  auto operator<=>(const Fit&) const = default;
};
// Nothing when the route is not for this call.
std::optional<Fit> FitOf(const Route& route, const Query& query);

// The order in the file does not matter.
class Router {
 public:
  explicit Router(std::shared_ptr<const Config> config);

  Decision Find(const Query& query) const;
  // Why a route was not taken by `decision`, or "taken".
  std::string Verdict(size_t route, const Query& query, const Decision& decision) const;

 private:
  Decision FindMade(const Query& query) const;

  std::shared_ptr<const Config> config_;
};

}  // namespace sipctl::trunk
