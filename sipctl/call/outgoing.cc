#include "sipctl/call/outgoing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/registrar.h"
#include "sipctl/clock.h"

namespace sipctl::call {

namespace {

void AddTransport(sip::Protocol protocol, sip::Uri* uri) {
  if (protocol == sip::Protocol::kTcp) sip::Set(&uri->parameters, "transport", "tcp");
  if (protocol == sip::Protocol::kTls) sip::Set(&uri->parameters, "transport", "tls");
}

uint16_t DefaultPort(sip::Protocol protocol) {
  return protocol == sip::Protocol::kTls ? 5061 : 5060;
}

bool IsOfTrunk(const trunk::Trunk& trunk, const sdp::IpAddress& address) {
  return std::any_of(trunk.sources.begin(), trunk.sources.end(),
                     [&](const sdp::IpNetwork& network) { return network.Contains(address); });
}

// Of the addresses behind a name the one that the peer was heard from, else the first of the trunk.
std::optional<sip::SocketAddress> Choose(const trunk::Trunk& trunk, const sip::Flow& flow,
                                         const std::vector<sip::Target>& targets) {
  std::optional<sip::SocketAddress> chosen;
  for (const sip::Target& target : targets) {
    if (target.address.address == flow.remote.address) return target.address;
    if (!chosen && IsOfTrunk(trunk, media::FromAbi(target.address.address))) {
      chosen = target.address;
    }
  }
  return chosen;
}

// Whom it is for: the number at the destination's host; or a user's contact, which is written as it
// was told (RFC 3261 section 16.5), but for the number, where that is not the user's name: a PBX
// behind one login must see who is called.
void Address(const trunk::Trunk& trunk, const FirstInvite& first, sip::Message* invite) {
  if (first.registration != nullptr) {
    invite->request_uri = first.registration->contact;
    if (first.number != first.registration->user) invite->request_uri.user = first.number;
    invite->to.uri.user = first.number;
    invite->to.uri.host = invite->request_uri.host;
    return;
  }
  const trunk::Destination& destination = trunk.destinations[first.destination];
  const std::string& number = destination.user.empty() ? first.number : destination.user;
  invite->request_uri.user = number;
  invite->request_uri.host = destination.host;
  if (!destination.by_srv && destination.port != trunk::DefaultPort(destination.transport)) {
    invite->request_uri.port = destination.port;
  }
  AddTransport(ProtocolOf(destination.transport), &invite->request_uri);
  invite->to.uri.user = number;
  invite->to.uri.host = destination.host;
}

}  // namespace

uint16_t PeerOf(size_t trunk) {
  return static_cast<uint16_t>(trunk + 1);
}

sip::NameAddr ContactOf(const Context& context, uint16_t listener) {
  const sip::Advertised& advertised = context.transport->advertised(listener);
  sip::NameAddr contact;
  contact.uri.user = context.settings.shard;
  contact.uri.host = advertised.host;
  contact.uri.port = advertised.port;
  AddTransport(advertised.protocol, &contact.uri);
  return contact;
}

sip::Message MakeFirstInvite(Context* context, const FirstInvite& first) {
  const trunk::Trunk& trunk = context->trunk(first.trunk);
  const auto listener = first.registration != nullptr ? first.registration->flow.listener
                                                      : static_cast<uint16_t>(trunk.listener);
  const sip::Advertised& advertised = context->transport->advertised(listener);
  sip::Message invite;
  invite.method = sip::Method::kInvite;
  Address(trunk, first, &invite);
  WriteCaller(trunk, first.caller, advertised.host, &invite);
  invite.from.set_tag(absl::StrCat(context->settings.shard, context->tokens.NextText()));
  invite.call_id =
      absl::StrCat(context->settings.shard, context->tokens.NextText(), context->tokens.NextText());
  invite.cseq = {1, sip::Method::kInvite};
  invite.max_forwards = first.max_forwards;
  invite.contact.push_back(ContactOf(*context, listener));
  AddAllow(&invite, &trunk);
  AddProduct(*context, &invite);
  invite.others.insert(invite.others.end(), first.passed.begin(), first.passed.end());
  for (const trunk::Header& header : trunk.headers) {
    invite.others.push_back({header.name, header.value});
  }
  if (first.flow && trunk.carrier != nullptr) {
    for (const std::string& name : trunk.carrier->headers.flow) {
      invite.others.push_back({name, trunk.account});
    }
  }
  return invite;
}

sip::Flow FirstFlow(const Context& context, size_t trunk, const Attempt& attempt) {
  if (attempt.registration != nullptr) {
    sip::Flow flow = attempt.registration->flow;
    flow.peer = PeerOf(trunk);
    return flow;
  }
  return {.protocol = attempt.target.protocol,
          .listener = static_cast<uint16_t>(context.trunk(trunk).listener),
          .connection = 0,
          .remote = attempt.target.address,
          .peer = PeerOf(trunk)};
}

std::vector<Attempt> WaysTo(const Context& context, size_t trunk, std::string_view number) {
  if (context.trunk(trunk).users.empty()) return context.destinations->Order(trunk);
  return context.registrar == nullptr ? std::vector<Attempt>()
                                      : context.registrar->Find(trunk, number);
}

sip::Flow NextFlow(const Context& context, size_t trunk, const sip::Dialog& dialog) {
  sip::Flow flow = dialog.flow;
  flow.peer = PeerOf(trunk);
  if (context.IsAccess(flow.listener)) {
    // Who has logged in is where it was heard: its Contact may be an address behind its NAT. Where
    // that connection is gone, it may have come again by another one.
    if (context.registrar == nullptr || context.transport->IsOpen(flow)) return flow;
    flow = context.registrar->FlowTo(trunk, dialog.remote_target).value_or(flow);
    flow.peer = PeerOf(trunk);
    return flow;
  }
  const sip::Uri& hop = dialog.NextHop();
  const auto address = sdp::ParseIpAddress(hop.host);
  if (!address) {
    const auto known = Choose(context.trunk(trunk), flow,
                              context.destinations->Behind(
                                  {.host = hop.host, .port = hop.port, .protocol = flow.protocol}));
    if (known) flow.remote = *known;
    return flow;
  }
  if (!IsOfTrunk(context.trunk(trunk), *address)) return flow;
  // The transport stays the one of the trunk, whatever a Contact says: its connection lives, and
  // the listener belongs to it (traps T-01, T-02).
  flow.remote = {.address = media::ToAbi(*address),
                 .port = hop.port == 0 ? DefaultPort(flow.protocol) : hop.port};
  return flow;
}

sip::Sending SendingBy(const Context& context, const sip::Flow& flow) {
  sip::Sending sending{.flow = flow};
  if (flow.protocol != sip::Protocol::kUdp || context.IsAccess(flow.listener)) return sending;
  const auto& listeners = context.config->listeners;
  const sdp::IpAddress& ours = listeners[flow.listener].bind.address;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].transport != trunk::Transport::kTcp) continue;
    if (listeners[i].role == trunk::Role::kAccess) continue;
    if (!(listeners[i].bind.address == ours)) continue;
    sending.stream = sip::Flow{.protocol = sip::Protocol::kTcp,
                               .listener = static_cast<uint16_t>(i),
                               .connection = 0,
                               .remote = flow.remote};
    break;
  }
  return sending;
}

void AddAllow(sip::Message* message, const trunk::Trunk* trunk) {
  for (const sip::Method method : kAllowed) {
    const std::string_view name = sip::MethodName(method);
    if (trunk == nullptr || trunk::Sends(*trunk, name)) message->allow.emplace_back(name);
  }
}

sip::SessionPolicy SessionPolicyOf(const trunk::Trunk& trunk) {
  sip::SessionPolicy policy;
  policy.interval_s = static_cast<uint32_t>(trunk.session_expires_ns / kNsPerS);
  return policy;
}

void AddProduct(const Context& context, sip::Message* message) {
  if (context.config->user_agent.empty()) return;
  message->others.push_back(
      {message->is_request ? "User-Agent" : "Server", context.config->user_agent});
}

void AddReason(std::string_view value, sip::Message* message) {
  if (!value.empty()) message->others.push_back({"Reason", std::string(value)});
}

void SetSdp(std::string body, sip::Message* message) {
  message->content_type = "application/sdp";
  message->body = std::move(body);
}

}  // namespace sipctl::call
