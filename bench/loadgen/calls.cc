#include "bench/loadgen/calls.h"

#include <arpa/inet.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace bench::loadgen {

absl::StatusOr<sockaddr_in> Ipv4Endpoint(const std::string& address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &result.sin_addr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(address, " is not an IPv4 address"));
  }
  return result;
}

absl::StatusOr<ListedCalls> ListedCalls::Read(const std::string& path, const CallMedia& media) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  ListedCalls result;
  std::string address;
  int a = 0;
  int b = 0;
  while (file >> address) {
    if (address == "keys") {
      for (size_t side = 0; side < 2; ++side) {
        std::string text;
        if (!(file >> text) || text == "-") continue;
        auto key = ParseSrtpKey(media.sides[side], text);
        if (!key.ok()) return key.status();
        result.keys_[side] = *key;
      }
      continue;
    }
    if (!(file >> a >> b)) break;
    if (a <= 0 || a > 65535 || b <= 0 || b > 65535) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": a port is out of range"));
    }
    auto end_a = Ipv4Endpoint(address, static_cast<uint16_t>(a));
    auto end_b = Ipv4Endpoint(address, static_cast<uint16_t>(b));
    if (!end_a.ok()) return end_a.status();
    result.calls_.push_back({*end_a, *end_b});
  }
  if (!file.eof() || file.bad()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": lines must be ADDRESS PORT_A PORT_B"));
  }
  return result;
}

absl::StatusOr<const std::vector<Call>*> ListedCalls::Ensure(size_t count) {
  if (count > calls_.size()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the list has ", calls_.size(), " calls, not ", count));
  }
  return &calls_;
}

}  // namespace bench::loadgen
