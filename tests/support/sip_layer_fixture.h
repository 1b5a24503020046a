// A transaction layer between a recorded transport and a recorded user, with messages as each of
// them writes them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sipctl/sip/transaction.h"
#include "tests/support/sip_recorder.h"

namespace sipctl::sip {

inline constexpr TimeMs kT1 = 500;
inline constexpr TimeMs kTimeout = 64 * kT1;

class TransactionLayerTest : public testing::Test {
 protected:
  TransactionLayerTest()
      : timers_(1000), transport_(&timers_), layer_(&timers_, &transport_, &user_, Options()) {}

  static TransactionOptions Options() {
    TransactionOptions options;
    options.branch_prefix = "s1";
    options.key = {1, 2};
    return options;
  }

  static Flow Udp(uint16_t port = 5060) {
    return {.protocol = Protocol::kUdp,
            .listener = 0,
            .connection = 0,
            .remote = {relay::abi::Address::Ipv4(192, 0, 2, 9), port}};
  }
  static Flow Tcp(uint64_t connection = 0) {
    return {.protocol = Protocol::kTcp,
            .listener = 1,
            .connection = connection,
            .remote = {relay::abi::Address::Ipv4(192, 0, 2, 9), 5070}};
  }

  // As the TU writes it: without Via.
  static Message Request(Method method) {
    Message request;
    request.method = method;
    request.request_uri = Uri::Parse("sip:bob@192.0.2.9").value();
    request.from.uri = Uri::Parse("sip:alice@192.0.2.1").value();
    request.from.set_tag("from1");
    request.to.uri = request.request_uri;
    request.call_id = "call-1";
    request.cseq = {7, method};
    request.contact.push_back(
        {.display_name = {}, .uri = Uri::Parse("sip:192.0.2.1:5060").value(), .parameters = {}});
    request.route.push_back(
        {.display_name = {}, .uri = Uri::Parse("sip:192.0.2.9;lr").value(), .parameters = {}});
    return request;
  }

  // As it arrives from a peer.
  static Message Incoming(Method method, std::string_view branch = "z9hG4bKpeer1") {
    Message request = Request(method);
    request.route.clear();
    request.max_forwards = 70;
    Via via;
    via.host = "192.0.2.9";
    via.port = 5060;
    Set(&via.parameters, "branch", branch);
    request.via.push_back(via);
    return request;
  }

  // An answer to what the layer sent.
  static Message Answer(const RecordingTransport::Sent& sent, int status,
                        std::string_view tag = "to1") {
    return MakeResponse(sent.message, status, tag);
  }

  // From timer to timer, as a loop does that is never late.
  void Advance(TimeMs span) {
    const TimeMs until = timers_.now() + span;
    while (timers_.Next() && *timers_.Next() <= until) timers_.Advance(*timers_.Next());
    timers_.Advance(until);
  }
  std::vector<int> Statuses() const {
    std::vector<int> statuses;
    for (const auto& response : user_.responses) statuses.push_back(response.message.status);
    return statuses;
  }
  // When each of what was sent left, from `start`.
  std::vector<TimeMs> Times(TimeMs start) {
    std::vector<TimeMs> times;
    for (const auto& sent : transport_.Take()) times.push_back(sent.at - start);
    return times;
  }

  Timers timers_;
  RecordingTransport transport_;
  RecordingUser user_;
  TransactionLayer layer_;
};

}  // namespace sipctl::sip
