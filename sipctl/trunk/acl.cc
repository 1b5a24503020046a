#include "sipctl/trunk/acl.h"

#include <algorithm>

namespace sipctl::trunk {
namespace {

sdp::IpAddress Mask(sdp::IpAddress address, int bits) {
  for (int i = 0; i < 16; ++i, bits -= 8) {
    if (bits >= 8) continue;
    address.bytes[i] &= bits <= 0 ? 0 : static_cast<uint8_t>(0xff << (8 - bits));
  }
  return address;
}

}  // namespace

Acl::Acl(const Config& config) {
  for (size_t trunk = 0; trunk < config.trunks.size(); ++trunk) {
    if (config.trunks[trunk].retired) continue;
    for (const sdp::IpNetwork& network : config.trunks[trunk].sources) {
      auto at = std::find_if(lengths_.begin(), lengths_.end(), [&network](const Length& length) {
        return length.prefix_length == network.prefix_length;
      });
      if (at == lengths_.end()) at = lengths_.insert(at, Length{network.prefix_length, {}});
      at->trunks.emplace(network.address, trunk);
    }
  }
  std::sort(lengths_.begin(), lengths_.end(),
            [](const Length& a, const Length& b) { return a.prefix_length > b.prefix_length; });
}

std::optional<size_t> Acl::Find(const sdp::IpAddress& source) const {
  for (const Length& length : lengths_) {
    const auto found = length.trunks.find(Mask(source, length.prefix_length));
    if (found != length.trunks.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace sipctl::trunk
