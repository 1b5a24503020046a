// One blocking question to a SIP server, for `sipctl probe`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sipctl/clock.h"
#include "sipctl/sdp/address.h"
#include "sipctl/sip/stream.h"
#include "sipctl/sip/tls.h"

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
  // TLS over the connection; `name` as in TlsContext::MakeStream. Unavailable: why there is none,
  // in OpenSSL's words.
  absl::Status Secure(sip::TlsContext* context, std::string_view name, int wait_ms);
  const sip::TlsStream* tls() const { return tls_; }  // null before Secure
  // Sends and waits for the head of a message, or for more than any head has; over UDP it is sent
  // again as RFC 3261 has it.
  absl::StatusOr<std::string> Ask(std::string_view request, int wait_ms);

 private:
  // Waits as `outcome` wants it, until `end`; false when the time is over.
  bool Wait(sip::Stream::Outcome outcome, TimeMs end) const;
  absl::Status Send(std::string_view bytes, TimeMs end);

  int fd_ = -1;
  bool stream_ = false;
  std::unique_ptr<sip::Stream> bytes_;
  const sip::TlsStream* tls_ = nullptr;  // bytes_, when it is one
};

}  // namespace sipctl::cli
