// One trunk of a configuration file, for commands that name it.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "sipctl/trunk/config.h"

namespace sipctl::cli {

struct TrunkOf {
  std::shared_ptr<const trunk::Config> config;
  size_t trunk = 0;
};

// Prints what is wrong and gives nothing when the file has errors or no such trunk.
std::optional<TrunkOf> LoadTrunk(const std::string& config, const std::string& name,
                                 std::ostream& err);

}  // namespace sipctl::cli
