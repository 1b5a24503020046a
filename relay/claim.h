// What only one process may have in a network namespace, and the kernel does not watch over: each
// writes what it has into the name of a socket (unix(7), abstract), and looks at the others' names.
// A name goes with its process. It guards against mistakes, not against a local user who means ill:
// he could take the ports themselves, but cannot keep a relay from starting, as only claims of root
// and of our own user are heeded.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"

namespace relay {

class Claim {
 public:
  struct Other {
    std::string what;
    std::string holder;  // number of its process, as that sees itself
  };

  // `kind` and `what`: no '/' and no NUL in them, together up to 64 bytes.
  static absl::StatusOr<Claim> Make(std::string_view kind, std::string_view what);
  // All of that kind but `own`.
  static std::vector<Other> Others(std::string_view kind, std::span<const Claim> own);

 private:
  Claim(std::string name, abi::Descriptor held) : name_(std::move(name)), held_(std::move(held)) {}

  std::string name_;
  abi::Descriptor held_;
};

}  // namespace relay
