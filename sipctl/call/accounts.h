// Who may log in, and as what. The passwords are in memory alone.
#pragma once

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace sipctl::call {

struct Account {
  size_t trunk = 0;  // whose user it is
  std::string password;
};

using Accounts = absl::flat_hash_map<std::string, Account>;  // by the user's name

}  // namespace sipctl::call
