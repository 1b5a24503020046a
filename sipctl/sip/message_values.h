// Reads the value of one header field. Behind this door stands sofia-sip's message library, which
// message_sofia.cc alone sees; what comes out is plain.
//
// Every `value` must be followed by a NUL, contain none, no CR and no LF (SplitLines sees to it):
// sofia is never shown a whole message, so its own idea of message ends, folding and duplicates
// does not matter, and a value it refuses is known by its field's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sip/message.h"

namespace sipctl::sip {

// What else may stand in an address field's place, and where parameters of an address without
// angle brackets belong (trap T-04).
enum class AddressKind : uint8_t {
  kFromTo,   // parameters are the header's (RFC 3261 section 20)
  kContact,  // the URI's own ones are moved to the URI, the others stay
  kRoute,    // all are the URI's
};

class ValueReader {
 public:
  ValueReader();
  ~ValueReader();
  ValueReader(const ValueReader&) = delete;
  ValueReader& operator=(const ValueReader&) = delete;

  // Each appends what it read, or returns false and may have appended a part.
  bool ReadVias(std::string_view value, std::vector<Via>* out);
  bool ReadAddresses(AddressKind kind, std::string_view value, std::vector<NameAddr>* out);
  bool ReadUri(std::string_view text, Uri* out);

 private:
  struct Home;
  // Sofia's allocator, working in this block first; freed as a whole.
  alignas(16) char area_[6144];
  Home* home_;
};

}  // namespace sipctl::sip
