// What a call costs in the transaction layer: two layers joined in memory, each message encoded,
// carried and parsed as on a wire.
//
//   BM_Call/<protocol>       INVITE, 100, 200, ACK, BYE, 200 between two layers: 6 messages, each
//                            encoded and parsed once. A two-leg call is twice that.
//   BM_CallBesides/<n>       the same while n ended calls linger in both layers
//   BM_ParseEncode           of its INVITE alone, for comparison
#include <deque>
#include <string>
#include <utility>

#include "benchmark/benchmark.h"
#include "sipctl/sip/dialog.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kSdp =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 10000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

struct Wire {
  struct Datagram {
    int to;
    std::string bytes;
    Flow flow;
  };
  std::deque<Datagram> queue;
};

class Port : public Transport {
 public:
  Port(Wire* wire, int self, Protocol protocol) : wire_(wire), self_(self) {
    advertised_ = {protocol, self == 0 ? "192.0.2.1" : "192.0.2.2", 5060};
  }
  absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) override {
    Flow used = flow;
    used.connection = IsReliable(flow.protocol) ? 1 : 0;
    Flow seen = used;
    seen.remote = Address(self_);
    wire_->queue.push_back({1 - self_, std::string(bytes), seen});
    return used;
  }
  const Advertised& advertised(uint16_t) const override { return advertised_; }

  static SocketAddress Address(int end) {
    return {relay::abi::Address::Ipv4(192, 0, 2, static_cast<uint8_t>(end + 1)), 5060};
  }

 private:
  Wire* wire_;
  int self_;
  Advertised advertised_;
};

class Caller : public TransactionUser {
 public:
  void OnRequest(TransactionId, Message, const Flow&) override {}
  void OnAck(TransactionId, Message, const Flow&) override {}
  void OnCancel(TransactionId, Message) override {}
  void OnServerFailure(TransactionId, ServerFailure) override {}
  void OnResponse(TransactionId id, Message response, const Flow& flow, ResponseOrigin) override {
    if (response.status < 200) return;
    if (response.cseq.method == Method::kBye) {
      ++ended;
      return;
    }
    auto dialog = Dialog::FromResponse(invite, response, flow);
    if (!dialog.ok()) return;
    layer->Acknowledge(id, dialog->MakeAck(1), flow);
    layer->Send(dialog->MakeRequest(Method::kBye), flow);
  }
  TransactionLayer* layer = nullptr;
  Message invite;
  int64_t ended = 0;
};

class Callee : public TransactionUser {
 public:
  void OnRequest(TransactionId id, Message request, const Flow&) override {
    Message response = MakeResponse(request, 200);
    if (request.method == Method::kInvite) {
      response.contact.push_back(contact);
      response.content_type = "application/sdp";
      response.body = kSdp;
    }
    layer->Respond(id, std::move(response));
  }
  void OnAck(TransactionId, Message, const Flow&) override {}
  void OnCancel(TransactionId, Message) override {}
  void OnServerFailure(TransactionId, ServerFailure) override {}
  void OnResponse(TransactionId, Message, const Flow&, ResponseOrigin) override {}
  TransactionLayer* layer = nullptr;
  NameAddr contact;
};

class Pair {
 public:
  explicit Pair(Protocol protocol)
      : protocol_(protocol),
        timers_(0),
        ports_{{&wire_, 0, protocol}, {&wire_, 1, protocol}},
        layers_{{&timers_, &ports_[0], &caller_, {}}, {&timers_, &ports_[1], &callee_, {}}} {
    caller_.layer = &layers_[0];
    callee_.layer = &layers_[1];
    callee_.contact.uri = Uri::Parse("sip:192.0.2.2:5060").value();
    Message& invite = caller_.invite;
    invite.method = Method::kInvite;
    invite.request_uri = Uri::Parse("sip:+919876543210@192.0.2.2:5060").value();
    invite.from.uri = Uri::Parse("sip:+918012345678@192.0.2.1").value();
    invite.to.uri = invite.request_uri;
    invite.contact.push_back(
        {.display_name = {}, .uri = Uri::Parse("sip:192.0.2.1:5060").value(), .parameters = {}});
    invite.cseq = {1, Method::kInvite};
    invite.supported = {"timer", "replaces"};
    invite.allow = {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK"};
    invite.content_type = "application/sdp";
    invite.body = kSdp;
  }

  void Call() {
    caller_.invite.call_id = tokens_.NextText() + "@192.0.2.1";
    caller_.invite.from.set_tag(tokens_.NextText());
    Flow flow{.protocol = protocol_, .listener = 0, .connection = 0, .remote = Port::Address(1)};
    layers_[0].Send(caller_.invite, flow);
    ParseFailure failure;
    while (!wire_.queue.empty()) {
      const Wire::Datagram datagram = std::move(wire_.queue.front());
      wire_.queue.pop_front();
      ++messages_;
      auto message = Parse(datagram.bytes, &failure);
      if (message) layers_[datagram.to].OnMessage(*std::move(message), datagram.flow);
    }
  }

  // A turn of the loop, once a millisecond or so.
  void Pass(TimeMs span) { timers_.Advance(timers_.now() + span); }

  const Message& invite() const { return caller_.invite; }
  int64_t ended() const { return caller_.ended; }
  int64_t messages() const { return messages_; }
  size_t lingering() const { return layers_[0].size() + layers_[1].size(); }

 private:
  Protocol protocol_;
  Timers timers_;
  Wire wire_;
  Tokens tokens_{{5, 6}};
  Caller caller_;
  Callee callee_;
  Port ports_[2];
  TransactionLayer layers_[2];
  int64_t messages_ = 0;
};

void Report(benchmark::State& state, const Pair& pair, int64_t ended, int64_t messages) {
  if (pair.ended() - ended != static_cast<int64_t>(state.iterations())) {
    state.SkipWithError("a call did not end");
  }
  state.counters["messages_per_call"] =
      static_cast<double>(pair.messages() - messages) / static_cast<double>(state.iterations());
  state.counters["lingering"] = static_cast<double>(pair.lingering());
}

// 1,000 calls a second, so that the layers hold what such a load leaves behind.
void BM_Call(benchmark::State& state, Protocol protocol) {
  Pair pair(protocol);
  for (auto _ : state) {
    pair.Call();
    pair.Pass(1);
  }
  Report(state, pair, 0, 0);
}
BENCHMARK_CAPTURE(BM_Call, udp, Protocol::kUdp);
BENCHMARK_CAPTURE(BM_Call, tcp, Protocol::kTcp);

void BM_CallBesides(benchmark::State& state) {
  Pair pair(Protocol::kUdp);
  for (int64_t i = 0; i < state.range(0); ++i) pair.Call();
  const int64_t ended = pair.ended();
  const int64_t messages = pair.messages();
  for (auto _ : state) pair.Call();
  Report(state, pair, ended, messages);
}
BENCHMARK(BM_CallBesides)->Arg(1000)->Arg(16000)->Iterations(5000);

void BM_ParseEncode(benchmark::State& state) {
  Pair pair(Protocol::kUdp);
  pair.Call();
  std::string bytes = Encode(pair.invite());
  ParseFailure failure;
  for (auto _ : state) {
    auto message = Parse(bytes, &failure);
    if (message) bytes = Encode(*message);
    benchmark::DoNotOptimize(bytes.data());
  }
}
BENCHMARK(BM_ParseEncode);

}  // namespace
}  // namespace sipctl::sip

BENCHMARK_MAIN();
