// One blocking question to a SIP server, for `sipctl probe`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sipctl/sdp/address.h"

namespace sipctl::cli {

class ProbeSocket {
 public:
  ProbeSocket() = default;
  ~ProbeSocket();
  ProbeSocket(const ProbeSocket&) = delete;
  ProbeSocket& operator=(const ProbeSocket&) = delete;

  // `from`: the local address to use, unspecified = whatever the route gives. FailedPrecondition:
  // `from` is no address of this machine. Unavailable: refused. DeadlineExceeded: silence.
  absl::Status Connect(const sdp::IpAddress& from, const sdp::IpEndpoint& to, bool stream,
                       int wait_ms);
  sdp::IpEndpoint local() const;
  // Sends and waits for the head of a message; over UDP it is sent again as RFC 3261 has it.
  absl::StatusOr<std::string> Ask(std::string_view request, int wait_ms);

 private:
  int fd_ = -1;
  bool stream_ = false;
};

}  // namespace sipctl::cli
