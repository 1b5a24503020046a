// Where cipher contexts lie: one pool a worker, dense, so that the contexts of many legs share
// pages, in memory that no core dump holds. A name is 4 bytes: it can stand in plain data.
//
// Blocks of one size are used again for that size alone. Worker thread.
#pragma once

#include <cstdint>
#include <vector>

#include "relay/session/secret_memory.h"
#include "relay/session/srtp.h"
#include "relay/stage/srtp_engine.h"

namespace relay::stage {

class SrtpContexts {
 public:
  // Room for all that `legs` legs can have at a time, of every suite.
  SrtpContexts(SrtpEngine* engine, size_t legs);
  ~SrtpContexts();  // drops what is left: engines keep things elsewhere as well
  SrtpContexts(const SrtpContexts&) = delete;
  SrtpContexts& operator=(const SrtpContexts&) = delete;

  uint32_t Make(const SrtpContextKeys& keys);
  // kNoContext is none.
  void Drop(uint32_t context, abi::SrtpSuite suite);
  void* At(uint32_t context) const { return memory_.data() + size_t{context} * kUnit; }

  // Starts loading what a packet reads of it first. The rest is an engine's business.
  void Prefetch(uint32_t context, abi::SrtpSuite suite) const {
    const auto* at = static_cast<const std::byte*>(At(context));
    __builtin_prefetch(at + first_read_[static_cast<uint8_t>(suite)]);
  }

 private:
  static constexpr size_t kUnit = 64;
  static constexpr size_t kUnitsMax = 64;

  SrtpEngine* const engine_;
  size_t size_[abi::kSrtpSuiteCount];
  size_t first_read_[abi::kSrtpSuiteCount];
  session::SecretMemory memory_;
  std::vector<abi::SrtpSuite> live_;  // by the first unit of a block
  uint32_t used_ = 0;                 // units
  uint32_t free_[kUnitsMax + 1];      // by units of a block; its first bytes name the next one
};

}  // namespace relay::stage
