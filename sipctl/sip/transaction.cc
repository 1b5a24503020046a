#include "sipctl/sip/transaction.h"

#include <utility>

#include "sipctl/sip/client_side.h"
#include "sipctl/sip/invite_record.h"
#include "sipctl/sip/server_side.h"

namespace sipctl::sip {

class TransactionLayer::Core {
 public:
  Core(Timers* timers, Transport* transport, TransactionUser* user, TransactionOptions options)
      : context_{.timers = timers,
                 .transport = transport,
                 .user = user,
                 .options = options,
                 .branches = Branches(options.branch_prefix, options.key),
                 .counters = {}},
        clients_(&context_),
        servers_(&context_) {}

  TransactionContext context_;
  ClientSide clients_;
  ServerSide servers_;
};

TransactionLayer::TransactionLayer(Timers* timers, Transport* transport, TransactionUser* user,
                                   TransactionOptions options)
    : core_(std::make_unique<Core>(timers, transport, user, std::move(options))) {}

TransactionLayer::~TransactionLayer() = default;

void TransactionLayer::set_user(TransactionUser* user) {
  core_->context_.user = user;
}

TransactionId TransactionLayer::Send(Message request, const Sending& sending) {
  return core_->clients_.Send(std::move(request), sending);
}

void TransactionLayer::Cancel(TransactionId invite, std::string_view reason) {
  core_->clients_.Cancel(invite, reason);
}

void TransactionLayer::Acknowledge(TransactionId invite, Message ack, const Flow& flow) {
  core_->clients_.Acknowledge(invite, std::move(ack), flow);
}

TransactionId TransactionLayer::SentWith(const Via& via) const {
  return core_->clients_.IdOf(via);
}

void TransactionLayer::Respond(TransactionId id, Message response) {
  core_->servers_.Respond(id, std::move(response));
}

std::string TransactionLayer::ToTag(TransactionId id) const {
  return core_->context_.branches.Tag(id);
}

bool TransactionLayer::Knows(const Message& request) const {
  return core_->servers_.Knows(request);
}

std::optional<std::string> TransactionLayer::RememberInvite(TransactionId invite) const {
  const auto kept = core_->clients_.Remember(invite);
  const auto remembered = kept ? kept : core_->servers_.Remember(invite);
  return remembered ? Write(*remembered) : std::nullopt;
}

std::optional<TransactionLayer::Adopted> TransactionLayer::AdoptInvite(std::string_view record,
                                                                       uint16_t peer) {
  auto remembered = ReadInviteRecord(record);
  if (!remembered) return std::nullopt;
  remembered->flow.peer = peer;
  const TransactionId id =
      remembered->sent ? core_->clients_.Adopt(*remembered) : core_->servers_.Adopt(*remembered);
  if (id == 0) return std::nullopt;
  return Adopted{.id = id, .sent = remembered->sent, .invite = std::move(remembered->invite)};
}

void TransactionLayer::OnMessage(Message message, const Flow& flow) {
  if (message.is_request) {
    core_->servers_.OnRequest(std::move(message), flow);
  } else {
    core_->clients_.OnResponse(std::move(message), flow);
  }
}

void TransactionLayer::OnFlowBroken(const Flow& flow, const absl::Status&) {
  core_->clients_.OnFlowBroken(flow);
  core_->servers_.OnFlowBroken(flow);
}

const TransactionCounters& TransactionLayer::counters() const {
  return core_->context_.counters;
}

size_t TransactionLayer::size() const {
  return core_->clients_.size() + core_->servers_.size();
}

size_t TransactionLayer::memory_bytes() const {
  return core_->clients_.memory_bytes() + core_->servers_.memory_bytes();
}

}  // namespace sipctl::sip
