// SIP as the load speaks it: messages written from few pieces, and read no further than a caller or
// a callee must look. Nothing is checked that the parser of what is measured would check.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sip/transport.h"

namespace bench::callgen {

// What is looked at in a message; all of it points into the message's bytes.
struct Glance {
  int status = 0;           // of a response; 0 = a request
  std::string_view method;  // of CSeq
  std::string_view call_id;
  std::string_view from, to, cseq;             // values
  std::string_view contact;                    // the URI
  std::vector<std::string_view> vias;          // values, topmost first
  std::vector<std::string_view> record_route;  // values, topmost first

  bool is_request() const { return status == 0; }
  bool has_to_tag() const { return to.find(";tag=") != to.npos; }
};

// False when this is no SIP that can be answered.
bool Read(std::string_view message, Glance* glance);

// Whom a request is from and to, as far as its bytes need it.
struct CallNames {
  sipctl::sip::Protocol protocol = sipctl::sip::Protocol::kUdp;
  std::string local;        // our address and port
  std::string request_uri;  // whom it is for: of ACK and BYE the peer's Contact
  std::string from, to;     // values with their tags
  std::string call_id;
  std::string routes;  // whole lines, each with its CR LF
  std::string branch;
};
std::string WriteInvite(const CallNames& names, std::string_view address);
// ACK or BYE. `cseq`: the number.
std::string WriteInDialog(std::string_view method, uint32_t cseq, const CallNames& names);

// `tag` is appended to a To that has none. `contact`: our own URI, empty = none. `address`: where
// an SDP says that our media is; empty = no SDP.
struct Answer {
  int status = 200;
  std::string_view reason = "OK";
  std::string_view tag = {};
  std::string_view contact = {};
  std::string_view address = {};
};
std::string WriteAnswer(const Glance& request, const Answer& answer);

// Record-Route of a response as the Route lines of a request in its dialog (RFC 3261 section
// 12.1.2: in reverse).
std::string RoutesOf(const Glance& response);
// sip:load@127.0.0.2:5060;transport=tcp
std::string ContactUri(sipctl::sip::Protocol protocol, std::string_view address_and_port);

}  // namespace bench::callgen
