// A network device of the kernel as the end of a cable: whole frames in and out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "relay/clock.h"

namespace relay::test {

// In the network namespace of the thread that makes it.
class CableEnd {
 public:
  explicit CableEnd(const char* device = "far0");
  ~CableEnd();
  CableEnd(const CableEnd&) = delete;
  CableEnd& operator=(const CableEnd&) = delete;

  void Send(std::span<const uint8_t> frame);
  std::optional<std::vector<uint8_t>> Receive(TimeNs deadline);

 private:
  int socket_;
};

}  // namespace relay::test
