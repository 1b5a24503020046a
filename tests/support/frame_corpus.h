// Frames that no port may forward, crafted from good ones by one fault (or some random ones) each;
// and unusual ones that every port has to forward.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "relay/abi/endpoint.h"
#include "relay/wire/frame.h"

namespace support {

struct CorpusFrame {
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
std::vector<CorpusFrame> BadFrames(const CorpusParties& parties);
// Each has a sequence number of its own.
std::vector<CorpusFrame> GoodFrames(const CorpusParties& parties);

}  // namespace support
