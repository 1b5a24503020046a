#include "relay/stage/srtp_contexts.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace relay::stage {
namespace {

// RTP's and RTCP's, under the keys that are received with, those before them, and ours.
constexpr size_t kContextsPerLeg = 2 * (2 * abi::kSrtpReceiveKeys + 1);

size_t BytesFor(const SrtpEngine& engine, size_t legs) {
  size_t sizes[] = {engine.ContextSize(abi::SrtpSuite::kAesCm128HmacSha1_80),
                    engine.ContextSize(abi::SrtpSuite::kAesCm256HmacSha1_80),
                    engine.ContextSize(abi::SrtpSuite::kAeadAes128Gcm)};
  std::sort(std::begin(sizes), std::end(sizes));
  const auto end = std::unique(std::begin(sizes), std::end(sizes));
  size_t bytes = 0;
  for (auto size = std::begin(sizes); size != end; ++size) bytes += *size;
  return std::max<size_t>(legs, 1) * kContextsPerLeg * bytes;
}

}  // namespace

SrtpContexts::SrtpContexts(SrtpEngine* engine, size_t legs)
    : engine_(engine), size_{}, first_read_{}, memory_(BytesFor(*engine, legs)) {
  for (uint8_t i = 1; i < abi::kSrtpSuiteCount; ++i) {
    size_[i] = engine->ContextSize(static_cast<abi::SrtpSuite>(i));
    first_read_[i] = engine->FirstRead(static_cast<abi::SrtpSuite>(i));
    assert(size_[i] % kUnit == 0 && size_[i] / kUnit <= kUnitsMax);
  }
  std::fill(std::begin(free_), std::end(free_), session::kNoContext);
}

SrtpContexts::~SrtpContexts() {
  for (uint32_t context = 0; context < live_.size(); ++context) {
    if (live_[context] != abi::SrtpSuite::kNone) engine_->DropContext(At(context), live_[context]);
  }
}

uint32_t SrtpContexts::Make(const SrtpContextKeys& keys) {
  const auto units = static_cast<uint32_t>(size_[static_cast<uint8_t>(keys.suite)] / kUnit);
  uint32_t context = free_[units];
  if (context != session::kNoContext) {
    std::memcpy(&free_[units], At(context), sizeof context);
  } else {
    context = used_;
    used_ += units;
    assert(size_t{used_} * kUnit <= memory_.size());
    live_.resize(used_);
  }
  live_[context] = keys.suite;
  engine_->MakeContext(At(context), keys);
  return context;
}

void SrtpContexts::Drop(uint32_t context, abi::SrtpSuite suite) {
  if (context == session::kNoContext) return;
  const size_t units = size_[static_cast<uint8_t>(suite)] / kUnit;
  live_[context] = abi::SrtpSuite::kNone;
  engine_->DropContext(At(context), suite);
  std::memcpy(At(context), &free_[units], sizeof context);
  free_[units] = context;
}

}  // namespace relay::stage
