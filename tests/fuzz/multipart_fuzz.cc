// A body of several parts; its first line is the parameters of Content-Type. Whatever it holds, it
// is refused, or every part lies inside it, and what is taken of it is no multipart again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sipctl/sip/multipart.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace sip = sipctl::sip;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t line = all.find('\n');
  if (line == all.npos) return 0;
  sip::Message message;
  message.content_type = "multipart/mixed";
  message.content_type_parameters = all.substr(0, line);
  message.body = all.substr(line + 1);
  if (const auto parts = sip::SplitParts(message.content_type_parameters, message.body)) {
    REQUIRE(!parts->empty() && parts->size() <= sip::kPartsMax);
    const char* end = message.body.data() + message.body.size();
    for (const sip::Part& part : *parts) {
      REQUIRE(part.body.data() >= message.body.data());
      REQUIRE(part.body.data() + part.body.size() <= end);
    }
  }
  const sip::Message before = message;
  const sip::BodyVerdict verdict = sip::TakeDescription(&message);
  REQUIRE(verdict != sip::BodyVerdict::kWhole);
  if (verdict != sip::BodyVerdict::kTaken) {
    REQUIRE(message == before);
    return 0;
  }
  REQUIRE(message.body.size() <= before.body.size() + 2);
  REQUIRE(message.content_type.empty() == message.body.empty());
  REQUIRE(sip::TakeDescription(&message) == sip::BodyVerdict::kWhole);
  return 0;
}
