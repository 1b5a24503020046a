// DTMF: what a party presses is heard from the relay or comes in an INFO; what comes in an INFO
// goes to the other side as a telephone event (RFC 4733).
#include <algorithm>

#include "sipctl/call/call.h"
#include "sipctl/call/info_digit.h"
#include "sipctl/call/outgoing.h"

namespace sipctl::call {

void Call::OnDigit(uint8_t number, uint8_t event, uint32_t duration_ms) {
  if (number > 1) return;
  std::vector<CdrDigit>& digits = cdr_.legs[number].digits;
  if (digits.size() == kCdrDigitsMax) return;
  digits.push_back({.name = DigitName(event), .duration_ms = duration_ms});
}

void Call::OnInfo(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  // Empty: a peer asks whether we are there (RFC 6086 section 4.2.2 lets it).
  if (request.body.empty()) return Reply(id, request, 200);
  if (!IsDigitType(request.content_type)) {
    sip::Message response = sip::MakeResponse(request, 415, context_->transactions->ToTag(id));
    AddProduct(*context_, &response);
    response.accept = {"application/dtmf-relay", "application/dtmf"};
    context_->transactions->Respond(id, std::move(response));
    return;
  }
  const std::optional<InfoDigit> digit = ParseInfoDigit(request.content_type, request.body);
  if (!digit) return Reply(id, request, 400);
  const sdp::MediaPlan* heard_by = Other(leg)->plan();
  const bool can_hear =
      heard_by != nullptr &&
      std::any_of(heard_by->formats.begin(), heard_by->formats.end(),
                  [](const auto& format) { return format.codec == sdp::Codec::kTelephoneEvent; });
  if (!can_hear) return Reply(id, request, 488);
  OnDigit(leg->number(), digit->event, digit->duration_ms);
  context_->relay->SendDigit(number_, Other(leg)->number(), digit->event, digit->duration_ms);
  Reply(id, request, 200);
}

}  // namespace sipctl::call
