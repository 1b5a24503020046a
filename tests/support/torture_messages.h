// The messages of RFC 4475 (SIP torture tests) and RFC 5118 (the same for IPv6), by the names that
// they have there, with the class of answer that each must get from us. What each is about stands
// as it does there; what many have in common is shortened (Invite, Options, Register).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace support {

enum class Torture {
  kServed,    // understood; a request passes admission
  kAnswered,  // understood or not: a request that gets `status`
  kDropped,   // a request whose topmost Via cannot be read, or a response that is not understood
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
