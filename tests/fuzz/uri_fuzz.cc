// A URI: what is understood is written so that it is understood again, as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sipctl/sip/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sipctl::sip::Uri;
  const auto uri = Uri::Parse({reinterpret_cast<const char*>(data), size});
  if (!uri.ok()) return 0;
  const auto again = Uri::Parse(uri->ToString());
  if (!again.ok() || again->host != uri->host || again->port != uri->port ||
      again->user != uri->user || again->scheme != uri->scheme)
    std::abort();
  return 0;
}
