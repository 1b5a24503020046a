// A SIP message (RFC 3261 section 7) as a plain record.
//
// Parsing is done by sofia-sip's message library, which message.cc alone sees; what comes out is
// plain data that can be compared, stored in a journal and built by hand in a test. Headers that a
// transaction, dialog or call decides on are typed; all others stay in `others`, in order and
// byte for byte, and are never copied to the other leg unless a rule says so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sipctl::sip {

enum class Method : uint8_t {
  kInvite,
  kAck,
  kBye,
  kCancel,
  kOptions,
  kPrack,
  kUpdate,
  kInfo,
  kRefer,
  kNotify,
  kSubscribe,
  kMessage,
  kRegister,
  kPublish,
  kUnknown,
};
std::string_view MethodName(Method method);  // "INVITE"; kUnknown gives ""
Method MethodOf(std::string_view name);      // case-sensitive (RFC 3261 section 7.1)

// ;name or ;name=value, value without its quotes.
struct Parameter {
  std::string name;
  std::string value;
  bool has_value = false;
  bool operator==(const Parameter&) const = default;
};

using Parameters = std::vector<Parameter>;
const Parameter* Find(const Parameters& parameters, std::string_view name);  // case-insensitive
void Set(Parameters* parameters, std::string_view name, std::string_view value);

// RFC 3261 section 19.1. `text` forms that are not sip: or sips: (tel:, urn:) keep everything after
// the scheme in `user`.
struct Uri {
  std::string scheme = "sip";  // lower case
  std::string user;            // still escaped, without password
  std::string host;            // name or address; IPv6 without brackets
  uint16_t port = 0;           // 0 = not written
  Parameters parameters;       // transport, lr, user, ...
  std::string headers;         // after '?', not interpreted
  bool operator==(const Uri&) const = default;

  static absl::StatusOr<Uri> Parse(std::string_view text);
  std::string ToString() const;
};

// From, To, Contact, Route, Record-Route.
struct NameAddr {
  std::string display_name;  // without quotes
  Uri uri;
  Parameters parameters;  // header parameters: tag, q, expires, ...
  bool operator==(const NameAddr&) const = default;

  std::string_view tag() const;
  void set_tag(std::string_view tag);
  std::string ToString() const;
};

struct Via {
  std::string transport = "UDP";  // UDP, TCP, TLS
  std::string host;               // sent-by
  uint16_t port = 0;              // 0 = not written
  Parameters parameters;          // branch, rport, received
  bool operator==(const Via&) const = default;

  std::string_view branch() const;
  std::string ToString() const;
};

struct CSeq {
  uint32_t number = 0;
  Method method = Method::kUnknown;
  bool operator==(const CSeq&) const = default;
};

// RFC 3262 section 7.2.
struct RAck {
  uint32_t rseq = 0;
  CSeq cseq;
  bool operator==(const RAck&) const = default;
};

struct HeaderField {
  std::string name;
  std::string value;
  bool operator==(const HeaderField&) const = default;
};

struct Message {
  bool is_request = true;
  Method method = Method::kUnknown;  // of the request line; for responses that of CSeq
  std::string method_name;           // as written, for kUnknown
  Uri request_uri;
  int status = 0;      // 100-699 in responses
  std::string reason;  // phrase

  std::vector<Via> via;  // topmost first
  NameAddr from;
  NameAddr to;
  std::string call_id;
  CSeq cseq;
  std::optional<uint8_t> max_forwards;
  std::vector<NameAddr> contact;
  bool contact_star = false;
  std::vector<NameAddr> route;
  std::vector<NameAddr> record_route;  // unbracketed ones are understood too (trap T-04)

  std::vector<std::string> require;
  std::vector<std::string> proxy_require;
  std::vector<std::string> supported;
  std::vector<std::string> unsupported;
  std::vector<std::string> allow;  // method names
  std::vector<std::string> accept;
  std::optional<uint32_t> expires;
  std::optional<uint32_t> rseq;
  std::optional<RAck> rack;
  std::optional<uint32_t> retry_after;

  std::string content_type;             // lower case type/subtype, without parameters
  std::string content_type_parameters;  // ";boundary=..." as received, empty if none
  std::string content_encoding;
  std::string body;

  // Everything else: values as received, compact names (RFC 3261 section 7.3.3) written out.
  std::vector<HeaderField> others;

  bool operator==(const Message&) const = default;

  const std::string* Other(std::string_view name) const;  // first of that name, case-insensitive
};

// What a response repeats of a request and could not be read: as it came; empty = it was not there.
struct RawFields {
  std::vector<std::string> via;  // behind the topmost one
  std::optional<std::string> from, to, call_id, cseq;
};

// Why a message was not understood, and what the transport can still do about it.
struct ParseFailure {
  int status = 400;      // what to answer, if it can be answered: 400, 416, 505, ...
  std::string sentence;  // what is wrong and where
  // The fields a response needs, those of Via, From, To, Call-ID and CSeq that could be read: when
  // the topmost Via is one of them and the message is a request that may be answered (no ACK).
  std::optional<Message> answerable;
  RawFields raw;  // and the others
};

// `bytes` is one whole message: a datagram, or what StreamFraming cut. Never throws, never closes
// anything; bounded by kMessageBytesMax.
inline constexpr size_t kMessageBytesMax = 65536;
std::optional<Message> Parse(std::string_view bytes, ParseFailure* failure);

// The bytes to send. Content-Length is always written. Header order: Via, Max-Forwards, Route,
// Record-Route, From, To, Call-ID, CSeq, Contact, ..., body. No field can start a line of its own:
// CR, LF and NUL inside a field are written as spaces.
std::string Encode(const Message& message);
// Of an unknown one as it was written.
std::string_view MethodNameOf(const Message& message);
// The same of a response with some of its fields as they came.
std::string EncodeRefusal(const Message& response, const RawFields& raw);

// A response to `request` as RFC 3261 section 8.2.6.2 builds it: Via, From, To (with `to_tag` if
// the request had none), Call-ID, CSeq and, for 18x and 2xx to dialog-creating requests,
// Record-Route.
Message MakeResponse(const Message& request, int status, std::string_view to_tag = {},
                     std::string_view reason = {});
std::string_view DefaultReason(int status);

}  // namespace sipctl::sip
