// The same stream cut into pieces gives the same messages as the stream in one piece. The first
// byte of the input is the seed of the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "sipctl/sip/stream_framing.h"

namespace {

using sipctl::sip::StreamFraming;

void FeedAndDrain(StreamFraming* framing, std::string bytes, std::vector<std::string>* out) {
  framing->Feed(bytes);
  std::string_view message;
  while (true) {
    const StreamFraming::Cut cut = framing->Next(&message);
    if (cut == StreamFraming::Cut::kNothing || cut == StreamFraming::Cut::kBroken) break;
    if (cut == StreamFraming::Cut::kPong) continue;  // the first half of a ping, where it is cut
    out->push_back(cut == StreamFraming::Cut::kPing ? "ping" : std::string(message));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  uint32_t seed = data[0];
  const std::string stream(reinterpret_cast<const char*>(data + 1), size - 1);
  std::vector<std::string> whole;
  StreamFraming in_one;
  FeedAndDrain(&in_one, stream, &whole);

  std::vector<std::string> pieces;
  StreamFraming in_pieces;
  for (size_t at = 0; at < stream.size();) {
    seed = seed * 1664525 + 1013904223;
    const size_t length = 1 + (seed >> 16) % (1 + data[0]);
    FeedAndDrain(&in_pieces, stream.substr(at, length), &pieces);
    at += length;
  }
  if (pieces != whole || in_one.partial() != in_pieces.partial()) std::abort();
  if (in_one.reason() != in_pieces.reason()) std::abort();
  return 0;
}
