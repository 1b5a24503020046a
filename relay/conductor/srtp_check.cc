#include "relay/conductor/srtp_check.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace relay::conductor {
namespace {

using abi::SrtpKey;
using abi::SrtpPlan;
using abi::SrtpRoc;

Finding Bad(size_t offset) {
  return {.refusal = abi::Refusal::kBadSrtp, .field = static_cast<uint16_t>(kSrtpOffset + offset)};
}

bool AllZero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

template <typename Record>
bool AllZero(const Record& record) {
  return AllZero({reinterpret_cast<const uint8_t*>(&record), sizeof record});
}

// A key of zeros is one that somebody forgot to fill in, and would encrypt in the open.
Finding CheckKey(const SrtpKey& key, const abi::SrtpSuiteFacts& facts, size_t offset) {
  const std::span<const uint8_t> bytes(key.key);
  const std::span<const uint8_t> salt(key.salt);
  if (AllZero(bytes.first(facts.key_length)) || !AllZero(bytes.subspan(facts.key_length))) {
    return Bad(offset);
  }
  if (!AllZero(salt.subspan(facts.salt_length))) return Bad(offset + offsetof(SrtpKey, salt));
  if (key.mki_length > abi::kSrtpMkiLengthMax) return Bad(offset + offsetof(SrtpKey, mki_length));
  if (key.reserved != 0) return Bad(offset + offsetof(SrtpKey, reserved));
  const bool fits = key.mki_length >= sizeof key.mki || key.mki >> (8 * key.mki_length) == 0;
  return fits ? Finding{} : Bad(offset + offsetof(SrtpKey, mki));
}

Finding CheckReceiveKeys(const SrtpPlan& srtp, const abi::SrtpSuiteFacts& facts) {
  for (size_t i = 0; i < abi::kSrtpReceiveKeys; ++i) {
    const SrtpKey& key = srtp.receive[i];
    const size_t offset = offsetof(SrtpPlan, receive) + i * sizeof key;
    if (i >= srtp.receive_key_count) {
      if (!AllZero(key)) return Bad(offset);
      continue;
    }
    if (Finding finding = CheckKey(key, facts, offset); !finding.ok()) return finding;
    for (size_t j = 0; j < i; ++j) {
      const bool told_apart = key.mki_length != 0 && key.mki_length == srtp.receive[j].mki_length &&
                              key.mki != srtp.receive[j].mki;
      if (!told_apart) return Bad(offset + offsetof(SrtpKey, mki));
    }
    // The same key both ways: two streams of one SSRC would share their key stream.
    const bool same = srtp.send_key_count != 0 &&
                      std::equal(std::begin(key.key), std::end(key.key), srtp.send.key) &&
                      std::equal(std::begin(key.salt), std::end(key.salt), srtp.send.salt);
    if (same) return Bad(offset);
  }
  return {};
}

}  // namespace

Finding CheckSrtp(const SrtpPlan& srtp) {
  const auto suite = static_cast<uint8_t>(srtp.suite);
  if (suite >= abi::kSrtpSuiteCount) return Bad(offsetof(SrtpPlan, suite));
  if (srtp.suite == abi::SrtpSuite::kNone) return AllZero(srtp) ? Finding{} : Bad(0);
  if (srtp.send_key_count > 1) return Bad(offsetof(SrtpPlan, send_key_count));
  if (srtp.receive_key_count > abi::kSrtpReceiveKeys) {
    return Bad(offsetof(SrtpPlan, receive_key_count));
  }
  if (srtp.send_roc > SrtpRoc::kRestarts) return Bad(offsetof(SrtpPlan, send_roc));
  if (srtp.receive_roc > SrtpRoc::kEither) return Bad(offsetof(SrtpPlan, receive_roc));
  if (srtp.reserved != 0) return Bad(offsetof(SrtpPlan, reserved));
  if (srtp.overlap_ms > abi::kSrtpOverlapMaxMs) return Bad(offsetof(SrtpPlan, overlap_ms));
  const abi::SrtpSuiteFacts& facts = abi::FactsOf(srtp.suite);
  if (srtp.send_key_count == 0) {
    if (!AllZero(srtp.send)) return Bad(offsetof(SrtpPlan, send));
  } else if (Finding finding = CheckKey(srtp.send, facts, offsetof(SrtpPlan, send));
             !finding.ok()) {
    return finding;
  }
  return CheckReceiveKeys(srtp, facts);
}

}  // namespace relay::conductor
