// Whatever the bytes: Parse comes back, what it understood is written and read back as the same
// record, and what it refused but calls answerable gets a well-formed answer, but for what the
// answer repeats as it came.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sipctl/sip/message.h"

namespace {

using sipctl::sip::Message;
using sipctl::sip::ParseFailure;

void Require(bool holds, const char* what, const std::string& bytes, const ParseFailure& failure) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n%s\n", what, failure.sentence.c_str(), bytes.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ParseFailure failure;
  if (const auto message = sipctl::sip::Parse(bytes, &failure)) {
    const std::string written = sipctl::sip::Encode(*message);
    if (written.size() > sipctl::sip::kMessageBytesMax) return 0;  // compact names written out
    const auto again = sipctl::sip::Parse(written, &failure);
    Require(again.has_value(), "what was written cannot be read", written, failure);
    Require(*again == *message, "what was written reads differently", written, failure);
  } else if (failure.answerable) {
    const std::string written = sipctl::sip::EncodeRefusal(
        sipctl::sip::MakeResponse(*failure.answerable, failure.status, "tag"), failure.raw);
    if (written.size() > sipctl::sip::kMessageBytesMax) return 0;
    const sipctl::sip::RawFields& raw = failure.raw;
    if (!raw.via.empty() || raw.from || raw.to || raw.call_id || raw.cseq) return 0;
    const auto answer = sipctl::sip::Parse(written, &failure);
    Require(answer.has_value() && !answer->is_request, "the answer is malformed", written, failure);
  }
  return 0;
}
