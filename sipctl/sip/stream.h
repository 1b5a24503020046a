// The bytes of a connection: plain TCP, or TLS over it (tls.h). Non-blocking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sipctl::sip {

class Stream {
 public:
  enum class Outcome : uint8_t {
    kDone,
    kWantRead,   // again when the socket can be read
    kWantWrite,  // again when it can be written
    kClosed,     // the peer said that it will send no more
    kFailed,     // see error()
  };
  struct Result {
    Outcome outcome;
    size_t bytes = 0;
  };

  virtual ~Stream() = default;
  // Until kDone nothing may be read or written.
  virtual Result Handshake() = 0;
  virtual Result Read(char* buffer, size_t size) = 0;
  // After kWantRead or kWantWrite the same bytes must be given again (at another place, if need
  // be): a part of them may be on its way.
  virtual Result Write(std::string_view bytes) = 0;
  // Says farewell, as far as that is possible without waiting; before the socket is closed.
  virtual void Shutdown() = 0;
  // Why the last call failed, in words.
  virtual std::string error() const = 0;
};

// `fd` stays the caller's.
std::unique_ptr<Stream> MakePlainStream(int fd);

}  // namespace sipctl::sip
