// One header of a request that is fine otherwise; the first byte chooses it. Whatever it holds, the
// message is refused, or what is written of it is understood again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "sipctl/call/reason.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/session_timer.h"

namespace {

constexpr std::string_view kNames[] = {"Via",
                                       "Route",
                                       "Record-Route",
                                       "Contact",
                                       "From",
                                       "To",
                                       "CSeq",
                                       "RAck",
                                       "Require",
                                       "Expires",
                                       "Content-Type",
                                       "Max-Forwards",
                                       "Session-Expires",
                                       "Min-SE",
                                       "RSeq",
                                       "Retry-After",
                                       "Reason"};

std::string RequestWith(std::string_view name, std::string_view value) {
  std::string text = "INVITE sip:a@192.0.2.1 SIP/2.0\r\n";
  const auto line = [&](std::string_view header, std::string_view usual) {
    text.append(header).append(": ").append(header == name ? value : usual).append("\r\n");
  };
  line("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1");
  line("From", "<sip:b@192.0.2.2>;tag=1");
  line("To", "<sip:a@192.0.2.1>");
  text += "Call-ID: 1\r\n";
  line("CSeq", "1 INVITE");
  line("Max-Forwards", "70");
  line("Contact", "<sip:b@192.0.2.2>");
  for (const std::string_view each :
       {"Route", "Record-Route", "RAck", "Require", "Expires", "Content-Type", "Session-Expires",
        "Min-SE", "RSeq", "Retry-After", "Reason"}) {
    if (each == name) line(each, "");
  }
  return text + "Content-Length: 0\r\n\r\n";
}

// What is agreed is never more often than twice a minute, and what is written of it is read again.
void CheckSession(const sipctl::sip::Message& message) {
  const sipctl::sip::SessionTerms terms = sipctl::sip::SessionTermsOf(message);
  if (terms.min_s < sipctl::sip::kMinSeDefaultS) std::abort();
  for (const auto& timer :
       {sipctl::sip::AgreeAsClient(terms), sipctl::sip::AgreeAsServer({}, terms)}) {
    if (!timer) continue;
    if (timer->interval_s < 30 || timer->ExpiresAfter() < timer->RefreshAfter()) std::abort();
    sipctl::sip::Message response = sipctl::sip::MakeResponse(message, 200, "t");
    sipctl::sip::AddTerms(*timer, terms, &response);
    if (sipctl::sip::SessionTermsOf(response).interval_s != timer->interval_s) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view name = kNames[data[0] % std::size(kNames)];
  sipctl::sip::ParseFailure failure;
  const auto message = sipctl::sip::Parse(
      RequestWith(name, {reinterpret_cast<const char*>(data) + 1, size - 1}), &failure);
  if (!message) {
    if (failure.status < 400 || failure.sentence.empty()) std::abort();
    if (failure.answerable)
      sipctl::sip::EncodeRefusal(
          sipctl::sip::MakeResponse(*failure.answerable, failure.status, "t"), failure.raw);
    return 0;
  }
  if (!sipctl::sip::Parse(sipctl::sip::Encode(*message), &failure)) std::abort();
  sipctl::sip::Encode(sipctl::sip::MakeResponse(*message, 200, "t"));
  CheckSession(*message);
  if (name == "Reason") sipctl::call::CarriedReasons(*message);
  return 0;
}
