#include "sipctl/sdp/crypto.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

struct SuiteFacts {
  std::string_view name;
  uint8_t key_length;
  uint8_t salt_length;
};

// In the order of the enumeration, from 1.
constexpr SuiteFacts kSuites[] = {
    {"AES_CM_128_HMAC_SHA1_80", 16, 14}, {"AES_CM_128_HMAC_SHA1_32", 16, 14},
    {"AES_256_CM_HMAC_SHA1_80", 32, 14}, {"AES_256_CM_HMAC_SHA1_32", 32, 14},
    {"AEAD_AES_128_GCM", 16, 12},        {"AEAD_AES_256_GCM", 32, 12},
};

const SuiteFacts& FactsOf(Suite suite) {
  return kSuites[static_cast<size_t>(suite) - 1];
}

constexpr std::string_view kInline = "inline:";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// RFC 3711 section 9.2: packets that one master key may protect.
constexpr int kLifetimeBitsMax = 48;

absl::Status Bad(std::string_view why) {
  return absl::InvalidArgumentError(absl::string_view(why.data(), why.size()));
}

// Cuts off and returns what stands before the first of `separators`, which goes, too.
std::string_view Cut(std::string_view* text, std::string_view separators) {
  const size_t end = std::min(text->find_first_of(separators), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

std::string_view CutWord(std::string_view* text) {
  const size_t begin = std::min(text->find_first_not_of(" \t"), text->size());
  text->remove_prefix(begin);
  return Cut(text, " \t");
}

// Digits alone, without sign.
std::optional<uint64_t> Number(std::string_view text) {
  uint64_t number = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Exactly `length` bytes; the padding may be missing, as some peers leave it out (trap T-15).
bool Decode(std::string_view text, size_t length, uint8_t* out) {
  const size_t digits = (length * 8 + 5) / 6;
  const size_t padding = (4 - digits % 4) % 4;
  if (text.size() != digits && text.size() != digits + padding) return false;
  for (const char c : text.substr(digits)) {
    if (c != '=') return false;
  }
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, digits)) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    *out++ = static_cast<uint8_t>(bits >> count);
  }
  return true;
}

std::string Encode(std::span<const uint8_t> bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? bytes[i + k] : 0);
    for (size_t k = 0; k < 4; ++k) {
      text.push_back(k <= count ? kBase64[bits >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

// "2^20" or "1048576". How many packets the key is good for is checked to be sensible and then
// forgotten: no call lives to see 2^31 packets, and a shorter life is the writer's to enforce.
absl::Status CheckLifetime(std::string_view text) {
  const bool power = text.substr(0, 2) == "2^";
  const std::optional<uint64_t> number = Number(power ? text.substr(2) : text);
  if (!number || (!power && *number == 0)) return Bad("its lifetime is no number");
  const bool fits =
      power ? *number <= kLifetimeBitsMax : *number <= uint64_t{1} << kLifetimeBitsMax;
  return fits ? absl::OkStatus() : Bad("its lifetime is longer than a key may live");
}

absl::Status ParseMki(std::string_view text, Keying* keying) {
  const std::string_view value = Cut(&text, ":");
  const std::optional<uint64_t> mki = Number(value);
  const std::optional<uint64_t> length = Number(text);
  if (!mki || !length || *length < 1 || *length > 128) {
    return Bad("its MKI is not value:length with a length from 1 to 128, or greater than 64 bits");
  }
  if (*length < sizeof(uint64_t) && *mki >> (8 * *length) != 0) {
    return Bad("its MKI does not fit its length");
  }
  keying->mki = *mki;
  keying->mki_length = static_cast<uint8_t>(*length);
  return absl::OkStatus();
}

// inline:key[|lifetime][|MKI:length]
absl::StatusOr<Keying> ParseKey(std::string_view text, Suite suite) {
  if (!EqualsIgnoreCase(text.substr(0, kInline.size()), kInline)) {
    return Bad("its key method is not inline");
  }
  text.remove_prefix(kInline.size());
  Keying keying;
  keying.length = static_cast<uint8_t>(KeyLength(suite) + SaltLength(suite));
  if (!Decode(Cut(&text, "|"), keying.length, keying.bytes.data())) {
    return Bad("its key is not base64 of the length that the suite needs");
  }
  if (text.empty()) return keying;
  std::string_view part = Cut(&text, "|");
  if (part.find(':') == std::string_view::npos) {
    if (absl::Status lifetime = CheckLifetime(part); !lifetime.ok()) return lifetime;
    if (text.empty()) return keying;
    part = Cut(&text, "|");
  }
  if (absl::Status mki = ParseMki(part, &keying); !mki.ok()) return mki;
  if (!text.empty()) return Bad("there is more behind its MKI");
  return keying;
}

// Several keys need MKIs of one length and different values (section 6.1).
absl::Status CheckTogether(const std::vector<Keying>& keys) {
  if (keys.size() > kKeysMax) return Bad("it has more keys than can be kept at a time");
  for (size_t i = 1; i < keys.size(); ++i) {
    const bool apart = keys[i].mki_length != 0 && keys[i].mki_length == keys[0].mki_length &&
                       keys[i].mki != keys[0].mki;
    if (!apart) return Bad("its keys are not told apart by their MKIs");
  }
  return absl::OkStatus();
}

// Section 6.3. What would weaken the session or change its packets is not agreed to; a window size
// is the peer's own affair; what begins with '-' may be ignored, anything else unknown may not.
absl::Status CheckSessionParameter(std::string_view text) {
  const std::string_view name = text.substr(0, std::min(text.find('='), text.size()));
  const std::optional<uint64_t> value = Number(text.substr(std::min(name.size() + 1, text.size())));
  if (text.front() == '-') return absl::OkStatus();
  if (name == "WSH") {
    return value && *value >= 64 ? absl::OkStatus() : Bad("its WSH is no number from 64");
  }
  if (name == "KDR") return Bad("it derives keys anew (KDR)");
  if (name == "UNENCRYPTED_SRTP" || name == "UNENCRYPTED_SRTCP") return Bad("it does not encrypt");
  if (name == "UNAUTHENTICATED_SRTP") return Bad("it does not authenticate");
  if (name == "FEC_ORDER" || name == "FEC_KEY") return Bad("it wants forward error correction");
  return Bad("it has a session parameter that is not known");
}

}  // namespace

std::string_view SuiteName(Suite suite) {
  return FactsOf(suite).name;
}

std::optional<Suite> SuiteByName(std::string_view name) {
  for (const Suite suite : kAllSuites) {
    if (EqualsIgnoreCase(name, SuiteName(suite))) return suite;
  }
  return std::nullopt;
}

size_t KeyLength(Suite suite) {
  return FactsOf(suite).key_length;
}

size_t SaltLength(Suite suite) {
  return FactsOf(suite).salt_length;
}

Keying::~Keying() {
  explicit_bzero(bytes.data(), bytes.size());
}

absl::StatusOr<CryptoLine> ParseCrypto(std::string_view value) {
  CryptoLine line;
  const std::string_view tag = CutWord(&value);
  if (tag.size() > 9 || !Number(tag)) return Bad("its tag is not 1 to 9 digits");
  line.tag = std::string(tag);
  const std::string_view name = CutWord(&value);
  const std::optional<Suite> suite = SuiteByName(name);
  if (!suite) return Bad("its suite is not known");
  line.suite = *suite;
  std::string_view keys = CutWord(&value);
  if (keys.empty()) return Bad("it has no key");
  while (!keys.empty()) {
    absl::StatusOr<Keying> key = ParseKey(Cut(&keys, ";"), line.suite);
    if (!key.ok()) return key.status();
    line.keys.push_back(*key);
  }
  if (absl::Status together = CheckTogether(line.keys); !together.ok()) return together;
  for (std::string_view word = CutWord(&value); !word.empty(); word = CutWord(&value)) {
    if (absl::Status checked = CheckSessionParameter(word); !checked.ok()) return checked;
  }
  return line;
}

std::string FormatCrypto(const CryptoLine& line) {
  const Keying& key = line.keys.front();
  return Concat(line.tag, " ", SuiteName(line.suite), " ", kInline,
                Encode(std::span(key.bytes).first(key.length)));
}

void KernelRandom(std::span<uint8_t> bytes) {
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    // It cannot fail on a kernel that has it; without it no key may be made at all.
    if (got < 0 && errno != EINTR) std::abort();
    if (got > 0) filled += static_cast<size_t>(got);
  }
}

Keying NewKeying(Suite suite, RandomBytes random) {
  Keying keying;
  keying.length = static_cast<uint8_t>(KeyLength(suite) + SaltLength(suite));
  random(std::span(keying.bytes).first(keying.length));
  return keying;
}

std::string HideKeys(std::string_view text) {
  std::string hidden;
  while (true) {
    const auto found = std::search(text.begin(), text.end(), kInline.begin(), kInline.end(),
                                   [](char a, char b) { return (a | 0x20) == b || a == b; });
    const size_t begin = static_cast<size_t>(found - text.begin());
    hidden.append(text.substr(0, begin));
    if (begin == text.size()) return hidden;
    hidden.append(kInline).append("*");
    text.remove_prefix(begin + kInline.size());
    text.remove_prefix(std::min(text.find_first_of("|; \t\r\n"), text.size()));
  }
}

}  // namespace sipctl::sdp
