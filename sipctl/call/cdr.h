// The record of one call, written when it is over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sipctl::call {

// A key that a party pressed.
struct CdrDigit {
  char name = '0';  // as DigitName says
  uint32_t duration_ms = 0;
};

// The digits of a leg that are remembered; what is pressed beyond is in no record.
inline constexpr size_t kCdrDigitsMax = 64;

struct CdrLeg {
  std::string trunk;
  std::string call_id;
  std::string codec;  // empty: no media was agreed on
  std::string srtp;   // suite; empty: plain RTP
  uint64_t received_packets = 0;
  uint64_t sent_packets = 0;
  uint64_t dropped_packets = 0;
  int64_t lost_packets = 0;
  uint32_t jitter_us = 0;
  std::vector<CdrDigit> digits;
  // Of its INVITE, or of its final answer; name and value, in the order of the message.
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Cdr {
  uint64_t call = 0;
  std::string caller;  // number or user, as the source trunk wrote it
  std::string called;  // as the source trunk wrote it
  std::string sent;    // as the destination was given it
  std::string codec;   // the called side's
  CdrLeg legs[2];      // the calling side first
  int64_t started_unix_ms = 0;
  int64_t setup_ms = 0;     // INVITE to the final answer
  int64_t duration_ms = 0;  // answer to end; 0 when never answered
  bool answered = false;
  bool media_counted = true;  // false: the relay died, its totals are unknown
  int status = 0;             // final answer to the caller's INVITE
  std::string ended_by;       // "caller", "callee", "sipctl"
  std::string reason;         // a sentence
};

// One line without its end.
std::string ToJson(const Cdr& cdr);
// `text` as a JSON string with its quotes.
std::string JsonString(std::string_view text);

class CallLog {
 public:
  virtual ~CallLog() = default;
  virtual void OnCallEnded(const Cdr& cdr) = 0;
  // Something a person should know; one sentence.
  virtual void OnNotice(std::string_view sentence) = 0;
};

}  // namespace sipctl::call
