#include "sipctl/cli/name_lookup.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sipctl::cli {
namespace {

constexpr int kAnswerBytesMax = 4096;

sdp::IpAddress V4(const uint8_t* bytes) {
  sdp::IpAddress address{};
  address.bytes[10] = address.bytes[11] = 0xff;
  std::copy_n(bytes, 4, address.bytes.begin() + 12);
  return address;
}

// /etc/hosts and whatever else the system asks; it knows no times.
void AskSystem(const std::string& name, NameAnswer* answer) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int failure = getaddrinfo(name.c_str(), nullptr, &hints, &found); failure != 0) {
    answer->error = gai_strerror(failure);
    return;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ai_addr);
      answer->addresses.push_back(V4(reinterpret_cast<const uint8_t*>(&v4->sin_addr)));
    } else if (each->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(each->ai_addr);
      sdp::IpAddress address{};
      std::copy_n(v6->sin6_addr.s6_addr, 16, address.bytes.begin());
      answer->addresses.push_back(address);
    }
  }
  freeaddrinfo(found);
}

}  // namespace

void ReadRecords(const uint8_t* bytes, size_t size, NameAnswer* answer) {
  ns_msg message;
  if (ns_initparse(bytes, static_cast<int>(size), &message) != 0) return;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) return;
    const uint8_t* data = ns_rr_rdata(record);
    if (ns_rr_type(record) == ns_t_a && ns_rr_rdlen(record) == 4) {
      answer->addresses.push_back(V4(data));
    } else if (ns_rr_type(record) == ns_t_aaaa && ns_rr_rdlen(record) == 16) {
      sdp::IpAddress address{};
      std::copy_n(data, 16, address.bytes.begin());
      answer->addresses.push_back(address);
    } else if (ns_rr_type(record) == ns_t_cname) {
      std::array<char, NS_MAXDNAME> target{};
      if (ns_name_uncompress(bytes, bytes + size, data, target.data(), target.size()) > 0 &&
          answer->alias.empty()) {
        answer->alias = target.data();
      }
    } else {
      continue;
    }
    const uint32_t ttl_s = ns_rr_ttl(record);
    answer->ttl_s = answer->ttl_s == 0 ? ttl_s : std::min(answer->ttl_s, ttl_s);
  }
}

NameAnswer LookUpName(const std::string& name) {
  NameAnswer answer;
  struct __res_state state;
  std::memset(&state, 0, sizeof state);
  if (res_ninit(&state) == 0) {
    for (const int type : {ns_t_a, ns_t_aaaa}) {
      std::array<uint8_t, kAnswerBytesMax> bytes;
      const int size = res_nquery(&state, name.c_str(), ns_c_in, type, bytes.data(),
                                  static_cast<int>(bytes.size()));
      if (size > 0) {
        ReadRecords(bytes.data(), std::min<size_t>(static_cast<size_t>(size), bytes.size()),
                    &answer);
      }
    }
    res_nclose(&state);
  }
  if (answer.addresses.empty()) AskSystem(name, &answer);
  return answer;
}

}  // namespace sipctl::cli
