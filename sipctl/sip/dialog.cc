#include "sipctl/sip/dialog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace sipctl::sip {
namespace {

bool HasLr(const Uri& uri) {
  return Find(uri.parameters, "lr") != nullptr;
}

// A 2xx without a tag is of an element older than RFC 3261, and its tag is null (12.1.2).
bool CreatesDialog(const Message& response) {
  if (response.status <= 100 || response.status >= 300) return false;
  return response.status >= 200 || !response.to.tag().empty();
}

bool RequiresReliability(const Message& message) {
  return std::any_of(message.require.begin(), message.require.end(),
                     [](const std::string& tag) { return absl::EqualsIgnoreCase(tag, "100rel"); });
}

}  // namespace

absl::StatusOr<Dialog> Dialog::FromResponse(const Message& request, const Message& response,
                                            const Flow& flow) {
  if (!CreatesDialog(response)) {
    return absl::InvalidArgumentError("a dialog needs a 2xx, or a 101-199 with a To tag");
  }
  Dialog dialog;
  dialog.role = DialogRole::kUac;
  dialog.state = response.status < 200 ? DialogState::kEarly : DialogState::kConfirmed;
  dialog.call_id = request.call_id;
  dialog.local = request.from;
  dialog.remote = response.to;
  dialog.local_cseq = request.cseq.number;
  dialog.route_set.assign(response.record_route.rbegin(), response.record_route.rend());
  // Some answer without a Contact, although 12.1.1 asks for one: then it is where it was called.
  dialog.remote_target =
      response.contact.empty() ? request.request_uri : response.contact.front().uri;
  if (!request.contact.empty()) dialog.local_contact = request.contact.front();
  dialog.flow = flow;
  dialog.secure = request.request_uri.scheme == "sips";
  return dialog;
}

absl::StatusOr<Dialog> Dialog::FromRequest(const Message& request, std::string_view local_tag,
                                           const NameAddr& contact, const Flow& flow) {
  if (local_tag.empty()) return absl::InvalidArgumentError("a dialog needs a local tag");
  if (request.contact.empty()) {
    return absl::InvalidArgumentError("the request has no Contact: no request could answer it");
  }
  Dialog dialog;
  dialog.role = DialogRole::kUas;
  dialog.call_id = request.call_id;
  dialog.local = request.to;
  dialog.local.set_tag(local_tag);
  dialog.remote = request.from;
  dialog.remote_cseq = request.cseq.number;
  dialog.route_set = request.record_route;
  dialog.remote_target = request.contact.front().uri;
  dialog.local_contact = contact;
  dialog.flow = flow;
  dialog.secure = request.request_uri.scheme == "sips";
  return dialog;
}

bool Dialog::Matches(const Message& message) const {
  const NameAddr& ours = message.is_request ? message.to : message.from;
  const NameAddr& theirs = message.is_request ? message.from : message.to;
  return message.call_id == call_id && ours.tag() == local.tag() && theirs.tag() == remote.tag();
}

const Uri& Dialog::NextHop() const {
  return route_set.empty() ? remote_target : route_set.front().uri;
}

// RFC 3261 section 12.2.1.1.
Message Dialog::MakeRequest(Method method) {
  ++local_cseq;
  Message request = MakeAck(local_cseq);
  request.method = method;
  request.cseq.method = method;
  if (IsTargetRefresh(method)) request.contact.push_back(local_contact);
  return request;
}

Message Dialog::MakeAck(uint32_t cseq) const {
  Message request;
  request.method = Method::kAck;
  request.from = local;
  request.to = remote;
  request.call_id = call_id;
  request.cseq = {cseq, Method::kAck};
  request.max_forwards = 70;
  request.request_uri = remote_target;
  request.route = route_set;
  if (!route_set.empty() && !HasLr(route_set.front().uri)) {
    // A strict router (RFC 2543) wants itself in the request line and the target last.
    request.request_uri = route_set.front().uri;
    request.request_uri.headers.clear();
    request.route.erase(request.route.begin());
    request.route.push_back(NameAddr{.display_name = {}, .uri = remote_target, .parameters = {}});
  }
  return request;
}

Message Dialog::MakePrack(const Message& provisional) {
  Message prack = MakeRequest(Method::kPrack);
  prack.rack = RAck{provisional.rseq.value_or(0), provisional.cseq};
  return prack;
}

DialogVerdict Dialog::AcceptRequest(const Message& request, const Flow& came_by) {
  if (!Matches(request)) return DialogVerdict::kMismatch;
  // 12.2.2: higher by more than one is allowed. Equal is a request that was answered before.
  if (remote_cseq && request.cseq.number <= *remote_cseq) return DialogVerdict::kOldCSeq;
  remote_cseq = request.cseq.number;
  flow = came_by;
  return DialogVerdict::kAccept;
}

void Dialog::MoveTarget(const Message& request) {
  if (!IsTargetRefresh(request.method) || request.contact.empty()) return;
  remote_target = request.contact.front().uri;
}

void Dialog::AcceptResponse(const Message& response, const Flow& came_by) {
  flow = came_by;
  const bool success = response.status >= 200 && response.status < 300;
  const bool provisional = response.status > 100 && response.status < 200;
  const bool initial = state == DialogState::kEarly && response.cseq.method == Method::kInvite;
  const bool refresh = (success && IsTargetRefresh(response.cseq.method)) ||
                       (provisional && initial && role == DialogRole::kUac);
  if (refresh && !response.contact.empty()) remote_target = response.contact.front().uri;
  if (!initial || role != DialogRole::kUac || !success) return;
  state = DialogState::kConfirmed;
  // 13.2.2.4: the 2xx gives the route set once more, since some old peers mirror Record-Route in
  // it alone. One that has none takes nothing away (trap T-03); from here on the set is frozen.
  if (!response.record_route.empty()) {
    route_set.assign(response.record_route.rbegin(), response.record_route.rend());
  }
}

ReliableVerdict Dialog::AcceptReliable(const Message& provisional) {
  if (!provisional.rseq || *provisional.rseq == 0 || !RequiresReliability(provisional) ||
      provisional.status <= 100 || provisional.status >= 200) {
    return ReliableVerdict::kUnreliable;
  }
  if (remote_rseq) {
    if (*provisional.rseq <= *remote_rseq) return ReliableVerdict::kRepeated;
    if (*provisional.rseq != *remote_rseq + 1) return ReliableVerdict::kOutOfOrder;
  }
  remote_rseq = *provisional.rseq;
  return ReliableVerdict::kNew;
}

Forks::Forks(Message invite) : invite_(std::move(invite)) {
  invite_.body.clear();
}

Dialog* Forks::Find(std::string_view remote_tag) {
  for (const auto& dialog : dialogs_) {
    if (dialog->remote.tag() == remote_tag) return dialog.get();
  }
  return nullptr;
}

Forks::Update Forks::OnResponse(const Message& response, const Flow& came_by) {
  if (Dialog* known = Find(response.to.tag()); known != nullptr) {
    known->AcceptResponse(response, came_by);
    return {known, false};
  }
  if (dialogs_.size() >= kForksMax && response.status < 200) return {};
  auto dialog = Dialog::FromResponse(invite_, response, came_by);
  if (!dialog.ok()) return {};
  dialogs_.push_back(std::make_unique<Dialog>(*std::move(dialog)));
  return {dialogs_.back().get(), true};
}

Dialog Forks::Take(std::string_view remote_tag) {
  Dialog taken;
  if (Dialog* dialog = Find(remote_tag); dialog != nullptr) taken = std::move(*dialog);
  dialogs_.clear();
  return taken;
}

}  // namespace sipctl::sip
