// Calls as a program of events: each four bytes are one - the carrier or the PBX invites, rings,
// answers, forks, offers anew, cancels, hangs up, sends what does not belong there, falls silent;
// time passes, roads break, datagrams are lost, the relay or sipctl dies. Whatever the program, a
// call has two legs at most, and when all is over nothing of it is left.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "tests/fuzz/require.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using sip::Method;
using support::SipPeer;

constexpr int kStatuses[] = {100, 180, 183, 183, 200, 200, 202, 302,
                             401, 408, 422, 486, 488, 491, 503, 603};
constexpr Method kInDialog[] = {Method::kUpdate, Method::kInfo,    Method::kPrack,
                                Method::kInvite, Method::kOptions, Method::kRefer};
constexpr const char* kDirections[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
constexpr size_t kCallsMax = 6;

class Program {
 public:
  explicit Program(uint8_t roads)
      : world_({.seed = 1,
                .weather = {},
                .carrier = roads & 1 ? sip::Protocol::kTcp : sip::Protocol::kUdp,
                .pbx = roads & 2 ? sip::Protocol::kTcp : sip::Protocol::kUdp,
                // Small: a world is made for each program.
                .relay = {.port_last = 10'199, .sessions_max = 64}}) {
    world_.fake_relay.set_logging(false);
    world_.network.drop = [this](const sip::SipHost&, std::string_view) {
      return lost_ > 0 && lost_-- > 0;
    };
  }

  // The first bit of `op` chooses the party.
  void Step(uint8_t op, uint8_t a, uint8_t b, uint8_t c) {
    SipPeer& peer = op & 1 ? world_.carrier : world_.pbx;
    const std::string sdp = Sdp(op & 1, b, c);
    switch (op >> 1 & 15) {
      case 0:
      case 1:
        Invite(op & 1, a, sdp);
        break;
      case 2:
      case 3:
      case 4:
        if (peer.Got(Method::kInvite) != nullptr) {
          const std::string fork = c % 4 == 3 ? "fork" + std::to_string(c >> 4) : "";
          peer.Respond(kStatuses[a % 16], sdp, fork, [&](Message* message) { Dress(b, message); });
        }
        break;
      case 5:
        peer.Cancel(b % 2 == 0 ? "" : "SIP;cause=200");
        break;
      case 6:
        if (peer.dialog) peer.Bye(b % 2 == 0 ? "" : "Q.850;cause=16");
        break;
      case 7:
        if (peer.dialog) peer.Reinvite(sdp);
        break;
      case 8:
        if (!peer.dialog) break;
        peer.Send(kInDialog[a % 6], [&](Message* message) {
          Dress(b, message);
          if (!sdp.empty()) SetSdp(sdp, message);
        });
        break;
      case 9:
        Habit(a, b, sdp, &peer);
        break;
      case 10:
      case 11:
      case 12:
        world_.Run((a + 1) * (b % 4 == 0 ? 1000 : 20));
        break;
      case 13:
        lost_ = a % 16;
        break;
      case 14:
        Disaster(a, b);
        break;
      case 15:
        Media(a, b);
        break;
    }
    world_.Run(10);
    Look();
  }

  // Everybody behaves from now on; what is still up is ended, and time passes.
  void End() {
    lost_ = 0;
    if (!world_.fake_relay.alive()) world_.fake_relay.Restart();
    for (SipPeer* peer : {&world_.carrier, &world_.pbx}) {
      peer->acknowledge = true;
      peer->answer_bye = true;
      for (const SipPeer::Request& request : peer->requests) {
        peer->layer().Respond(request.id, MakeResponse(request.message, 500));
      }
    }
    world_.Run(5'000);
    world_.table().FinishAll({.status = 503, .text = "the end", .reason = {}});
    world_.Run(200'000);
    const Process& sipctl = *world_.sipctl;
    REQUIRE(sipctl.table->size() == 0);
    REQUIRE(sipctl.layer->size() == 0);
    REQUIRE(sipctl.context.by_transaction.empty());
    REQUIRE(sipctl.context.by_local_tag.empty());
    REQUIRE(sipctl.context.farewells.empty());
    REQUIRE(world_.fake_relay.sessions().empty());
    REQUIRE(sipctl.relay->size() == 0);
    REQUIRE(sipctl.relay->ports().in_use() == 0);
    REQUIRE(sipctl.journal.in_use() == 0);
    REQUIRE(sipctl.limits.calls() == 0);
    REQUIRE(world_.network.unparsed() == 0);
  }

 private:
  // None, or one that an answerer may like or not.
  static std::string Sdp(bool carrier, uint8_t b, uint8_t c) {
    if (b % 4 == 3) return {};
    support::SdpText text{.host = carrier ? "192.0.2.2" : "192.0.2.3",
                          .port = c % 8 == 7 ? 0 : 4000 + 2 * (c % 4),
                          .direction = kDirections[b >> 2 & 3],
                          .version = 1 + (b >> 4),
                          .formats = c % 16 == 5 ? "18"
                                     : c & 32    ? "0 101"
                                                 : "8 0 101"};
    if (c % 32 == 9) text.host = "0.0.0.0";
    if (c % 32 == 10) text.host = "127.0.0.1";
    return c == 255 ? "v=0\r\nnonsense" : text.ToString();
  }

  static void Dress(uint8_t b, Message* message) {
    if (b & 64) message->require.emplace_back("100rel");
    if (b & 64) message->others.push_back({"RSeq", std::to_string(1 + b % 4)});
    if (b & 128) message->supported.emplace_back("timer");
    if (b & 128) message->others.push_back({"Session-Expires", "90;refresher=uac"});
  }

  void Invite(bool carrier, uint8_t a, const std::string& sdp) {
    if (placed_++ >= kCallsMax) return;
    SipPeer& peer = carrier ? world_.carrier : world_.pbx;
    peer.Invite(1, carrier ? "+911" : "0445", sdp, [&](Message* message) {
      if (a & 1) message->supported.emplace_back("100rel");
      if (a & 2) message->require.emplace_back("100rel");
      if (a & 4) message->supported.emplace_back("timer");
      if (a & 8) message->others.push_back({"Session-Expires", a & 16 ? "90" : "30"});
      if (a & 32) message->max_forwards = a & 64 ? 0 : 1;
    });
  }

  static void Habit(uint8_t a, uint8_t b, const std::string& sdp, SipPeer* peer) {
    peer->acknowledge = a % 8 != 0;
    peer->answer_bye = a % 16 != 1;
    peer->early_dialogs = a & 32;
    peer->busy_with_reinvites = a % 4 == 3;
    peer->reinvite_answer = sdp;
    peer->reinvite_status = a & 64 ? kStatuses[b % 16] : 0;
    if (peer->reinvite_status < 200) peer->reinvite_status = 0;
    peer->ack_body = a & 128 ? sdp : "";
    if (peer->dialog && b % 8 == 0 && !peer->responses.empty()) peer->dialog.reset();
  }

  void Disaster(uint8_t a, uint8_t b) {
    if (a % 8 < 3) return world_.network.BreakAllConnections();
    if (a % 8 < 5 && world_.fake_relay.alive()) world_.fake_relay.Die();
    if (a % 8 < 6) {
      world_.Run(b * 40);
      if (!world_.fake_relay.alive()) world_.fake_relay.Restart();
    } else if (a % 8 == 6 && lives_ < 2) {
      ++lives_;
      world_.RestartSipctl();
    } else {
      world_.table().Drain();
    }
  }

  void Media(uint8_t a, uint8_t b) {
    if (world_.fake_relay.sessions().empty()) return;
    const uint64_t session = world_.fake_relay.sessions().begin()->first;
    if (a % 4 == 0) world_.fake_relay.ReportSilence(session, b % 2);
    if (a % 4 == 1) world_.fake_relay.ReportDigit(session, b % 2, b % 16, 100);
    if (a % 4 == 2) world_.fake_relay.EndSession(session, relay::abi::EndReason::kClosed);
  }

  void Look() {
    if (!world_.fake_relay.alive()) return;
    for (const auto& [id, session] : world_.fake_relay.sessions()) {
      REQUIRE(session.legs.size() <= 2);
    }
    REQUIRE(world_.table().size() <= 2 * kCallsMax);
  }

  World world_;
  int lost_ = 0;
  size_t placed_ = 0;
  int lives_ = 0;
};

}  // namespace
}  // namespace sipctl::call

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kEventsMax = 60;
  if (size == 0) return 0;
  sipctl::call::Program program(data[0]);
  const size_t events = std::min((size - 1) / 4, kEventsMax);
  for (size_t i = 0; i < events; ++i) {
    const uint8_t* event = data + 1 + 4 * i;
    program.Step(event[0], event[1], event[2], event[3]);
  }
  program.End();
  return 0;
}
