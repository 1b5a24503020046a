// The messages of RFC 4475 (SIP torture tests) and RFC 5118 (the same for IPv6), by the names that
// they have there, with the class of answer that each must get from us.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace support {

enum class Torture {
  kServed,    // understood; a request passes admission
  kAnswered,  // understood or not: a request that gets `status`
  kDropped,   // not understood, and what an answer repeats (Via, From, To, Call-ID, CSeq) is not
              // either
  kResponse,  // a response that is understood
};

struct TortureMessage {
  const char* name;
  const char* section;  // of RFC 4475, or "5118 ..."
  Torture outcome;
  int status;
  // Lines end in \n here; @LEN@ is the length of the body.
  std::string text;
};

const std::vector<TortureMessage>& TortureMessages();
// As it stands on the wire.
std::string WireOf(const TortureMessage& message);

}  // namespace support
