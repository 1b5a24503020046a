// The ciphers under SRTP, behind one small interface.
//
//   batch      intel-ipsec-mb: whole bursts of different sessions side by side (srtp_batch.cc)
//   portable   OpenSSL, one packet after the other (srtp_portable.cc)
//   libsrtp2   the reference that everybody knows, for comparison (srtp_libsrtp.cc)
//
// An engine knows no index and no window: it is told the index, and says whether a tag is right.
// Except libsrtp2, which keeps its own beside ours, and may refuse a packet that we would take; it
// cannot take up a stream where a former process left it.
//
// One object a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "relay/abi/srtp.h"
#include "relay/stage/srtp_keys.h"
#include "relay/wire/bytes.h"

namespace relay::stage {

inline constexpr size_t kSrtpTagMax = 20;
inline constexpr size_t kSrtpBatchMax = 64;

// What a library of ciphers can refuse only without memory, or when it is not the one that we were
// built with: there is no going on without encryption.
inline void Must(bool done) {
  if (!done) std::abort();
}

enum class SrtpResult : uint8_t { kOk, kBadTag, kReplayed };

// One packet where it lies:
//
//     | header, clear | payload, encrypted | 4 bytes that the engine may write |
//     0               header_length        length
//
// Tag, MKI and SRTCP index are put in their places by the caller: with counter mode the trailer is
// authenticated behind the packet, with GCM beside its header, if it is SRTCP's.
struct SrtpJob {
  void* context;
  uint8_t* data;
  uint32_t length;
  uint32_t header_length;
  uint64_t index;  // RTP: 48 bits; RTCP: 31
  uint32_t ssrc;
  uint32_t trailer;  // RTP: the roll-over counter; RTCP: E flag and index
  abi::SrtpSuite suite;
  SrtpUse use;
  uint8_t tag_length;
  SrtpResult result;         // of Unprotect
  uint8_t tag[kSrtpTagMax];  // Protect: comes out; Unprotect: goes in
};

enum class SrtpDirection : uint8_t { kProtect, kUnprotect };

struct SrtpContextKeys {
  abi::SrtpSuite suite;
  SrtpUse use;
  SrtpDirection direction;
  const abi::SrtpKey& master;
};

class SrtpEngine {
 public:
  virtual ~SrtpEngine() = default;

  virtual std::string_view name() const = 0;
  // Bytes of a context, a multiple of 64.
  virtual size_t ContextSize(abi::SrtpSuite suite) const = 0;
  // Of a context, what a packet needs first: salt and hash states.
  virtual size_t FirstRead(abi::SrtpSuite /*suite*/) const { return 0; }
  // `context` is aligned to 64.
  virtual void MakeContext(void* context, const SrtpContextKeys& keys) = 0;
  // Wipes it.
  virtual void DropContext(void* context, abi::SrtpSuite suite) = 0;

  // At most kSrtpBatchMax jobs of any suites. A packet whose tag is wrong is left in pieces.
  virtual void Protect(std::span<SrtpJob> jobs) = 0;
  virtual void Unprotect(std::span<SrtpJob> jobs) = 0;
};

// One whose library knows nothing of SRTP: session keys are ours to derive.
class CipherEngine : public SrtpEngine {
 public:
  void MakeContext(void* context, const SrtpContextKeys& request) final;
  // From the keys of a session, as the packets in RFC 7714 have them.
  virtual void MakeSessionContext(void* context, abi::SrtpSuite suite, SrtpDirection direction,
                                  const SrtpSessionKeys& keys) = 0;
};

enum class SrtpEngineKind : uint8_t { kAuto, kBatch, kPortable, kLibsrtp2, kNone };

// Null when this machine cannot have it, or for kNone. kAuto: the fastest there is.
std::unique_ptr<SrtpEngine> MakeSrtpEngine(SrtpEngineKind kind);

// Each in its own file.
std::unique_ptr<SrtpEngine> MakeBatchEngine();  // null without the instructions
std::unique_ptr<SrtpEngine> MakePortableEngine();
std::unique_ptr<SrtpEngine> MakeLibsrtpEngine();

// Section 4.1.1 of RFC 3711 and section 8.1 of RFC 7714, by the session salt.
inline void WriteCmIv(const uint8_t* salt, uint32_t ssrc, uint64_t index, uint8_t* iv) {
  wire::Store64(iv, wire::Load64(salt) ^ ssrc);
  const uint64_t rest = uint64_t{wire::Load32(salt + 8)} << 16 | wire::Load16(salt + 12);
  wire::Store64(iv + 8, (rest ^ index) << 16);
}
inline void WriteGcmIv(const uint8_t* salt, uint32_t ssrc, uint64_t index, uint8_t* iv) {
  const uint64_t above = uint64_t{ssrc} << 16 | (index >> 32 & 0xffff);
  wire::Store64(iv, wire::Load64(salt) ^ above);
  wire::Store32(iv + 8, wire::Load32(salt + 8) ^ static_cast<uint32_t>(index));
}

// A copy for each length there is: one for all of them would be a call.
inline void CopyTag(const uint8_t* from, size_t length, uint8_t* to) {
  switch (length) {
    case 4:
      std::memcpy(to, from, 4);
      break;
    case 10:
      std::memcpy(to, from, 10);
      break;
    default:
      std::memcpy(to, from, 16);
      break;
  }
}

// What GCM authenticates in the clear: the header, and SRTCP's trailer behind it.
inline constexpr size_t kSrtcpHeaderLength = 8;
struct SrtcpAssociated {
  explicit SrtcpAssociated(const SrtpJob& job) {
    for (size_t i = 0; i < kSrtcpHeaderLength; ++i) bytes[i] = job.data[i];
    for (size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<uint8_t>(job.trailer >> (24 - 8 * i));
  }
  uint8_t bytes[kSrtcpHeaderLength + 4];
};

}  // namespace relay::stage
