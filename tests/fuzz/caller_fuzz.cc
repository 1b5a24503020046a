// Who calls, as a peer asserts it: whatever it wrote, what leaves is one header of one line that is
// understood as the same number.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sipctl/call/crossing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace call = sipctl::call;
  namespace sip = sipctl::sip;
  namespace trunk = sipctl::trunk;
  sip::Message invite;
  invite.others.push_back(
      {"P-Asserted-Identity", std::string(reinterpret_cast<const char*>(data), size)});
  trunk::Trunk configured;
  configured.trusts_identity = true;
  configured.called_from = "P-Asserted-Identity";
  const call::Caller caller = call::CallerOf(configured, invite);
  call::CalledOf(configured, invite);
  configured.identity = trunk::Identity::kAsserted;
  sip::Message made;
  call::WriteCaller(configured, caller, "192.0.2.1", &made);
  if (made.Other("P-Asserted-Identity") == nullptr) return 0;  // nobody is known
  const call::Caller again = call::CallerOf(configured, made);
  if (again.number != caller.number) std::abort();
  return 0;
}
