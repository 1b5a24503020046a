// From lines to the record: which fields there must be, which may stand only once, and what a
// malformed one costs. A field that this side decides on must be right (400); any other that sofia
// cannot read stays in `others` as it came (RFC 3261 section 8.2: ignore what is not necessary).
#include <bitset>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/message_grammar.h"
#include "sipctl/sip/message_lines.h"
#include "sipctl/sip/message_values.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kVersion = "SIP/2.0";

class Reading {
 public:
  explicit Reading(std::string_view bytes) {
    SplitLines(bytes, &lines_);
    if (!lines_.wrong.empty()) Refuse(400, lines_.wrong);
  }

  void ReadStartLine();
  void ReadFields();
  void CheckComplete();
  void ReadBody();

  std::optional<Message> Finish(ParseFailure* failure) &&;

 private:
  // Only the first complaint counts; reading goes on for the sake of an answer.
  void Refuse(int status, std::string sentence) {
    if (status_ != 0) return;
    status_ = status;
    sentence_ = std::move(sentence);
  }

  void ReadRequestLine();
  void ReadStatusLine();
  void ReadField(const FieldLine& line);
  bool ReadNecessary(const FieldLine& line);
  bool ReadOptional(const FieldLine& line);
  bool ReadOneAddress(std::string_view value, NameAddr* out);
  bool Has(Field field) const { return read_.test(static_cast<size_t>(field)); }
  bool ReadVia(std::string_view value);
  std::optional<std::string>* RawOf(Field field);
  bool IsAnswerable() const;

  MessageLines lines_;
  ValueReader values_;
  Message message_;
  std::string cseq_method_;
  std::bitset<kFieldCount> seen_;  // a line of that name was there
  std::bitset<kFieldCount> read_;  // and could be read
  std::optional<size_t> content_length_;
  RawFields raw_;
  int status_ = 0;  // 0: nothing wrong so far
  std::string sentence_;
};

bool IsSingle(Field field) {
  switch (field) {
    case Field::kFrom:
    case Field::kTo:
    case Field::kCallId:
    case Field::kCSeq:
    case Field::kMaxForwards:
    case Field::kExpires:
    case Field::kRSeq:
    case Field::kRAck:
    case Field::kRetryAfter:
    case Field::kContentType:
    case Field::kContentLength:
      return true;
    default:
      return false;
  }
}

void Reading::ReadStartLine() {
  const bool response = EqualsIgnoringCase(lines_.start.substr(0, 4), "SIP/");
  message_.is_request = !response;
  response ? ReadStatusLine() : ReadRequestLine();
}

// Method SP Request-URI SP SIP-Version, one space each (RFC 3261 section 7.1).
void Reading::ReadRequestLine() {
  const std::string_view line = lines_.start;
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  const std::string_view method = line.substr(0, first);
  if (!IsToken(method)) return Refuse(400, "the start line has no method");
  message_.method = MethodOf(method);
  message_.method_name = method;
  if (first == std::string_view::npos || first == last) {
    return Refuse(400, "the start line is not 'METHOD URI SIP/2.0'");
  }
  const std::string_view version = line.substr(last + 1);
  if (!EqualsIgnoringCase(version, kVersion)) {
    const bool other = EqualsIgnoringCase(version.substr(0, 4), "SIP/");
    return Refuse(other ? 505 : 400, other ? "only SIP/2.0 is spoken here"
                                           : "the start line does not end with SIP/2.0");
  }
  if (!values_.ReadUri(line.substr(first + 1, last - first - 1), &message_.request_uri)) {
    return Refuse(400, "the Request-URI is malformed");
  }
  const std::string& scheme = message_.request_uri.scheme;
  if (scheme != "sip" && scheme != "sips" && scheme != "tel") {
    Refuse(416, absl::StrCat("Request-URI of scheme ", scheme));
  }
}

// SIP-Version SP Status-Code SP Reason-Phrase (RFC 3261 section 7.2); the phrase may be missing.
void Reading::ReadStatusLine() {
  const std::string_view line = lines_.start;
  if (!EqualsIgnoringCase(line.substr(0, kVersion.size()), kVersion) || line.size() < 11 ||
      line[7] != ' ' || (line.size() > 11 && line[11] != ' ')) {
    return Refuse(400, "the status line is not 'SIP/2.0 CODE PHRASE'");
  }
  const auto status = ParseNumber(line.substr(8, 3), 699);
  if (!status || *status < 100) return Refuse(400, "the status code is not 100-699");
  message_.status = static_cast<int>(*status);
  if (line.size() > 12) message_.reason = line.substr(12);
}

void Reading::ReadFields() {
  for (const FieldLine& line : lines_.fields) ReadField(line);
}

void Reading::ReadField(const FieldLine& line) {
  const auto bit = static_cast<size_t>(line.field);
  if (IsSingle(line.field) && seen_.test(bit)) {
    return Refuse(400, absl::StrCat("there are two header fields ", std::string(line.name)));
  }
  seen_.set(bit);
  if (line.field == Field::kOther) {
    message_.others.push_back({std::string(LongName(line.name)), std::string(line.value)});
  } else if (line.field <= Field::kProxyRequire || line.field == Field::kContentLength ||
             line.field == Field::kContentType) {
    if (ReadNecessary(line)) return read_.set(bit), void();
    if (auto* raw = RawOf(line.field)) *raw = line.value;
    Refuse(400, absl::StrCat("header field ", std::string(line.name), " is malformed"));
  } else if (ReadOptional(line)) {
    read_.set(bit);
  } else {
    message_.others.push_back({std::string(LongName(line.name)), std::string(line.value)});
  }
}

void AppendItems(std::string_view value, std::vector<std::string>* out) {
  while (!value.empty()) {
    const size_t comma = std::min(value.find(','), value.size());
    const std::string_view item = Trim(value.substr(0, comma));
    if (!item.empty()) out->emplace_back(item);
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
}

// All or nothing: a list with something else than tokens in it leaves `out` as it was.
bool AppendTokens(std::string_view value, std::vector<std::string>* out) {
  const size_t before = out->size();
  AppendItems(value, out);
  for (size_t i = before; i < out->size(); ++i) {
    if (IsToken((*out)[i])) continue;
    out->resize(before);
    return false;
  }
  return true;
}

bool ReadContentType(std::string_view value, Message* out) {
  const size_t end = std::min(value.find(';'), value.size());
  const std::string_view type = Trim(value.substr(0, end));
  const size_t slash = type.find('/');
  if (slash == std::string_view::npos || !IsToken(Trim(type.substr(0, slash))) ||
      !IsToken(Trim(type.substr(slash + 1)))) {
    return false;
  }
  for (char c : type) {
    if (c != ' ' && c != '\t') out->content_type.push_back(Lower(c));
  }
  out->content_type_parameters = value.substr(end);
  return true;
}

// The next word of `value`; words are separated by white space.
std::string_view TakeWord(std::string_view* value) {
  *value = Trim(*value);
  const std::string_view word = value->substr(0, value->find_first_of(" \t"));
  value->remove_prefix(word.size());
  return word;
}

// Number and method (RFC 3261 section 20.16). Not left to sofia, which refuses some methods that
// it does not know ("INg").
bool ReadCSeq(std::string_view value, CSeq* out, std::string* method_name) {
  const auto number = ParseNumber(TakeWord(&value), 0x7fffffffu);  // RFC 3261 section 8.1.1.5
  const std::string_view method = TakeWord(&value);
  if (!number || !IsToken(method) || !Trim(value).empty()) return false;
  *out = {static_cast<uint32_t>(*number), MethodOf(method)};
  *method_name = method;
  return true;
}

// RFC 3262 section 7.2.
bool ReadRAck(std::string_view value, RAck* out) {
  std::string method_name;
  const auto rseq = ParseNumber(TakeWord(&value), 0xffffffffu);
  if (!rseq || !ReadCSeq(value, &out->cseq, &method_name)) return false;
  out->rseq = static_cast<uint32_t>(*rseq);
  return out->cseq.method != Method::kUnknown;
}

bool Reading::ReadOneAddress(std::string_view value, NameAddr* out) {
  std::vector<NameAddr> addresses;
  if (!values_.ReadAddresses(AddressKind::kFromTo, value, &addresses)) return false;
  if (addresses.size() != 1) return false;
  *out = std::move(addresses.front());
  return true;
}

// Behind one that cannot be read all are raw: their order is the way back.
bool Reading::ReadVia(std::string_view value) {
  const size_t before = message_.via.size();
  const bool read = values_.ReadVias(value, &message_.via);
  if (read && raw_.via.empty()) return true;
  message_.via.resize(before);
  raw_.via.emplace_back(value);
  return read;
}

std::optional<std::string>* Reading::RawOf(Field field) {
  switch (field) {
    case Field::kFrom:
      return &raw_.from;
    case Field::kTo:
      return &raw_.to;
    case Field::kCallId:
      return &raw_.call_id;
    case Field::kCSeq:
      return &raw_.cseq;
    default:
      return nullptr;
  }
}

bool Reading::ReadNecessary(const FieldLine& line) {
  const std::string_view value = line.value;
  switch (line.field) {
    case Field::kVia:
      return ReadVia(value);
    case Field::kFrom:
      return ReadOneAddress(value, &message_.from);
    case Field::kTo:
      return ReadOneAddress(value, &message_.to);
    case Field::kCallId:
      message_.call_id = value;
      return !value.empty() && value.find_first_of(" \t") == std::string_view::npos;
    case Field::kCSeq:
      return ReadCSeq(value, &message_.cseq, &cseq_method_);
    case Field::kMaxForwards: {
      const auto number = ParseNumber(value, 255);
      if (number) message_.max_forwards = static_cast<uint8_t>(*number);
      return number.has_value();
    }
    case Field::kContact:
      if (value == "*") return message_.contact_star = true;
      return values_.ReadAddresses(AddressKind::kContact, value, &message_.contact);
    case Field::kRoute:
      return values_.ReadAddresses(AddressKind::kRoute, value, &message_.route);
    case Field::kRecordRoute:
      return values_.ReadAddresses(AddressKind::kRoute, value, &message_.record_route);
    case Field::kRequire:
      return AppendTokens(value, &message_.require);
    case Field::kProxyRequire:
      return AppendTokens(value, &message_.proxy_require);
    case Field::kContentType:
      return ReadContentType(value, &message_);
    case Field::kContentLength:
      content_length_ = ParseNumber(value, kMessageBytesMax);
      return content_length_.has_value();
    default:
      return false;
  }
}

template <typename Number>
bool ReadNumber(std::string_view value, std::optional<Number>* out) {
  const auto number = ParseNumber(value, 0xffffffffu);
  if (number) *out = static_cast<Number>(*number);
  return number.has_value();
}

bool Reading::ReadOptional(const FieldLine& line) {
  const std::string_view value = line.value;
  switch (line.field) {
    case Field::kSupported:
      return AppendTokens(value, &message_.supported);
    case Field::kUnsupported:
      return AppendTokens(value, &message_.unsupported);
    case Field::kAllow:
      return AppendTokens(value, &message_.allow);
    case Field::kAccept:
      return AppendItems(value, &message_.accept), true;
    case Field::kExpires:
      return ReadNumber(value, &message_.expires);
    case Field::kRSeq:
      return ReadNumber(value, &message_.rseq);
    case Field::kRAck: {
      RAck rack;
      if (!ReadRAck(value, &rack)) return false;
      message_.rack = rack;
      return true;
    }
    case Field::kRetryAfter:
      // A comment and parameters may follow (RFC 3261 section 20.33); only the seconds matter.
      return ReadNumber(value.substr(0, value.find_first_of(" \t;(")), &message_.retry_after);
    case Field::kContentEncoding:
      absl::StrAppend(&message_.content_encoding, message_.content_encoding.empty() ? "" : ", ",
                      std::string(value));
      return true;
    default:
      return false;
  }
}

void Reading::CheckComplete() {
  struct Needed {
    Field field;
    std::string_view name;
  };
  for (const auto& [field, name] :
       {Needed{Field::kVia, "Via"}, Needed{Field::kFrom, "From"}, Needed{Field::kTo, "To"},
        Needed{Field::kCallId, "Call-ID"}, Needed{Field::kCSeq, "CSeq"}}) {
    if (!Has(field)) Refuse(400, absl::StrCat("there is no header field ", std::string(name)));
  }
  if (message_.via.empty()) Refuse(400, "the header field Via is empty");
  if (!message_.is_request) {
    message_.method = message_.cseq.method;
    message_.method_name = cseq_method_;
  } else if (Has(Field::kCSeq) && cseq_method_ != message_.method_name) {
    // RFC 3261 section 8.1.1.5. The answer repeats the CSeq as it came.
    message_.method_name = cseq_method_;
    Refuse(400, "the method in CSeq is not that of the request");
  }
}

void Reading::ReadBody() {
  if (!content_length_) {
    message_.body = lines_.rest;
    return;
  }
  // Bytes beyond the length do not belong to the message (RFC 3261 section 18.3).
  message_.body = lines_.rest.substr(0, *content_length_);
  if (message_.body.size() < *content_length_) {
    Refuse(400, absl::StrCat("Content-Length is ", *content_length_, " but only ",
                             message_.body.size(), " bytes follow"));
  }
}

bool Reading::IsAnswerable() const {
  return message_.is_request && !message_.method_name.empty() && message_.method != Method::kAck &&
         !message_.via.empty();
}

std::optional<Message> Reading::Finish(ParseFailure* failure) && {
  if (status_ == 0) return std::move(message_);
  failure->status = status_;
  failure->sentence = std::move(sentence_);
  if (!IsAnswerable()) return std::nullopt;
  for (Field field : {Field::kFrom, Field::kTo, Field::kCallId, Field::kCSeq}) {
    if (!seen_.test(static_cast<size_t>(field))) RawOf(field)->emplace();
  }
  failure->answerable = std::move(message_);
  failure->raw = std::move(raw_);
  return std::nullopt;
}

}  // namespace

std::optional<Message> Parse(std::string_view bytes, ParseFailure* failure) {
  *failure = ParseFailure{};
  // Empty lines before the start line are skipped (RFC 3261 section 7.5).
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  if (bytes.empty() || bytes.size() > kMessageBytesMax) {
    failure->status = bytes.empty() ? 400 : 513;
    failure->sentence = bytes.empty() ? "the message is empty" : "the message is over 64 KiB";
    return std::nullopt;
  }
  Reading reading(bytes);
  reading.ReadStartLine();
  reading.ReadFields();
  reading.CheckComplete();
  reading.ReadBody();
  return std::move(reading).Finish(failure);
}

}  // namespace sipctl::sip
