// All calls of the process: where the transaction layer and the relay bring their events, and where
// a new call is let in or turned away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "sipctl/call/call.h"
#include "sipctl/call/context.h"
#include "sipctl/call/recovery.h"
#include "sipctl/media/relay_client.h"
#include "sipctl/sip/transaction.h"
#include "sipctl/trunk/acl.h"
#include "sipctl/trunk/router.h"

namespace sipctl::call {

class CallTable : public sip::TransactionUser, public media::RelayUser {
 public:
  // Nothing is owned. The context's layers are set before the first event.
  CallTable(Context* context, const trunk::Acl* acl, const trunk::Router* router);
  ~CallTable() override;

  // No new calls from now on: INVITE and OPTIONS get 503.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_; }
  // Ends every call from here.
  void FinishAll(const End& end);

  size_t size() const { return calls_.size(); }
  // Whether a call has the trunk, be it only for its record.
  bool Uses(size_t trunk) const;
  void ForEach(const std::function<void(const Call::View&)>& visit) const;

  // sip::TransactionUser
  void OnRequest(sip::TransactionId id, sip::Message request, const sip::Flow& flow) override;
  void OnAck(sip::TransactionId invite, sip::Message ack, const sip::Flow& flow) override;
  void OnCancel(sip::TransactionId invite, sip::Message cancel) override;
  void OnResponse(sip::TransactionId id, sip::Message response, const sip::Flow& flow,
                  sip::ResponseOrigin origin) override;
  void OnServerFailure(sip::TransactionId id, sip::ServerFailure failure) override;
  void OnRewritten(const sip::Via& theirs, const sip::Flow& flow) override;

  // media::RelayUser
  void OnSettled(media::SessionId session, relay::abi::Refusal refusal) override;
  void OnMediaTimeout(media::SessionId session, uint8_t leg) override;
  void OnDigit(media::SessionId session, uint8_t leg, const relay::abi::DigitBody& digit) override;
  void OnLegEnded(media::SessionId session, uint8_t leg,
                  const relay::abi::LegStatistics& totals) override;
  void OnSessionEnded(media::SessionId session, relay::abi::EndReason reason) override;
  void OnRelayLost() override;
  void OnRelayBack(bool resumed, std::span<uint8_t> journal) override;
  void OnRelayGone() override;

 private:
  struct Found {
    Call* call = nullptr;
    Leg* leg = nullptr;
    explicit operator bool() const { return call != nullptr; }
  };

  // Whose a new request is; nothing: a stranger's.
  std::optional<size_t> SourceOf(const sip::Flow& flow) const;
  bool IsReachedBy(const sip::Flow& flow, const Leg& leg) const;
  // Whether a call can be sent there now; else the response.
  std::optional<sip::Message> Unreachable(const sip::Message& invite,
                                          const trunk::Decision& decision) const;
  bool IsLoop(const sip::Message& invite, const trunk::Decision& decision);
  void Admit(sip::TransactionId id, const sip::Message& invite, const sip::Flow& flow);
  void Refuse(sip::TransactionId id, sip::Message response);
  void Refuse(sip::TransactionId id, const sip::Message& request, int status,
              std::string_view reason = {}, uint32_t retry_after_s = 0);
  Found ByTransaction(sip::TransactionId id);
  Found ByDialog(const sip::Message& request);
  Call* ByNumber(CallNumber number);
  // Forgets calls of which nothing more can come. Runs after the event, never inside a call.
  void Collect();

  Context* context_;
  const trunk::Acl* acl_;
  const trunk::Router* router_;
  Recovery recovery_;
  absl::flat_hash_map<CallNumber, std::unique_ptr<Call>> calls_;
  // Names of trunks of which it was said that something on the way to them rewrites SIP: a reload
  // may give a trunk's place to another.
  absl::flat_hash_set<std::string> rewritten_;
  bool draining_ = false;
  bool joined_before_ = false;  // this process has had a relay
};

}  // namespace sipctl::call
