#include "sipctl/sip/derived_request.h"

namespace sipctl::sip {
namespace {

Message Derive(const Message& invite, Method method) {
  Message request;
  request.method = method;
  request.request_uri = invite.request_uri;
  if (!invite.via.empty()) request.via.push_back(invite.via.front());
  request.route = invite.route;
  request.from = invite.from;
  request.to = invite.to;
  request.call_id = invite.call_id;
  request.cseq = {invite.cseq.number, method};
  request.max_forwards = 70;
  return request;
}

}  // namespace

Message MakeFailureAck(const Message& invite, const Message& response) {
  Message ack = Derive(invite, Method::kAck);
  ack.to = response.to;
  return ack;
}

Message MakeCancel(const Message& invite, std::string_view reason) {
  Message cancel = Derive(invite, Method::kCancel);
  if (!reason.empty()) cancel.others.push_back({"Reason", std::string(reason)});
  return cancel;
}

}  // namespace sipctl::sip
