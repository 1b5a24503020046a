// What of one trunk's INVITE crosses to the other one: who calls whom, and headers that both trunks
// allow. Everything else stays where it is (topology hiding).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sip/message.h"
#include "sipctl/trunk/config.h"

namespace sipctl::call {

// The caller, as far as the trunk that it came by is believed (RFC 3325, and Remote-Party-ID of
// those before it).
struct Caller {
  std::string number;  // or user; empty: unknown
  std::string display_name;
  bool hidden = false;    // asked for privacy (RFC 3323): not to be shown to the callee
  bool asserted = false;  // by a trunk that is trusted: more than a From that anybody may write

  bool operator==(const Caller&) const = default;
};
Caller CallerOf(const trunk::Trunk& source, const sip::Message& invite);

// The number that was called: in the request URI, in To, or in a header of the trunk's choice.
std::string CalledOf(const trunk::Trunk& source, const sip::Message& invite);

// From of an INVITE to `destination`, and what it is asserted by. `host` is ours, for that trunk.
void WriteCaller(const trunk::Trunk& destination, const Caller& caller, std::string_view host,
                 sip::Message* invite);

// In their order, at most kPassedMax. None of the destination's carrier's own.
inline constexpr size_t kPassedMax = 16;
std::vector<sip::HeaderField> PassedHeaders(const trunk::Trunk& source,
                                            const trunk::Trunk& destination,
                                            const sip::Message& invite);

// Those of a message of the trunk's that go into the call's record: what `headers_read` names, and
// what its carrier has for its own.
inline constexpr size_t kKeptMax = 16;
inline constexpr size_t kKeptBytesMax = 256;  // of a value
std::vector<sip::HeaderField> KeptHeaders(const trunk::Trunk& trunk, const sip::Message& message);

}  // namespace sipctl::call
