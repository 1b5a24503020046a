// A name server's reply, of each type that is asked for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sipctl/sip/dns_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sipctl::sip::DnsType;
  const std::string_view reply(reinterpret_cast<const char*>(data), size);
  for (const DnsType type : {DnsType::kA, DnsType::kAaaa, DnsType::kSrv, DnsType::kNaptr}) {
    const auto answer = sipctl::sip::ReadDnsReply(reply, type);
    const bool some = !answer.addresses.empty() || !answer.srv.empty() || !answer.naptr.empty();
    if (some && answer.outcome != sipctl::sip::DnsAnswer::Outcome::kFound) std::abort();
  }
  return 0;
}
