// What the load of calls reads of any bytes; an answer to it is read as what it answers.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/callgen/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string message(reinterpret_cast<const char*>(data), size);
  bench::callgen::Glance request;
  if (!bench::callgen::Read(message, &request)) return 0;
  const std::string bytes = bench::callgen::WriteAnswer(request, {.tag = "t", .contact = "sip:x"});
  bench::callgen::Glance answer;
  if (!bench::callgen::Read(bytes, &answer)) std::abort();
  if (answer.status != 200 || answer.call_id != request.call_id) std::abort();
  if (answer.vias != request.vias || answer.record_route != request.record_route) std::abort();
  if (answer.cseq != request.cseq || !answer.has_to_tag()) std::abort();
  bench::callgen::RoutesOf(answer);
  return 0;
}
