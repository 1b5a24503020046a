// Frames that no port may forward: crafted from good ones, one fault (or some random ones) each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "relay/abi/endpoint.h"
#include "relay/wire/frame.h"

namespace support {

struct BadFrame {
  std::string name;
  std::vector<uint8_t> bytes;  // 14 to 1514: what a cable carries
};

// Where the good frames would go and come from, in both families.
struct CorpusParties {
  relay::wire::MacAddress to;
  relay::wire::MacAddress from;
  relay::abi::Endpoint own4;
  relay::abi::Endpoint far4;
  relay::abi::Endpoint own6;
  relay::abi::Endpoint far6;
};

// The same frames at each call, some thousands.
std::vector<BadFrame> BadFrames(const CorpusParties& parties);

}  // namespace support
