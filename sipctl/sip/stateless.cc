#include "sipctl/sip/stateless.h"

#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "sipctl/sip/branch.h"
#include "sipctl/text.h"

namespace sipctl::sip {

// ACK and CANCEL are looked up under their INVITE's method. A line feed can be in none of the
// parts.
std::string BranchText(const Message& request) {
  const Via& via = request.via.front();
  const bool of_invite = request.method == Method::kAck || request.method == Method::kCancel;
  const std::string text =
      Concat(via.branch(), "\n", absl::AsciiStrToLower(via.host), "\n", via.port, "\n",
             of_invite ? MethodName(Method::kInvite) : MethodNameOf(request));
  if (via.branch().starts_with(kMagicCookie)) return Concat("b", text);
  // A client older than RFC 3261: what its retransmissions, CANCEL and ACK repeat.
  return Concat("o", text, "\n", request.request_uri.ToString(), "\n", request.call_id, "\n",
                request.from.tag(), "\n", request.cseq.number);
}

uint64_t BranchHash(const TokenKey& key, const Message& request) {
  return SipHash(key, BranchText(request));
}

absl::Status RespondStateless(Transport* transport, const TokenKey& key, const Message& request,
                              const Flow& flow, Message response) {
  if (response.to.tag().empty()) response.to.set_tag(TokenText(BranchHash(key, request)));
  return transport->Send(ResponseFlow(request, flow), Encode(response)).status();
}

}  // namespace sipctl::sip
