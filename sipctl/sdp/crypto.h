// SDES (RFC 4568): the keys of SRTP in a=crypto lines.
//
//     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4
//              tag suite                 key and salt in base64                  lifetime
//              MKI:length
//
// The key in a line is that of what its writer *sends*; so each direction has its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sipctl::sdp {

// The numbers are those of the relay's contract (relay/abi/srtp.h).
enum class Suite : uint8_t {
  kAesCm128HmacSha1_80 = 1,  // RFC 4568 section 6.2
  kAesCm128HmacSha1_32 = 2,
  kAesCm256HmacSha1_80 = 3,  // RFC 6188
  kAesCm256HmacSha1_32 = 4,
  kAeadAes128Gcm = 5,  // RFC 7714
  kAeadAes256Gcm = 6,
};
inline constexpr Suite kAllSuites[] = {Suite::kAesCm128HmacSha1_80, Suite::kAesCm128HmacSha1_32,
                                       Suite::kAesCm256HmacSha1_80, Suite::kAesCm256HmacSha1_32,
                                       Suite::kAeadAes128Gcm,       Suite::kAeadAes256Gcm};

std::string_view SuiteName(Suite suite);  // as a=crypto writes it
std::optional<Suite> SuiteByName(std::string_view name);
// Master key and master salt, in bytes.
size_t KeyLength(Suite suite);
size_t SaltLength(Suite suite);

inline constexpr size_t kKeyingBytesMax = 46;
// Keys that one direction may use by turns, told apart by their MKI: what the relay can hold.
inline constexpr size_t kKeysMax = 2;

// A master key followed by its salt. Wiped when it goes.
struct Keying {
  std::array<uint8_t, kKeyingBytesMax> bytes{};
  uint8_t length = 0;
  uint8_t mki_length = 0;  // 0 = packets carry no MKI
  uint64_t mki = 0;

  Keying() = default;
  Keying(const Keying&) = default;
  Keying& operator=(const Keying&) = default;
  ~Keying();

  bool operator==(const Keying&) const = default;
};

// One a=crypto line that can be used.
struct CryptoLine {
  std::string tag;  // 1-9 digits, repeated in the answer as it was written
  Suite suite = Suite::kAesCm128HmacSha1_80;
  std::vector<Keying> keys;  // 1 .. kKeysMax

  bool operator==(const CryptoLine&) const = default;
};

// The value behind "crypto:". An error says why the line cannot be used; that is no reason to
// refuse the call while there is another line. Never repeats key material.
absl::StatusOr<CryptoLine> ParseCrypto(std::string_view value);
// The same for a line with one key: neither lifetime nor MKI, which some parsers stumble over.
std::string FormatCrypto(const CryptoLine& line);

// Fills with bytes that nobody can guess.
using RandomBytes = void (*)(std::span<uint8_t>);
void KernelRandom(std::span<uint8_t> bytes);  // getrandom(2)
Keying NewKeying(Suite suite, RandomBytes random);

// What the two directions of one leg use.
struct MediaCrypto {
  Suite suite = Suite::kAesCm128HmacSha1_80;
  Keying send;  // length 0: none that may be used now
  std::vector<Keying> receive;

  bool operator==(const MediaCrypto&) const = default;
};

// `text` (a body, a whole message) with every key blotted out, for traces and logs.
std::string HideKeys(std::string_view text);

}  // namespace sipctl::sdp
