// What both instruments' tests of their command lines begin with.
#pragma once

#include <string>
#include <vector>

#include "bench/command_line.h"
#include "gtest/gtest.h"

namespace bench {

template <typename Options, Usage (*kUsageOf)(Options*)>
class OptionsFixture : public testing::Test {
 protected:
  // What is wrong with them; empty = nothing.
  std::string Read(const std::vector<const char*>& arguments) {
    options_ = {};
    return std::string(Parse(kUsageOf(&options_), arguments, &help_).message());
  }

  Options options_;
  std::string help_;
};

}  // namespace bench
