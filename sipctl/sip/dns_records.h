// A DNS reply (RFC 1035 section 4) as far as locating SIP servers needs it: A, AAAA, SRV (RFC 2782)
// and NAPTR (RFC 3403) of one question, with the aliases on the way to them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "relay/abi/endpoint.h"

namespace sipctl::sip {

enum class DnsType : uint16_t { kA = 1, kAaaa = 28, kSrv = 33, kNaptr = 35 };
std::string_view DnsTypeName(DnsType type);

struct SrvRecord {
  uint16_t priority = 0;  // the lowest first
  uint16_t weight = 0;    // share among those of one priority
  uint16_t port = 0;
  std::string target;
  bool operator==(const SrvRecord&) const = default;
};

struct NaptrRecord {
  uint16_t order = 0;
  uint16_t preference = 0;
  std::string flags;        // "s": replacement is an SRV name
  std::string service;      // "SIP+D2T"
  std::string replacement;  // a name
  bool operator==(const NaptrRecord&) const = default;
};

struct DnsAnswer {
  enum class Outcome : uint8_t {
    kFound,
    kNothing,  // there is no such name, or it has no record of that type
    kFailed,   // nobody answered, or with an error: nothing is known
  };
  Outcome outcome = Outcome::kFailed;
  uint32_t ttl_s = 0;  // the least of all records used
  std::string
      alias;  // where a CNAME at the very name that was asked for leads; empty: there is none
  std::vector<relay::abi::Address> addresses;
  std::vector<SrvRecord> srv;
  std::vector<NaptrRecord> naptr;
};

// Of 4 or 16 bytes, as records have them.
relay::abi::Address AddressOfBytes(std::string_view bytes);

// `reply` is a whole message from the network; whatever is in it, this returns.
DnsAnswer ReadDnsReply(std::string_view reply, DnsType type);

}  // namespace sipctl::sip
