// Writes a message straight from the record.
#include <charconv>

#include "sipctl/sip/message.h"
#include "sipctl/sip/message_grammar.h"
#include "sipctl/sip/message_lines.h"

namespace sipctl::sip {
namespace {

// Everything that comes out of a field goes through Text or Token, which let no byte through that
// could end the line: what a caller put into a name, a tag or a reason stays inside its field.
class Writer {
 public:
  explicit Writer(size_t expected) { out_.reserve(expected); }

  Writer& Literal(std::string_view text) {
    out_.append(text);
    return *this;
  }

  Writer& Text(std::string_view text) {
    const size_t begin = out_.size();
    out_.append(text);
    for (size_t i = begin; i < out_.size(); ++i) {
      if (out_[i] == '\r' || out_[i] == '\n' || out_[i] == '\0') out_[i] = ' ';
    }
    return *this;
  }

  // Where white space or a colon would end the word: only token characters.
  Writer& Token(std::string_view text) {
    for (char c : text) {
      if (grammar::kToken[static_cast<uint8_t>(c)]) out_.push_back(c);
    }
    return *this;
  }

  Writer& Number(uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out_.append(digits, static_cast<size_t>(end - digits));
    return *this;
  }

  Writer& Quoted(std::string_view text) {
    out_.push_back('"');
    for (char c : text) {
      if (c == '"' || c == '\\') out_.push_back('\\');
      Text({&c, 1});
    }
    out_.push_back('"');
    return *this;
  }

  // IPv6 addresses get their brackets back.
  Writer& HostPort(std::string_view host, uint16_t port) {
    const bool ipv6 = host.find(':') != std::string_view::npos;
    if (ipv6) out_.push_back('[');
    Text(host);
    if (ipv6) out_.push_back(']');
    if (port != 0) Literal(":").Number(port);
    return *this;
  }

  // URI parameters are escaped by percent signs, never quoted.
  Writer& UriParameters(const Parameters& parameters) {
    for (const Parameter& parameter : parameters) {
      Literal(";").Text(parameter.name);
      if (parameter.has_value) Literal("=").Text(parameter.value);
    }
    return *this;
  }

  Writer& HeaderParameters(const Parameters& parameters) {
    for (const Parameter& parameter : parameters) {
      Literal(";").Text(parameter.name);
      if (!parameter.has_value) continue;
      Literal("=");
      IsPlainValue(parameter.value) ? Literal(parameter.value) : Quoted(parameter.value);
    }
    return *this;
  }

  Writer& Write(const Uri& uri) {
    Token(uri.scheme).Literal(":");
    if (uri.scheme != "sip" && uri.scheme != "sips") return Text(uri.user);
    if (!uri.user.empty()) Text(uri.user).Literal("@");
    HostPort(uri.host, uri.port).UriParameters(uri.parameters);
    if (!uri.headers.empty()) Literal("?").Text(uri.headers);
    return *this;
  }

  Writer& Write(const NameAddr& address) {
    if (!address.display_name.empty()) Quoted(address.display_name).Literal(" ");
    return Literal("<").Write(address.uri).Literal(">").HeaderParameters(address.parameters);
  }

  Writer& Write(const Via& via) {
    Literal("SIP/2.0/").Token(via.transport).Literal(" ").HostPort(via.host, via.port);
    return HeaderParameters(via.parameters);
  }

  void Line(std::string_view name, const auto& value) {
    Literal(name).Literal(": ").Write(value).Literal("\r\n");
  }

  void TextLine(std::string_view name, std::string_view value) {
    Literal(name).Literal(": ").Text(value).Literal("\r\n");
  }

  void NumberLine(std::string_view name, uint64_t value) {
    Literal(name).Literal(": ").Number(value).Literal("\r\n");
  }

  void ListLine(std::string_view name, const std::vector<std::string>& items) {
    if (items.empty()) return;
    Literal(name).Literal(": ");
    for (size_t i = 0; i < items.size(); ++i) Literal(i == 0 ? "" : ", ").Text(items[i]);
    Literal("\r\n");
  }

  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string_view NameOr(Method method, std::string_view name) {
  return method == Method::kUnknown ? name : MethodName(method);
}

void WriteStartLine(const Message& message, Writer* out) {
  if (message.is_request) {
    out->Token(NameOr(message.method, message.method_name)).Literal(" ");
    out->Write(message.request_uri).Literal(" SIP/2.0\r\n");
  } else {
    out->Literal("SIP/2.0 ").Number(static_cast<uint64_t>(message.status)).Literal(" ");
    out->Text(message.reason).Literal("\r\n");
  }
}

void WriteRaw(std::string_view name, const std::string& value, Writer* out) {
  if (!value.empty()) out->TextLine(name, value);
}

void WriteRouting(const Message& message, const RawFields& raw, Writer* out) {
  for (const Via& via : message.via) out->Line("Via", via);
  for (const std::string& via : raw.via) WriteRaw("Via", via, out);
  if (message.max_forwards) out->NumberLine("Max-Forwards", *message.max_forwards);
  for (const NameAddr& route : message.route) out->Line("Route", route);
  for (const NameAddr& route : message.record_route) out->Line("Record-Route", route);
  raw.from ? WriteRaw("From", *raw.from, out) : out->Line("From", message.from);
  raw.to ? WriteRaw("To", *raw.to, out) : out->Line("To", message.to);
  raw.call_id ? WriteRaw("Call-ID", *raw.call_id, out) : out->TextLine("Call-ID", message.call_id);
  if (raw.cseq) {
    WriteRaw("CSeq", *raw.cseq, out);
  } else {
    out->Literal("CSeq: ").Number(message.cseq.number).Literal(" ");
    out->Token(NameOr(message.cseq.method, message.method_name)).Literal("\r\n");
  }
  if (message.contact_star) out->Literal("Contact: *\r\n");
  for (const NameAddr& contact : message.contact) out->Line("Contact", contact);
}

void WriteCapabilities(const Message& message, Writer* out) {
  out->ListLine("Require", message.require);
  out->ListLine("Proxy-Require", message.proxy_require);
  out->ListLine("Supported", message.supported);
  out->ListLine("Unsupported", message.unsupported);
  out->ListLine("Allow", message.allow);
  out->ListLine("Accept", message.accept);
  if (message.expires) out->NumberLine("Expires", *message.expires);
  if (message.rseq) out->NumberLine("RSeq", *message.rseq);
  if (message.rack) {
    out->Literal("RAck: ").Number(message.rack->rseq).Literal(" ");
    out->Number(message.rack->cseq.number).Literal(" ");
    out->Literal(MethodName(message.rack->cseq.method)).Literal("\r\n");
  }
  if (message.retry_after) out->NumberLine("Retry-After", *message.retry_after);
}

}  // namespace

std::string Uri::ToString() const {
  Writer out(64);
  return out.Write(*this).Take();
}

std::string NameAddr::ToString() const {
  Writer out(96);
  return out.Write(*this).Take();
}

std::string Via::ToString() const {
  Writer out(96);
  return out.Write(*this).Take();
}

std::string Encode(const Message& message) {
  return EncodeRefusal(message, {});
}

std::string EncodeRefusal(const Message& message, const RawFields& raw) {
  Writer out(768 + message.body.size());
  WriteStartLine(message, &out);
  WriteRouting(message, raw, &out);
  WriteCapabilities(message, &out);
  for (const HeaderField& other : message.others) {
    // A second length would let two readers cut the stream differently.
    if (!IsToken(other.name) || FieldOf(other.name) == Field::kContentLength) continue;
    out.TextLine(other.name, other.value);
  }
  if (!message.content_type.empty()) {
    out.Literal("Content-Type: ").Text(message.content_type);
    out.Text(message.content_type_parameters).Literal("\r\n");
  }
  if (!message.content_encoding.empty()) {
    out.TextLine("Content-Encoding", message.content_encoding);
  }
  out.NumberLine("Content-Length", message.body.size());
  return out.Literal("\r\n").Literal(message.body).Take();
}

}  // namespace sipctl::sip
