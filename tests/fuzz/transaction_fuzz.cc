// The transaction layer as a program: each four bytes are one event - the user sends, cancels,
// acknowledges, responds; the peer asks and answers, rightly or wrongly; time passes; roads break.
// Whatever the program, the promises of transaction.h hold, and in the end nothing is left.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "sipctl/sip/transaction.h"
#include "tests/fuzz/require.h"
#include "tests/support/sip_recorder.h"

namespace sipctl::sip {
namespace {

constexpr Method kMethods[] = {Method::kInvite, Method::kInvite, Method::kBye, Method::kOptions,
                               Method::kUpdate};
constexpr int kStatuses[] = {100, 180, 183, 200, 202, 302, 486, 503};

class Program : public TransactionUser {
 public:
  Program() : timers_(1), transport_(&timers_), layer_(&timers_, &transport_, this, Options()) {}

  void Step(uint8_t op, uint8_t a, uint8_t b, uint8_t c) {
    switch (op % 10) {
      case 0:
        return Send(a, b);
      case 1:
        return ByUser([&] { layer_.Cancel(Chosen(sends_, a), b % 2 == 0 ? "SIP;cause=200" : ""); });
      case 2:
        return Acknowledge(Chosen(sends_, a), b);
      case 3:
        return Respond(Chosen(requests_, a), kStatuses[b % 8]);
      case 4:
      case 5:
        return PeerAsks(a, b, c);
      case 6:
      case 7:
        return PeerAnswers(a, b, c);
      case 8:
        return Advance((a + 1) * (b % 8 == 0 ? 1000 : 50));
      case 9:
        return BreakOrRefuse(a, b);
    }
  }

  // Everything that is open is answered, then time passes: nothing may be left.
  void End() {
    transport_.refuse = false;
    eager_ = true;
    ending_ = true;
    for (const auto& [id, request] : requests_) {
      if (!request.final) Respond(id, 500);
    }
    for (int i = 0; i < 150; ++i) Advance(1000);
    REQUIRE(layer_.size() == 0);
    REQUIRE(timers_.size() == 0);
    for (const auto& [id, send] : sends_) REQUIRE(send.final);
    REQUIRE(layer_.memory_bytes() == 0);
  }

  void OnRequest(TransactionId id, Message request, const Flow&) override {
    REQUIRE(!in_user_);
    REQUIRE(request.method != Method::kAck && request.method != Method::kCancel);
    REQUIRE(requests_.emplace(id, Request{.message = request}).second);
    REQUIRE(!sends_.contains(id));
    if (eager_) Respond(id, request.method == Method::kInvite ? 486 : 200);
  }
  void OnAck(TransactionId invite, Message ack, const Flow&) override {
    REQUIRE(!in_user_);
    Request& request = requests_.at(invite);
    REQUIRE(ack.method == Method::kAck && request.success && !request.acked && !request.no_ack);
    request.acked = true;
  }
  void OnCancel(TransactionId invite, Message) override {
    REQUIRE(!in_user_);
    Request& request = requests_.at(invite);
    REQUIRE(!request.final && !request.cancelled);
    request.cancelled = true;
    if (eager_) Respond(invite, 487);
  }
  void OnResponse(TransactionId id, Message response, const Flow&, ResponseOrigin origin) override {
    REQUIRE(!in_user_);
    Sent& send = sends_.at(id);
    REQUIRE(response.cseq.method == send.method);
    const bool success = response.status >= 200 && response.status < 300;
    const bool fork = send.success && success && send.method == Method::kInvite;
    REQUIRE(!send.final || fork);
    if (origin != ResponseOrigin::kNetwork)
      REQUIRE(response.status == 408 || response.status == 503);
    if (response.status >= 200) send.final = true;
    if (success) {
      send.success = true;
      if (send.method == Method::kInvite) {
        REQUIRE(send.tags.insert(std::string(response.to.tag())).second);
      }
    }
    if (eager_ && success && send.method == Method::kInvite) Acknowledge(id, 0);
    if (eager_ && !ending_ && send.method == Method::kBye) Send(3, 0);
  }
  void OnServerFailure(TransactionId id, ServerFailure failure) override {
    REQUIRE(!in_user_);
    Request& request = requests_.at(id);
    if (failure != ServerFailure::kNoAck) return;
    REQUIRE(request.success && !request.acked && !request.no_ack);
    request.no_ack = true;
  }

 private:
  struct Sent {
    Method method;
    bool final = false;
    bool success = false;
    std::set<std::string> tags;
  };
  struct Request {
    Message message;
    bool final = false;
    bool success = false;  // to an INVITE
    bool acked = false;
    bool cancelled = false;
    bool no_ack = false;
  };

  static TransactionOptions Options() {
    TransactionOptions options;
    options.key = {3, 4};
    options.timer_c = 40 * kSecondMs;
    return options;
  }

  template <typename Call>
  void ByUser(Call&& call) {
    const bool before = std::exchange(in_user_, true);
    call();
    in_user_ = before;
  }

  template <typename Map>
  TransactionId Chosen(const Map& map, uint8_t which) {
    if (map.empty()) return which;  // an id that was never given
    return std::next(map.begin(), static_cast<long>(which % map.size()))->first;
  }

  static Flow Road(bool stream) {
    Flow flow;
    flow.protocol = stream ? Protocol::kTcp : Protocol::kUdp;
    flow.listener = stream ? 1 : 0;
    flow.remote = {relay::abi::Address::Ipv4(192, 0, 2, 9), 5060};
    return flow;
  }

  Message Make(Method method, uint32_t call) {
    Message request;
    request.method = method;
    request.request_uri.host = "192.0.2.9";
    request.from.uri.host = "192.0.2.1";
    request.from.set_tag("f");
    request.to.uri.host = "192.0.2.9";
    request.call_id = "c" + std::to_string(call);
    request.cseq = {1 + call % 3, method};
    return request;
  }

  void Send(uint8_t a, uint8_t b) {
    if (sends_.size() >= 200) return;
    Message request = Make(kMethods[a % 5], static_cast<uint32_t>(sends_.size()));
    if (b % 4 == 3) request.body = std::string(1400, 'x');
    if (!request.body.empty()) request.content_type = "application/sdp";
    ByUser([&] {
      Sending sending{.flow = Road(b % 2 == 1)};
      if (b % 3 == 0) sending.stream = Road(true);
      const Method method = request.method;
      const TransactionId id = layer_.Send(std::move(request), sending);
      REQUIRE(id != 0 && !requests_.contains(id));
      REQUIRE(sends_.emplace(id, Sent{.method = method}).second);
    });
  }

  void Acknowledge(TransactionId id, uint8_t which) {
    const auto found = sends_.find(id);
    Message ack = Make(Method::kAck, 1);
    if (found != sends_.end() && !found->second.tags.empty()) {
      const auto& tags = found->second.tags;
      ack.to.set_tag(*std::next(tags.begin(), static_cast<long>(which % tags.size())));
    }
    ByUser([&] { layer_.Acknowledge(id, std::move(ack), Road(which % 2 == 1)); });
  }

  void Respond(TransactionId id, int status) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    Request& request = found->second;
    ByUser([&] { layer_.Respond(id, MakeResponse(request.message, status)); });
    if (status < 200) return;
    if (!request.final && status < 300 && request.message.method == Method::kInvite) {
      request.success = true;
    }
    request.final = true;
  }

  void PeerAsks(uint8_t a, uint8_t b, uint8_t c) {
    constexpr Method kAsked[] = {Method::kInvite, Method::kAck, Method::kCancel, Method::kBye,
                                 Method::kOptions};
    const Method method = kAsked[a % 5];
    Message request = Make(method, b % 4);
    Via via;
    via.host = "192.0.2.9";
    via.port = 5060;
    // Few branches, so that they meet; some older than the magic cookie.
    Set(&via.parameters, "branch", (c & 1 ? "z9hG4bK" : "") + std::to_string(c >> 1 & 3));
    request.via.push_back(via);
    if (method == Method::kAck || c & 8) {
      const TransactionId id = Chosen(requests_, b);
      request.to.set_tag(layer_.ToTag(id));
      if (const auto found = requests_.find(id); found != requests_.end()) {
        request.call_id = found->second.message.call_id;
        request.cseq.number = found->second.message.cseq.number;
      }
    }
    layer_.OnMessage(std::move(request), Road(c & 16));
  }

  void PeerAnswers(uint8_t a, uint8_t b, uint8_t c) {
    if (transport_.sent.empty()) return;
    const auto& sent = transport_.sent[a % transport_.sent.size()];
    if (!sent.message.is_request || sent.message.method == Method::kAck) return;
    Message response = MakeResponse(sent.message, kStatuses[b % 8], "t" + std::to_string(c % 32));
    if (c == 255) response.cseq.method = Method::kOptions;
    layer_.OnMessage(std::move(response), sent.flow);
  }

  void BreakOrRefuse(uint8_t a, uint8_t b) {
    if (b % 4 == 0) {
      transport_.refuse = !transport_.refuse;
    } else if (b % 4 == 1) {
      eager_ = !eager_;
    } else if (!transport_.sent.empty()) {
      const Flow flow = transport_.sent[a % transport_.sent.size()].flow;
      layer_.OnFlowBroken(flow, absl::UnavailableError("reset"));
    }
  }

  void Advance(TimeMs span) {
    timers_.Advance(timers_.now() + span);
    if (transport_.sent.size() > 256) {
      transport_.sent.erase(transport_.sent.begin(), transport_.sent.end() - 256);
    }
  }

  Timers timers_;
  RecordingTransport transport_;
  TransactionLayer layer_;
  std::map<TransactionId, Sent> sends_;
  std::map<TransactionId, Request> requests_;
  bool in_user_ = false;
  bool ending_ = false;
  bool eager_ = false;  // the user calls back from inside its callbacks
};

}  // namespace
}  // namespace sipctl::sip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kEventsMax = 100;
  sipctl::sip::Program program;
  const size_t events = std::min(size / 4, kEventsMax);
  for (size_t i = 0; i < events; ++i) {
    program.Step(data[4 * i], data[4 * i + 1], data[4 * i + 2], data[4 * i + 3]);
  }
  program.End();
  return 0;
}
