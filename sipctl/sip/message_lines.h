// A message taken apart into lines (RFC 3261 section 7): start line, header fields, body. Knows
// what a line is and nothing of what it says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sipctl::sip {

// The header fields that Message holds as typed members.
enum class Field : uint8_t {
  kVia,
  kFrom,
  kTo,
  kCallId,
  kCSeq,
  kMaxForwards,
  kContact,
  kRoute,
  kRecordRoute,
  kRequire,
  kProxyRequire,
  kSupported,
  kUnsupported,
  kAllow,
  kAccept,
  kExpires,
  kRSeq,
  kRAck,
  kRetryAfter,
  kContentType,
  kContentEncoding,
  kContentLength,
  kOther,
};
inline constexpr int kFieldCount = static_cast<int>(Field::kOther) + 1;

// The field of that name, whole or compact, in any case.
Field FieldOf(std::string_view name);
// A compact name written out ("x" gives "Session-Expires"); any other name unchanged.
std::string_view LongName(std::string_view name);

struct FieldLine {
  Field field = Field::kOther;
  std::string_view name;   // as received
  std::string_view value;  // unfolded, trimmed, and followed by a NUL
};

struct MessageLines {
  std::string head;  // start line and header fields, changed in place; the views below point here
  std::string_view start;
  std::vector<FieldLine> fields;
  std::string_view rest;  // what follows the empty line, in the caller's bytes
  // The first thing that is wrong with the lines themselves, empty if nothing is. The lines that
  // could be read are there all the same.
  std::string wrong;
};

// The size of start line and header fields with the empty line that ends them, found from `from`
// on; npos if the empty line is not there. Whoever cuts messages out of a stream must agree with
// whoever reads them, so both ask here.
size_t HeadSize(std::string_view bytes, size_t from = 0);

// A lone LF ends a line as CR LF does; a lone CR or a NUL in the head is wrong.
void SplitLines(std::string_view bytes, MessageLines* lines);

}  // namespace sipctl::sip
