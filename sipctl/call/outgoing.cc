#include "sipctl/call/outgoing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sipctl::call {

namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;

sip::Protocol ProtocolOf(trunk::Transport transport) {
  switch (transport) {
    case trunk::Transport::kUdp:
      return sip::Protocol::kUdp;
    case trunk::Transport::kTcp:
      return sip::Protocol::kTcp;
    case trunk::Transport::kTls:
      return sip::Protocol::kTls;
  }
  return sip::Protocol::kUdp;
}

void AddTransport(sip::Protocol protocol, sip::Uri* uri) {
  if (protocol == sip::Protocol::kTcp) sip::Set(&uri->parameters, "transport", "tcp");
  if (protocol == sip::Protocol::kTls) sip::Set(&uri->parameters, "transport", "tls");
}

uint16_t DefaultPort(sip::Protocol protocol) {
  return protocol == sip::Protocol::kTls ? 5061 : 5060;
}

// Whose TLS a flow of this trunk is.
uint16_t PeerOf(size_t trunk) {
  return static_cast<uint16_t>(trunk + 1);
}

bool IsOfTrunk(const trunk::Trunk& trunk, const sdp::IpAddress& address) {
  return std::any_of(trunk.sources.begin(), trunk.sources.end(),
                     [&](const sdp::IpNetwork& network) { return network.Contains(address); });
}

}  // namespace

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
  const auto listener = static_cast<uint16_t>(trunk.listener);
  const sip::Advertised& advertised = context->transport->advertised(listener);
  sip::Message invite;
  invite.method = sip::Method::kInvite;
  invite.request_uri.user = first.number;
  invite.request_uri.host = trunk.destination->host;
  if (trunk.destination->port != trunk::DefaultPort(trunk.destination->transport))
    invite.request_uri.port = trunk.destination->port;
  AddTransport(ProtocolOf(trunk.destination->transport), &invite.request_uri);

  invite.from.display_name = first.display_name;
  invite.from.uri.user = first.caller.empty() ? "anonymous" : first.caller;
  invite.from.uri.host = trunk.from_domain.empty() ? advertised.host : trunk.from_domain;
  invite.from.set_tag(absl::StrCat(context->settings.shard, context->tokens.NextText()));
  invite.to.uri.user = first.number;
  invite.to.uri.host = trunk.destination->host;
  invite.call_id =
      absl::StrCat(context->settings.shard, context->tokens.NextText(), context->tokens.NextText());
  invite.cseq = {1, sip::Method::kInvite};
  invite.max_forwards = first.max_forwards;
  invite.contact.push_back(ContactOf(*context, listener));
  AddAllow(&invite);
  AddProduct(*context, &invite);
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

sip::Flow FirstFlow(const Context& context, size_t trunk) {
  const trunk::Trunk& configured = context.trunk(trunk);
  return {.protocol = ProtocolOf(configured.destination->transport),
          .listener = static_cast<uint16_t>(configured.listener),
          .connection = 0,
          .remote = *context.destinations[trunk],
          .peer = PeerOf(trunk)};
}

sip::Flow NextFlow(const Context& context, size_t trunk, const sip::Dialog& dialog) {
  sip::Flow flow = dialog.flow;
  flow.peer = PeerOf(trunk);
  const sip::Uri& hop = dialog.NextHop();
  const auto address = sdp::ParseIpAddress(hop.host);
  if (!address || !IsOfTrunk(context.trunk(trunk), *address)) return flow;
  // The transport stays the one of the trunk, whatever a Contact says: its connection lives, and
  // the listener belongs to it (traps T-01, T-02).
  flow.remote = {.address = media::ToAbi(*address),
                 .port = hop.port == 0 ? DefaultPort(flow.protocol) : hop.port};
  return flow;
}

sip::Sending SendingBy(const Context& context, const sip::Flow& flow) {
  sip::Sending sending{.flow = flow};
  if (flow.protocol != sip::Protocol::kUdp) return sending;
  const auto& listeners = context.config->listeners;
  const sdp::IpAddress& ours = listeners[flow.listener].bind.address;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].transport != trunk::Transport::kTcp) continue;
    if (!(listeners[i].bind.address == ours)) continue;
    sending.stream = sip::Flow{.protocol = sip::Protocol::kTcp,
                               .listener = static_cast<uint16_t>(i),
                               .connection = 0,
                               .remote = flow.remote};
    break;
  }
  return sending;
}

void AddAllow(sip::Message* message) {
  for (sip::Method method : kAllowed) message->allow.emplace_back(sip::MethodName(method));
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
