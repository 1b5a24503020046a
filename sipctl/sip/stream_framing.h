// Cuts messages out of a byte stream (RFC 3261 section 18.3). Only Content-Length says where a
// message ends; a message that is wrong in any other way is cut like a good one and left to Parse,
// so that it costs an answer and not the connection with every call on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sipctl/sip/message.h"

namespace sipctl::sip {

// Start line and header fields with their empty line.
inline constexpr size_t kHeadBytesMax = 32768;

class StreamFraming {
 public:
  enum class Cut : uint8_t {
    kNothing,  // all bytes are used up or kept
    kMessage,
    kPing,    // CR LF CR LF between messages: answer with CR LF (RFC 5626 section 4.4.1)
    kPong,    // CR LF alone, as far as has come: the answer to a ping of ours, if there was one
    kBroken,  // where the next message begins cannot be known any more: close
  };

  // New bytes from the stream; they must live until Next has returned kNothing or kBroken, which
  // must be before the next Feed.
  void Feed(std::string_view bytes);

  // `message` is valid until the next call.
  Cut Next(std::string_view* message);

  // Bytes of an unfinished message are kept; how long is the caller's business.
  bool partial() const { return !kept_.empty(); }
  // Why Next returned kBroken: a sentence without the peer's bytes.
  std::string_view reason() const { return reason_; }

 private:
  Cut Break(std::string_view reason);
  Cut SkipEmptyLines();
  bool ReadLength(std::string_view head);
  void Keep();

  // A whole message is cut from where the caller read it; only what is unfinished is copied.
  std::string kept_;
  std::string_view view_;     // what is left to look at: the caller's bytes, or the end of kept_
  size_t scanned_ = 0;        // of view_, known to hold no end of the head
  size_t message_bytes_ = 0;  // 0: the head is not complete yet
  int empty_line_bytes_ = 0;  // how much of CR LF CR LF has gone by
  bool told_pong_ = false;    // of the CR LF that has gone by
  std::string_view reason_;
};

}  // namespace sipctl::sip
