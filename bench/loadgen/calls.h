// Where the calls of a measurement come from: sessions programmed into our relay, or a list of
// ports that somebody else (rtpengine's driver) has opened.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/loadgen/speech.h"

namespace bench::loadgen {

// The relay's two sides of one call: what party A sends to `a` reaches party B, and back.
struct Call {
  sockaddr_in a;
  sockaddr_in b;
};

class Calls {
 public:
  virtual ~Calls() = default;

  // Under which the relay sends to both sides of the first call; after Ensure.
  virtual SpeechKeys first_keys() const = 0;

  // Makes at least `count` calls exist; the first `count` of the result are to be used.
  virtual absl::StatusOr<const std::vector<Call>*> Ensure(size_t count) = 0;
  // Ends them all, where that is ours to do.
  virtual absl::Status Close() = 0;
};

// Reads lines `ADDRESS PORT_A PORT_B`. Where there is SRTP, a line `keys KEY_A KEY_B` stands before
// them: under what the first call's relay sends to each side, in base64, "-" for RTP.
class ListedCalls : public Calls {
 public:
  static absl::StatusOr<ListedCalls> Read(const std::string& path, const CallMedia& media);
  SpeechKeys first_keys() const override { return keys_; }
  absl::StatusOr<const std::vector<Call>*> Ensure(size_t count) override;
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  std::vector<Call> calls_;
  SpeechKeys keys_{};
};

absl::StatusOr<sockaddr_in> Ipv4Endpoint(const std::string& address, uint16_t port);

}  // namespace bench::loadgen
