// Turns a loop until something has happened, in real time at most 10 s; the loop's own time is
// whatever its clock says.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "sipctl/loop.h"

namespace sipctl::support {

inline void TurnUntil(Loop* loop, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "did not happen";
    loop->Turn(5);
  }
}

}  // namespace sipctl::support
