// Whether a command makes sense by itself.
//
// Works on the private copy of a record and looks at every byte of it: what is not named by the
// kind of command must be zero. What depends on sessions is decided by the session factory.
#pragma once

#include <cstdint>
#include <span>

#include "relay/abi/command.h"
#include "relay/abi/event.h"
#include "relay/abi/segment.h"

namespace relay::conductor {

// kRefused's body; `refusal` kNone = nothing is wrong. `field` is the byte offset in the command.
struct Finding {
  abi::Refusal refusal = abi::Refusal::kNone;
  uint16_t field = 0;
  uint32_t detail = 0;

  bool ok() const { return refusal == abi::Refusal::kNone; }
};

inline Finding Refuse(abi::Refusal refusal, size_t field, uint32_t detail = 0) {
  return {.refusal = refusal, .field = static_cast<uint16_t>(field), .detail = detail};
}

// What may be named in a command of one client.
struct CheckFacts {
  std::span<const abi::LocalAddress> addresses;
  std::span<const abi::Lease> leases;
};

Finding CheckCommand(const abi::Command& command, const CheckFacts& facts);

// Byte offsets in a command, for findings.
inline constexpr uint16_t kBodyOffset = offsetof(abi::Command, body);
inline constexpr uint16_t kPlanOffset = kBodyOffset + offsetof(abi::LegCommand, plan);

}  // namespace relay::conductor
