// Where does a call go? Source trunk and called number to destination trunk and its number.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sipctl/trunk/config.h"

namespace sipctl::trunk {

struct Decision {
  std::optional<size_t> trunk;  // destination; nothing: no route, 404
  std::optional<size_t> route;  // index into Config::routes
  std::string number;           // as the destination shall see it
  std::string explanation;      // one sentence for the log and for `sipctl check`
};

// The longest prefix wins; between equal prefixes a route of the source trunk beats one for any.
// The order in the file does not matter.
class Router {
 public:
  explicit Router(std::shared_ptr<const Config> config);

  Decision Find(size_t source, std::string_view number) const;

 private:
  std::shared_ptr<const Config> config_;
};

}  // namespace sipctl::trunk
