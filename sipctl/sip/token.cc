#include "sipctl/sip/token.h"

#include <bit>
#include <cstring>

namespace sipctl::sip {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;
  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};
static_assert(std::endian::native == std::endian::little, "words are read as they lie");

}  // namespace

uint64_t SipHash(const TokenKey& key, std::string_view bytes) {
  State state{key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d,
              key.low ^ 0x6c7967656e657261, key.high ^ 0x7465646279746573};
  const size_t whole = bytes.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    state.Absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = whole; i < bytes.size(); ++i) {
    last |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * (i - whole));
  }
  state.Absorb(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::string TokenText(uint64_t value) {
  std::string text(13, '0');
  for (int i = 12; i >= 0; --i, value >>= 5)
    text[i] = "0123456789abcdefghijklmnopqrstuv"[value & 31];
  return text;
}

uint64_t Tokens::Next() {
  char bytes[8];
  std::memcpy(bytes, &counter_, sizeof bytes);
  ++counter_;
  return SipHash(key_, {bytes, sizeof bytes});
}

}  // namespace sipctl::sip
