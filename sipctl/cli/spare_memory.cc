#include "sipctl/cli/spare_memory.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

namespace sipctl::cli {
namespace {

constexpr TimeMs kLookMs = 4 * kSecondMs;
// Below it there is nothing to be had: some 2 KiB each.
constexpr size_t kRush = 8192;

}  // namespace

SpareMemory::SpareMemory(Timers* timers, std::function<size_t()> alive,
                         std::function<void()> give_back)
    : timers_(timers), alive_(std::move(alive)), give_back_(std::move(give_back)) {
  timer_ = timers_->After(kLookMs, [this] { Look(); });
}

SpareMemory::~SpareMemory() {
  timers_->Cancel(&timer_);
}

// At each halving, so that a load that goes up and down costs nothing.
void SpareMemory::Look() {
  const size_t alive = alive_();
  most_ = std::max(most_, alive);
  if (most_ >= kRush && alive < most_ / 2) {
    give_back_();
    most_ = alive;
  }
  timer_ = timers_->After(kLookMs, [this] { Look(); });
}

void GiveBackFreePages() {
  malloc_trim(0);
}

}  // namespace sipctl::cli
