// How AF_XDP may run.
#pragma once

#include <cstdint>

namespace relay::port {

// The worst that is put up with. kAuto takes the best there is; the others refuse to start below.
enum class XdpMode : uint8_t {
  kAuto,      // native if the driver can, else generic; zero-copy if all devices can, else copy
  kNative,    // refuse generic
  kZeroCopy,  // refuse generic and copy
  kGeneric,   // take generic and copy, whatever the driver can: for drivers with faults
};

}  // namespace relay::port
