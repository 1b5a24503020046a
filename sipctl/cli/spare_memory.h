// After a rush of calls most of the heap is free, but in pieces between what is still used, which
// the C library keeps. This asks it to give whole pages back, when it is worth the time.
#pragma once

#include <cstddef>
#include <functional>

#include "sipctl/timers.h"

namespace sipctl::cli {

class SpareMemory {
 public:
  // `alive`: how many transactions there are; memory follows them. `give_back`: what costs time.
  SpareMemory(Timers* timers, std::function<size_t()> alive, std::function<void()> give_back);
  ~SpareMemory();
  SpareMemory(const SpareMemory&) = delete;
  SpareMemory& operator=(const SpareMemory&) = delete;

 private:
  void Look();

  Timers* const timers_;
  const std::function<size_t()> alive_;
  const std::function<void()> give_back_;
  size_t most_ = 0;  // alive since memory was given back
  Timers::Id timer_ = 0;
};

// Of the whole process.
void GiveBackFreePages();

}  // namespace sipctl::cli
