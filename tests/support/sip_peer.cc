#include "tests/support/sip_peer.h"

#include <algorithm>
#include <utility>

namespace support {

using sipctl::sip::Dialog;
using sipctl::sip::DialogVerdict;
using sipctl::sip::Flow;
using sipctl::sip::Protocol;
using sipctl::sip::SipHost;

SipPeer::SipPeer(sipctl::sip::SipNetwork* network, SipHost* host, uint8_t number, Protocol protocol)
    : number_(number), protocol_(protocol) {
  sipctl::sip::TransactionOptions options;
  options.branch_prefix = "p" + std::to_string(number);
  options.key = {number, 77};
  layer_ = std::make_unique<sipctl::sip::TransactionLayer>(network->timers(), host, this, options);
  host->set_user(layer_.get());
}

uint16_t SipPeer::listener() const {
  return protocol_ == Protocol::kUdp ? SipHost::kUdp : SipHost::kTcp;
}

sipctl::sip::NameAddr SipPeer::Contact() const {
  sipctl::sip::NameAddr contact;
  contact.uri.user = "peer" + std::to_string(number_);
  contact.uri.host = "10.0.0." + std::to_string(number_);
  if (protocol_ == Protocol::kTcp) Set(&contact.uri.parameters, "transport", "tcp");
  return contact;
}

void SipPeer::Invite(uint8_t to, const std::string& number, const std::string& sdp,
                     const std::function<void(Message*)>& edit) {
  const std::string call = std::to_string(number_) + "x" + std::to_string(next_call_++);
  Message invite;
  invite.method = Method::kInvite;
  invite.request_uri.user = number;
  invite.request_uri.host = "10.0.0." + std::to_string(to);
  invite.from.display_name = "Peer";
  invite.from.uri.user = "+1555" + std::to_string(number_);
  invite.from.uri.host = "peer-" + std::to_string(number_) + ".example";
  invite.from.set_tag("tag-" + call);
  invite.to.uri = invite.request_uri;
  invite.call_id = "callid-" + call + "@secret.example";
  invite.cseq = {101, Method::kInvite};
  invite.contact.push_back(Contact());
  if (!sdp.empty()) {
    invite.content_type = "application/sdp";
    invite.body = sdp;
  }
  if (edit) edit(&invite);
  invite_ = invite;
  dialog.reset();
  sent_invite_ = layer_->Send(std::move(invite), SipHost::To(to, protocol_));
}

void SipPeer::Ask(uint8_t to, Method method, const std::function<void(Message*)>& edit) {
  Invite(to, "ask", {}, [&](Message* message) {
    message->method = method;
    message->cseq.method = method;
    if (edit) edit(message);
  });
}

void SipPeer::Cancel(const std::string& reason) {
  layer_->Cancel(sent_invite_, reason);
}

void SipPeer::Respond(int status, const std::string& sdp, const std::string& tag,
                      const std::function<void(Message*)>& edit) {
  const std::string own = layer_->ToTag(received_invite_);
  Message response = MakeResponse(received_, status, tag.empty() ? own : tag);
  if (status < 300) response.contact.push_back(Contact());
  if (!sdp.empty()) {
    response.content_type = "application/sdp";
    response.body = sdp;
  }
  if (edit) edit(&response);
  if (status >= (early_dialogs ? 101 : 200) && status < 300 && received_.to.tag().empty() &&
      !dialog) {
    auto made = Dialog::FromRequest(received_, response.to.tag(), Contact(), requests.back().flow);
    if (made.ok()) {
      dialog = *made;
    }
  }
  if (dialog && status >= 200 && status < 300) dialog->Confirm();
  layer_->Respond(received_invite_, std::move(response));
}

void SipPeer::Send(Method method, const std::function<void(Message*)>& edit) {
  Message request = dialog->MakeRequest(method);
  if (edit) edit(&request);
  if (method == Method::kInvite) invite_ = request;
  const TransactionId id = layer_->Send(std::move(request), dialog->flow);
  if (method == Method::kInvite) sent_invite_ = id;
}

void SipPeer::Reinvite(const std::string& sdp) {
  Send(Method::kInvite, [&](Message* message) {
    if (sdp.empty()) return;
    message->content_type = "application/sdp";
    message->body = sdp;
  });
}

void SipPeer::Bye(const std::string& reason) {
  Send(Method::kBye, [&](Message* message) {
    if (!reason.empty()) message->others.push_back({"Reason", reason});
  });
}

void SipPeer::Acknowledge(const std::string& sdp) {
  Message ack = dialog->MakeAck(answered_.cseq.number);
  if (!sdp.empty()) {
    ack.content_type = "application/sdp";
    ack.body = sdp;
  }
  layer_->Acknowledge(sent_invite_, std::move(ack), answered_flow_);
}

const SipPeer::Message* SipPeer::Got(Method method) const {
  const auto found = std::find_if(requests.rbegin(), requests.rend(), [&](const Request& request) {
    return request.message.method == method;
  });
  return found == requests.rend() ? nullptr : &found->message;
}

size_t SipPeer::Count(Method method) const {
  return static_cast<size_t>(
      std::count_if(requests.begin(), requests.end(),
                    [&](const Request& request) { return request.message.method == method; }));
}

size_t SipPeer::CountStatus(int status) const {
  return static_cast<size_t>(
      std::count_if(responses.begin(), responses.end(),
                    [&](const Message& response) { return response.status == status; }));
}

const SipPeer::Message* SipPeer::WithStatus(int status) const {
  const auto found = std::find_if(responses.begin(), responses.end(),
                                  [&](const Message& m) { return m.status == status; });
  return found == responses.end() ? nullptr : &*found;
}

void SipPeer::Clear() {
  requests.clear();
  responses.clear();
  acks.clear();
  cancels.clear();
}

void SipPeer::OnRequest(TransactionId id, Message request, const Flow& flow) {
  requests.push_back({id, request, flow});
  if (request.method == Method::kInvite) {
    received_ = request;
    received_invite_ = id;
    if (request.to.tag().empty() || busy_with_reinvites) return;
    if (dialog && dialog->AcceptRequest(request, flow) == DialogVerdict::kAccept &&
        reinvite_status == 0 && !reinvite_answer.empty()) {
      dialog->MoveTarget(request);
    }
    if (reinvite_status != 0) {
      Respond(reinvite_status);
    } else if (reinvite_answer.empty()) {
      Respond(488);
    } else {
      Respond(200, reinvite_answer, {}, dress);
    }
    return;
  }
  if (request.method == Method::kUpdate || request.method == Method::kPrack) {
    Message response =
        MakeResponse(request, request.method == Method::kPrack ? 200 : update_status);
    if (dialog && request.method == Method::kUpdate) {
      dialog->AcceptRequest(request, flow);
      if (update_status == 200) dialog->MoveTarget(request);
      response.contact.push_back(Contact());
    }
    if (dress) dress(&response);
    layer_->Respond(id, std::move(response));
    return;
  }
  if (request.method != Method::kBye || !answer_bye) return;
  layer_->Respond(id, MakeResponse(request, 200));
}

void SipPeer::OnAck(TransactionId, Message ack, const Flow&) {
  acks.push_back(std::move(ack));
}

void SipPeer::OnCancel(TransactionId invite, Message cancel) {
  cancels.push_back(std::move(cancel));
  if (invite == received_invite_) layer_->Respond(invite, MakeResponse(received_, 487));
}

void SipPeer::OnResponse(TransactionId, Message response, const Flow& flow,
                         sipctl::sip::ResponseOrigin) {
  responses.push_back(response);
  if (response.method != Method::kInvite) return;
  const bool early = early_dialogs && response.status / 100 == 1 && !response.to.tag().empty();
  if (!early && response.status / 100 != 2) return;
  if (dialog) {
    dialog->AcceptResponse(response, flow);
  } else {
    auto made = Dialog::FromResponse(invite_, response, flow);
    if (!made.ok()) return;
    dialog = *made;
  }
  if (early) return;
  answered_ = response;
  answered_flow_ = flow;
  if (acknowledge) Acknowledge(ack_body);
}

void SipPeer::OnServerFailure(TransactionId, sipctl::sip::ServerFailure) {}

std::string SdpText::ToString() const {
  std::string text = "v=0\r\no=peer 1 " + std::to_string(version) + " IN IP4 " + host +
                     "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio " +
                     std::to_string(port) + " RTP/AVP " + formats + "\r\n";
  if (formats.find("101") != std::string::npos) {
    text += "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";
  }
  return text + "a=" + direction + "\r\n";
}

}  // namespace support
