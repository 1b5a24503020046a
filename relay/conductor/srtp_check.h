// Whether the SRTP part of a leg's command makes sense by itself (abi/srtp.h says what it means).
#pragma once

#include "relay/abi/srtp.h"
#include "relay/conductor/command_check.h"

namespace relay::conductor {

Finding CheckSrtp(const abi::SrtpPlan& srtp);

inline constexpr uint16_t kSrtpOffset = kBodyOffset + offsetof(abi::LegCommand, srtp);

}  // namespace relay::conductor
