// Bodies of several parts (RFC 2046 section 5.1, RFC 5621): a session description beside ISUP, a
// location, or what else a carrier adds. Of these parts we use the description alone.
//
// sofia-sip's own parser is not used here: the one of Debian reads past a body that is shorter than
// its boundary and does not end at a part's malformed header when assertions are off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sipctl/sip/message.h"

namespace sipctl::sip {

inline constexpr size_t kPartsMax = 16;     // of one body, and as deep as kPartDepthMax
inline constexpr size_t kPartDepthMax = 3;  // multipart inside multipart

// A part as it stands in its body; all are views of it.
struct Part {
  std::string_view content_type;  // with parameters; empty: text/plain
  std::string_view disposition;   // of Content-Disposition, with parameters
  std::string_view transfer_encoding;
  std::string_view content_encoding;
  std::string_view body;

  // "multipart/mixed", as written and without parameters.
  std::string_view type() const;
};

// Nothing when there is no boundary, no end, or more than kPartsMax parts.
std::optional<std::vector<Part>> SplitParts(std::string_view content_type_parameters,
                                            std::string_view body);

enum class BodyVerdict : uint8_t {
  kWhole,      // no multipart: left as it was
  kTaken,      // it is its session description now, or has no body when there was none
  kMalformed,  // 400
  kRequired,   // a part that must be understood is not: 415 (RFC 5621 section 8.2)
};

// Puts the session description in the place of a multipart body. Parts of other types are dropped,
// but for one with handling=required. RFC 3261 would have a part without a word on its handling
// required, too; carriers forget it with what nobody needs, and the call would be refused.
BodyVerdict TakeDescription(Message* message);

}  // namespace sipctl::sip
