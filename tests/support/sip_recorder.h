// A transport that keeps what was sent, and a transaction user that keeps what it was told: to look
// at a transaction layer from both sides, one message at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sipctl/sip/transaction.h"

namespace sipctl::sip {

class RecordingTransport : public Transport {
 public:
  struct Sent {
    Flow flow;
    std::string bytes;
    Message message;
    TimeMs at;
  };

  explicit RecordingTransport(const Timers* timers) : timers_(timers) {}

  absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) override {
    if (refuse) return absl::UnavailableError("refused by the test");
    Flow used = flow;
    if (IsReliable(flow.protocol) && flow.connection == 0) used.connection = ++connections;
    if (remote_port_seen != 0) used.remote.port = remote_port_seen;
    ParseFailure failure;
    sent.push_back(
        {used, std::string(bytes), Parse(bytes, &failure).value_or(Message()), timers_->now()});
    return used;
  }

  const Advertised& advertised(uint16_t listener) const override {
    return IsReliable(protocols[listener]) ? tcp : udp;
  }

  // What was sent since the last call.
  std::vector<Sent> Take() { return std::exchange(sent, {}); }

  std::vector<Sent> sent;
  std::vector<Protocol> protocols = {Protocol::kUdp, Protocol::kTcp};
  Advertised udp{Protocol::kUdp, "192.0.2.1", 5060};
  Advertised tcp{Protocol::kTcp, "192.0.2.1", 5070};
  uint64_t connections = 100;
  bool refuse = false;
  uint16_t remote_port_seen = 0;  // if not 0, of the connections used from now on

 private:
  const Timers* timers_;
};

class RecordingUser : public TransactionUser {
 public:
  struct Response {
    TransactionId id;
    Message message;
    ResponseOrigin origin;
  };
  struct Request {
    TransactionId id;
    Message message;
    Flow flow;
  };

  void OnRequest(TransactionId id, Message request, const Flow& flow) override {
    requests.push_back({id, std::move(request), flow});
  }
  void OnAck(TransactionId invite, Message ack, const Flow& flow) override {
    acks.push_back({invite, std::move(ack), flow});
  }
  void OnCancel(TransactionId invite, Message cancel) override {
    cancels.push_back({invite, std::move(cancel), {}});
  }
  void OnResponse(TransactionId id, Message response, const Flow&, ResponseOrigin origin) override {
    responses.push_back({id, std::move(response), origin});
  }
  void OnRewritten(const Via& theirs, const Flow&) override { rewritten.push_back(theirs.host); }
  void OnServerFailure(TransactionId id, ServerFailure failure) override {
    failures.emplace_back(id, failure);
  }

  std::vector<Request> requests;
  std::vector<Request> acks;
  std::vector<Request> cancels;
  std::vector<Response> responses;
  std::vector<std::pair<TransactionId, ServerFailure>> failures;
  std::vector<std::string> rewritten;  // hosts that were written instead of ours
};

}  // namespace sipctl::sip
