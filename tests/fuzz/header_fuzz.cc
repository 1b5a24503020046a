// One header of a request that is fine otherwise; the first byte chooses it. Whatever it holds, the
// message is refused, or what is written of it is understood again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "sipctl/sip/message.h"

namespace {

constexpr std::string_view kNames[] = {"Via",     "Route",   "Record-Route", "Contact",
                                       "From",    "To",      "CSeq",         "RAck",
                                       "Require", "Expires", "Content-Type", "Max-Forwards"};

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
       {"Route", "Record-Route", "RAck", "Require", "Expires", "Content-Type"}) {
    if (each == name) line(each, "");
  }
  return text + "Content-Length: 0\r\n\r\n";
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
      sipctl::sip::Encode(sipctl::sip::MakeResponse(*failure.answerable, failure.status, "t"));
    return 0;
  }
  if (!sipctl::sip::Parse(sipctl::sip::Encode(*message), &failure)) std::abort();
  sipctl::sip::Encode(sipctl::sip::MakeResponse(*message, 200, "t"));
  return 0;
}
