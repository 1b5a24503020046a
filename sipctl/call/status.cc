#include "sipctl/call/status.h"

#include <algorithm>

namespace sipctl::call {

namespace {

// The far leg's answer speaks of our request, which the caller never saw: what blames the request
// becomes a server's failure, what speaks of the callee is passed on. None of these makes a proxy
// in front of us try the same call at another place when the callee has spoken (trap T-22).
constexpr StatusRule kRules[] = {
    {300, 399, 480, "redirections are not followed, and contacts of one side are not shown"},
    {401, 401, 502, "the far side wants credentials that are ours to have"},
    {407, 407, 502, "likewise, asked by a proxy"},
    {403, 404, 0, "about the called number"},
    {408, 408, 0, "the far side waited for somebody in vain"},
    {410, 410, 0, "about the called number"},
    {480, 480, 0, "about the callee"},
    {481, 483, 500, "a dialog or loop of the far side"},
    {484, 486, 0, "about the called number"},
    {487, 487, 480, "cancelled, but not by this caller"},
    {488, 488, 0, "media that cannot be agreed on"},
    {491, 491, 480, "the far side was busy with itself"},
    {400, 499, 500, "the far side found fault with our request"},
    {500, 500, 0, "failure of a server"},
    {501, 502, 502, "failure of a gateway"},
    {503, 503, 0, "overload; its Retry-After speaks of the far trunk and is not passed"},
    {504, 504, 0, "failure of a gateway"},
    {580, 580, 0, "media that cannot be had (RFC 3312)"},
    {505, 599, 502, "the far side found fault with our request"},
    {600, 600, 0, "the callee's word"},
    {603, 604, 0, "the callee's word"},
    {606, 606, 0, "the callee's word"},
    {607, 608, 0, "the callee's word (RFC 8197, RFC 8688)"},
    {601, 699, 600, "the callee's word, in a code we do not know"},
    {0, 999, 500, "no final answer"},
};

std::string Reason(std::string_view protocol, int cause, std::string_view text) {
  std::string value(protocol);
  value.append(";cause=").append(std::to_string(cause)).append(";text=\"");
  for (char c : text) {
    if (c == '"' || c == '\\') value.push_back('\\');
    if (static_cast<unsigned char>(c) >= 0x20) value.push_back(c);
  }
  value.push_back('"');
  return value;
}

}  // namespace

std::span<const StatusRule> StatusRules() {
  return kRules;
}

int NearStatus(int far) {
  const auto rule = std::find_if(std::begin(kRules), std::end(kRules), [far](const StatusRule& r) {
    return far >= r.first && far <= r.last;
  });
  if (rule == std::end(kRules)) return 500;
  return rule->near == 0 ? far : rule->near;
}

std::string SipReason(int status, std::string_view text) {
  return Reason("SIP", status, text);
}

std::string SipReason(int status, const absl::Status& why) {
  return SipReason(status, std::string(why.message()));
}

std::string Q850Reason(int cause, std::string_view text) {
  return Reason("Q.850", cause, text);
}

}  // namespace sipctl::call
