#include "bench/callgen/message.h"

#include <charconv>

#include "sipctl/text.h"

namespace bench::callgen {
namespace {

// <sip:a@b>;more or sip:a@b;more
std::string_view UriOf(std::string_view value) {
  const size_t open = value.find('<');
  if (open == value.npos) return value.substr(0, value.find(';'));
  return value.substr(open + 1, value.find('>', open) - open - 1);
}

void TakeField(std::string_view name, std::string_view value, Glance* glance) {
  if (sipctl::EqualsIgnoreCase(name, "Via") || sipctl::EqualsIgnoreCase(name, "v")) {
    glance->vias.push_back(value);
  } else if (sipctl::EqualsIgnoreCase(name, "Record-Route")) {
    glance->record_route.push_back(value);
  } else if (sipctl::EqualsIgnoreCase(name, "From") || sipctl::EqualsIgnoreCase(name, "f")) {
    glance->from = value;
  } else if (sipctl::EqualsIgnoreCase(name, "To") || sipctl::EqualsIgnoreCase(name, "t")) {
    glance->to = value;
  } else if (sipctl::EqualsIgnoreCase(name, "Call-ID") || sipctl::EqualsIgnoreCase(name, "i")) {
    glance->call_id = value;
  } else if (sipctl::EqualsIgnoreCase(name, "CSeq")) {
    glance->cseq = value;
    const size_t space = value.rfind(' ');
    glance->method = space == value.npos ? std::string_view() : value.substr(space + 1);
  } else if (sipctl::EqualsIgnoreCase(name, "Contact") || sipctl::EqualsIgnoreCase(name, "m")) {
    glance->contact = UriOf(value);
  }
}

std::string_view TransportParameter(sipctl::sip::Protocol protocol) {
  constexpr std::string_view kNames[] = {"udp", "tcp", "tls"};
  return kNames[static_cast<size_t>(protocol)];
}

std::string Description(std::string_view address) {
  return sipctl::Concat("v=0\r\no=- 20 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
                        "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\n"
                        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
                        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
                        "a=ptime:20\r\na=sendrecv\r\n");
}

// What stands behind the request line of every request.
std::string Head(std::string_view method, uint32_t cseq, const CallNames& names) {
  return sipctl::Concat(method, " ", names.request_uri, " SIP/2.0\r\nVia: SIP/2.0/",
                        sipctl::sip::ProtocolName(names.protocol), " ", names.local,
                        ";rport;branch=z9hG4bK", names.branch, "\r\nMax-Forwards: 70\r\n",
                        names.routes, "From: ", names.from, "\r\nTo: ", names.to,
                        "\r\nCall-ID: ", names.call_id, "\r\nCSeq: ", cseq, " ", method, "\r\n");
}

void AppendBody(std::string_view body, std::string* message) {
  if (!body.empty()) message->append("Content-Type: application/sdp\r\n");
  message->append(sipctl::Concat("Content-Length: ", body.size(), "\r\n\r\n", body));
}

}  // namespace

bool Read(std::string_view message, Glance* glance) {
  constexpr std::string_view kVersion = "SIP/2.0 ";
  size_t end = message.find("\r\n");
  if (end == message.npos) return false;
  if (message.starts_with(kVersion)) {
    const char* digits = message.data() + kVersion.size();
    std::from_chars(digits, message.data() + end, glance->status);
    if (glance->status < 100) return false;
  }
  for (size_t begin = end + 2; begin < message.size(); begin = end + 2) {
    end = message.find("\r\n", begin);
    if (end == message.npos || end == begin) break;
    const std::string_view line = message.substr(begin, end - begin);
    const size_t colon = line.find(':');
    if (colon == line.npos) continue;
    TakeField(sipctl::Strip(line.substr(0, colon)), sipctl::Strip(line.substr(colon + 1)), glance);
  }
  return !glance->call_id.empty() && !glance->method.empty() && !glance->vias.empty();
}

std::string ContactUri(sipctl::sip::Protocol protocol, std::string_view address_and_port) {
  return sipctl::Concat("sip:load@", address_and_port, ";transport=", TransportParameter(protocol));
}

std::string WriteInvite(const CallNames& names, std::string_view address) {
  std::string message = Head("INVITE", 1, names);
  message.append(sipctl::Concat("Contact: <", ContactUri(names.protocol, names.local), ">\r\n"));
  AppendBody(Description(address), &message);
  return message;
}

std::string WriteInDialog(std::string_view method, uint32_t cseq, const CallNames& names) {
  std::string message = Head(method, cseq, names);
  AppendBody({}, &message);
  return message;
}

std::string WriteAnswer(const Glance& request, const Answer& answer) {
  std::string message = sipctl::Concat("SIP/2.0 ", answer.status, " ", answer.reason, "\r\n");
  for (std::string_view via : request.vias) message.append(sipctl::Concat("Via: ", via, "\r\n"));
  for (std::string_view route : request.record_route) {
    message.append(sipctl::Concat("Record-Route: ", route, "\r\n"));
  }
  message.append(sipctl::Concat("From: ", request.from, "\r\nTo: ", request.to));
  if (!request.has_to_tag() && !answer.tag.empty()) {
    message.append(sipctl::Concat(";tag=", answer.tag));
  }
  message.append(
      sipctl::Concat("\r\nCall-ID: ", request.call_id, "\r\nCSeq: ", request.cseq, "\r\n"));
  if (!answer.contact.empty()) {
    message.append(sipctl::Concat("Contact: <", answer.contact, ">\r\n"));
  }
  AppendBody(answer.address.empty() ? std::string() : Description(answer.address), &message);
  return message;
}

std::string RoutesOf(const Glance& response) {
  std::string lines;
  for (auto route = response.record_route.rbegin(); route != response.record_route.rend();
       ++route) {
    lines.append(sipctl::Concat("Route: ", *route, "\r\n"));
  }
  return lines;
}

}  // namespace bench::callgen
