// The messages that leave a leg, made new from a short list of what may cross from the other one:
// the numbers, the caller's display name, Max-Forwards less one, a Reason, and the headers that
// both trunks allow (crossing.h). Nothing else does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/call/context.h"
#include "sipctl/call/crossing.h"
#include "sipctl/sip/dialog.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/session_timer.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::call {

// Every method we answer. REFER is not among them: a peer that reads Allow does without.
inline constexpr sip::Method kAllowed[] = {
    sip::Method::kInvite,  sip::Method::kAck,   sip::Method::kCancel, sip::Method::kBye,
    sip::Method::kOptions, sip::Method::kPrack, sip::Method::kUpdate, sip::Method::kInfo};
// Every option tag that a peer may require of us.
inline constexpr std::string_view kSupported[] = {"100rel", "timer"};

struct FirstInvite {
  size_t trunk = 0;
  size_t destination = 0;  // of the trunk's; its host stands in the request URI
  // Not null: a user's contact is called instead.
  std::shared_ptr<const Registration> registration = nullptr;
  std::string number;  // of the callee, as the trunk shall see it
  Caller caller;
  std::vector<sip::HeaderField> passed;  // of the other side's INVITE
  uint8_t max_forwards = 70;
  bool flow = false;  // into a call flow of the carrier
};

// An INVITE that makes a new dialog: new Call-ID, new tag. Without a body.
sip::Message MakeFirstInvite(Context* context, const FirstInvite& invite);

// Ours, as the far side of this listener reaches us.
sip::NameAddr ContactOf(const Context& context, uint16_t listener);

// Where the next request of a dialog goes: its first Route or the peer's Contact where that is an
// address of the trunk, or a name that leads to one; else back along the road by which the peer was
// last heard. So no message of a peer can make us send to a stranger, and a private address in a
// Contact does no harm. A name that was never asked for is looked up meanwhile.
sip::Flow NextFlow(const Context& context, size_t trunk, const sip::Dialog& dialog);
// The same for the first request to a trunk.
sip::Flow FirstFlow(const Context& context, size_t trunk, const Attempt& attempt);
// Where a call to that number of the trunk is sent, one after the other: its destinations, or where
// its users have logged in.
std::vector<Attempt> WaysTo(const Context& context, size_t trunk, std::string_view number);
// 1 + trunk: whose TLS a flow of this trunk is (sip::Flow::peer).
uint16_t PeerOf(size_t trunk);
// That flow, and what is taken instead where the request is too long for UDP (RFC 3261 section
// 18.1.1): the same remote address from our TCP listener at the same address, if we have one.
sip::Sending SendingBy(const Context& context, const sip::Flow& flow);

// Every method we answer; of a trunk's messages without those that it is not to see.
void AddAllow(sip::Message* message, const trunk::Trunk* trunk = nullptr);
sip::SessionPolicy SessionPolicyOf(const trunk::Trunk& trunk);
// Server in responses, User-Agent in requests (RFC 3261 sections 20.35, 20.41).
void AddProduct(const Context& context, sip::Message* message);
// Does nothing for an empty `value`.
void AddReason(std::string_view value, sip::Message* message);
void SetSdp(std::string body, sip::Message* message);

}  // namespace sipctl::call
