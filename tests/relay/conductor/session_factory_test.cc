// Every refusal once, with the byte that is wrong; and that a refused command changes nothing.
#include "relay/conductor/session_factory.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#include "tests/support/relay_harness.h"

namespace {

using relay::abi::Attachment;
using relay::abi::Command;
using relay::abi::CommandKind;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::LegPlan;
using relay::abi::Refusal;
using support::Bridge;
using support::LegClose;
using support::LegOpen;
using support::RelayHarness;

constexpr size_t kBody = offsetof(Command, body);
constexpr size_t kPlan = kBody + offsetof(relay::abi::LegCommand, plan);

Command Bent(Command command, const std::function<void(Command&)>& bend) {
  bend(command);
  return command;
}
Command SendDigit(uint64_t session, uint8_t leg, uint8_t event, uint16_t duration_ms = 100) {
  Command command{};
  command.kind = relay::abi::CommandKind::kSendDigit;
  command.length = sizeof command.body.digit;
  command.session = session;
  command.body.digit = {.leg = leg,
                        .event = event,
                        .volume = 10,
                        .reserved = 0,
                        .duration_ms = duration_ms,
                        .number = 1};
  return command;
}

Command BentPlan(const std::function<void(LegPlan&)>& bend) {
  return Bent(LegOpen(7, 2, 10020), [&](Command& c) { bend(c.body.leg.plan); });
}
Command Update(Command command) {
  command.kind = CommandKind::kLegUpdate;
  return command;
}

struct Row {
  const char* sentence;
  Command command;
  Refusal refusal;
  size_t field;
  uint32_t detail = 0;
};

// Against session 7 with legs 0 (port 10000) and 1 (port 10002, rtcp-mux), bridged.
std::vector<Row> DigitRows() {
  return {
      {"a digit for no leg", SendDigit(7, 3, 5), Refusal::kUnknownLeg, kBody},
      {"a digit for leg 8", SendDigit(7, 8, 5), Refusal::kBadLegNumber, kBody},
      {"digit 17", SendDigit(7, 0, 17), Refusal::kBadValue, kBody + 1},
      {"a digit of 39 ms", SendDigit(7, 0, 5, 39), Refusal::kBadValue, kBody + 4},
  };
}

std::vector<Row> Rows() {
  return {
      {"a record of zeros", Command{}, Refusal::kUnknownKind, 0},
      {"a kind of the future",
       Bent(LegOpen(7, 2, 10020), [](Command& c) { c.kind = static_cast<CommandKind>(8); }),
       Refusal::kUnknownKind, 0},
      {"a length one short", Bent(LegOpen(7, 2, 10020), [](Command& c) { --c.length; }),
       Refusal::kBadLength, 4},
      {"a reserved field in the head", Bent(LegClose(7, 0), [](Command& c) { c.reserved = 1; }),
       Refusal::kReservedNotZero, 2},
      {"rubbish behind the body", Bent(LegClose(7, 0), [](Command& c) { c.body.bytes[487] = 1; }),
       Refusal::kReservedNotZero, kBody + 8},
      {"a session nobody opened", LegClose(8, 0), Refusal::kUnknownSession, 16},
      {"session 0 opened", LegOpen(0, 0, 10020), Refusal::kSessionExists, 16},
      {"a leg nobody opened", LegClose(7, 3), Refusal::kUnknownLeg, kBody},
      {"a leg opened twice", LegOpen(7, 0, 10020), Refusal::kLegExists, kBody},
      {"leg 8", LegOpen(7, 8, 10020), Refusal::kBadLegNumber, kBody},
      {"a port outside the lease", LegOpen(7, 2, 20000), Refusal::kPortNotLeased, kPlan + 2},
      {"a port of another leg", LegOpen(7, 2, 10000), Refusal::kPortInUse, kPlan + 2},
      {"an odd port", LegOpen(7, 2, 10021), Refusal::kPortOdd, kPlan + 2},
      {"a local address that is none", BentPlan([](LegPlan& p) { p.local.address = 2; }),
       Refusal::kUnknownLocalAddress, kPlan},
      {"a multicast remote", BentPlan([](LegPlan& p) { p.remote_rtp.address.bytes[12] = 239; }),
       Refusal::kBadRemote, kPlan + 8},
      {"a broadcast remote", BentPlan([](LegPlan& p) {
         p.remote_rtp.address = relay::abi::Address::Ipv4(255, 255, 255, 255);
       }),
       Refusal::kBadRemote, kPlan + 8},
      {"an unspecified remote",
       BentPlan([](LegPlan& p) { p.remote_rtcp.address = relay::abi::Address::Ipv4(0, 0, 0, 0); }),
       Refusal::kBadRemote, kPlan + 32},
      {"ourselves as remote", BentPlan([](LegPlan& p) {
         p.remote_rtp.address = relay::abi::Address::Ipv4(192, 0, 2, 1);
         p.remote_rtp.port = 10000;
       }),
       Refusal::kBadRemote, kPlan + 8},
      {"no format", BentPlan([](LegPlan& p) { p.format_count = 0; }), Refusal::kBadFormat,
       kPlan + offsetof(LegPlan, format_count)},
      {"a payload type twice", BentPlan([](LegPlan& p) {
         p.format_count = 2;
         p.formats[1] = p.formats[0];
       }),
       Refusal::kBadFormat, kPlan + offsetof(LegPlan, formats) + 8},
      {"a payload type sent twice", BentPlan([](LegPlan& p) {
         p.format_count = 2;
         p.formats[1] = p.formats[0];
         p.formats[1].payload_type = 96;
       }),
       Refusal::kBadFormat, kPlan + offsetof(LegPlan, formats) + 8},
      {"G.711 at 16 kHz", BentPlan([](LegPlan& p) { p.formats[0].clock_rate_hz = 16000; }),
       Refusal::kBadFormat, kPlan + offsetof(LegPlan, formats) + 4},
      {"DSCP 64", BentPlan([](LegPlan& p) { p.dscp = 64; }), Refusal::kBadValue,
       kPlan + offsetof(LegPlan, dscp)},
      {"transcode 2", BentPlan([](LegPlan& p) { p.transcode = 2; }), Refusal::kBadValue,
       kPlan + offsetof(LegPlan, transcode)},
      {"packets of 9 ms", BentPlan([](LegPlan& p) { p.packet_ms_max = 9; }), Refusal::kBadValue,
       kPlan + offsetof(LegPlan, packet_ms_max)},
      {"rubbish behind the plan", BentPlan([](LegPlan& p) { p.reserved[5] = 1; }),
       Refusal::kReservedNotZero, kPlan + offsetof(LegPlan, reserved)},
      {"another interface", BentPlan([](LegPlan& p) { p.remote_rtp.interface = 1; }),
       Refusal::kBadValue, kPlan + 8 + offsetof(relay::abi::Endpoint, interface)},
      {"an update that moves the leg", Update(LegOpen(7, 0, 10020)), Refusal::kBadValue, kPlan},
      {"a leg that hears itself", Bridge(7, 1, 1), Refusal::kSameLeg, kBody},
      {"another worker's port", LegOpen(7, 2, 10022), Refusal::kOtherWorker, kPlan},
      {"networks that were not defined", BentPlan([](LegPlan& p) { p.network_set = 5; }),
       Refusal::kBadNetworkSet, kPlan + offsetof(LegPlan, network_set)},
      {"an IPv6 remote", BentPlan([](LegPlan& p) { p.remote_rtp.address.bytes[0] = 0x20; }),
       Refusal::kAddressFamily, kPlan + 8},
      {"SRTP without a suite's key",
       Bent(LegOpen(7, 2, 10020),
            [](Command& c) {
              c.body.leg.srtp.suite = relay::abi::SrtpSuite::kAeadAes128Gcm;
              c.body.leg.srtp.send_key_count = 1;
            }),
       Refusal::kBadSrtp, kBody + offsetof(relay::abi::LegCommand, srtp) + 8},
      {"an RTCP port that somebody has", LegOpen(7, 2, 10040), Refusal::kBindFailed, kPlan,
       EADDRINUSE},
  };
}

class SessionFactoryTest : public testing::Test {
 protected:
  SessionFactoryTest() : relay_({.workers = 2}), client_(relay_.Client()) {
    Expect(LegOpen(7, 0, 10000));
    Command mux = LegOpen(7, 1, 10004);
    mux.body.leg.plan.rtcp_mux = 1;
    Expect(mux);
    Expect(Bridge(7, 0, 1));
  }
  void Expect(const Command& command, Refusal refusal = Refusal::kNone) {
    const Event answer = relay_.Do(client_, command);
    if (refusal == Refusal::kNone) {
      EXPECT_EQ(answer.kind, EventKind::kCommandDone)
          << relay::abi::RefusalSentence(answer.body.refused.refusal);
    } else {
      EXPECT_EQ(answer.kind, EventKind::kCommandRefused);
      EXPECT_EQ(answer.body.refused.refusal, refusal);
    }
  }

  RelayHarness relay_;
  Attachment client_;
};

TEST_F(SessionFactoryTest, EveryRefusalNamesTheByteAndChangesNothing) {
  // Worker 0 has the even pairs; 10041 stands for a port the kernel gave to somebody else.
  ASSERT_TRUE(relay_.port(0).Bind({.address = 0, .port = 10041}, {}).ok());
  const uint32_t bound = relay_.port(0).bound();
  std::set<Refusal> seen;
  std::vector<Row> rows = Rows();
  for (const Row& row : DigitRows()) rows.push_back(row);
  for (const Row& row : rows) {
    const Event answer = relay_.Do(client_, row.command);
    ASSERT_EQ(answer.kind, EventKind::kCommandRefused) << row.sentence;
    EXPECT_EQ(answer.body.refused.refusal, row.refusal)
        << row.sentence << ": " << relay::abi::RefusalSentence(answer.body.refused.refusal);
    EXPECT_EQ(answer.body.refused.field, row.field) << row.sentence;
    EXPECT_EQ(answer.body.refused.detail, row.detail) << row.sentence;
    EXPECT_EQ(relay_.port(0).bound(), bound) << row.sentence;
    EXPECT_EQ(relay_.port(1).bound(), 0u) << row.sentence;
    relay::abi::SessionRecord record;
    ASSERT_TRUE(client_.ReadSession(0, &record));
    EXPECT_EQ(record.leg_count, 2) << row.sentence;
    EXPECT_FALSE(client_.ReadSession(1, &record)) << row.sentence;
    seen.insert(row.refusal);
  }
  // These need a state of their own and have tests of their own, here and in conductor_test.
  for (const Refusal other : {Refusal::kTooManyListeners, Refusal::kNoRoom, Refusal::kDraining,
                              Refusal::kSrtpUnavailable}) {
    EXPECT_TRUE(seen.insert(other).second);
  }
  EXPECT_EQ(seen.size(), relay::abi::kRefusalCount - 1u);
}

TEST(SessionFactorySrtpTest, ARelayWithoutAnEngineRefusesSrtp) {
  RelayHarness relay({.srtp_engine = relay::stage::SrtpEngineKind::kNone});
  Attachment client = relay.Client();
  const Event answer = relay.Do(client, support::SrtpLegOpen(1, 0, 10000, 5));
  EXPECT_EQ(answer.body.refused.refusal, Refusal::kSrtpUnavailable);
  EXPECT_EQ(relay.Do(client, LegOpen(1, 0, 10000)).kind, EventKind::kCommandDone);
  EXPECT_EQ(relay.Do(client, Update(support::SrtpLegOpen(1, 0, 10000, 5))).body.refused.refusal,
            Refusal::kSrtpUnavailable);
}

bool Contains(const void* memory, size_t size, const void* needle) {
  return memmem(memory, size, needle, 16) != nullptr;
}

// The key is found where it is used, and neither in the ring it came by nor in what others see.
TEST(SessionFactorySrtpTest, KeysAreSeenByNobodyElse) {
  RelayHarness relay;
  Attachment client = relay.Client();
  const Command command = support::SrtpLegOpen(1, 0, 10000, 5);
  const relay::abi::SrtpPlan& srtp = command.body.leg.srtp;
  ASSERT_EQ(relay.Do(client, command).kind, EventKind::kCommandDone);
  for (const uint8_t* key : {srtp.send.key, srtp.receive[0].key}) {
    EXPECT_FALSE(Contains(client.client_area(), sizeof(relay::abi::ClientArea), key));
    const relay::abi::StateHeader& state = relay.relay().state().header();
    EXPECT_FALSE(Contains(&state, state.size, key));
  }
  relay::abi::SessionRecord record;
  ASSERT_TRUE(client.ReadSession(0, &record));
  EXPECT_EQ(record.legs[0].srtp, srtp.suite);
}

TEST_F(SessionFactoryTest, ALegIsHeardByFourOthersAtMost) {
  for (uint8_t leg = 2; leg < 7; ++leg) {
    Expect(LegOpen(7, leg, static_cast<uint16_t>(10008 + 4 * leg)));
  }
  for (uint8_t leg = 2; leg < 5; ++leg) Expect(Bridge(7, 0, leg, false));
  Expect(Bridge(7, 0, 5, false), Refusal::kTooManyListeners);
  Expect(Bridge(7, 0, 4, false));  // again: no harm
  Expect(support::Unbridge(7, 0, 4));
  Expect(Bridge(7, 0, 5, false));
}

TEST(SessionFactoryRoomTest, SessionsAndLegsRunOutByName) {
  RelayHarness relay({.sessions = 2});
  Attachment client = relay.Client();
  const auto open = [&](uint64_t session, uint8_t leg, uint16_t port) {
    return relay.Do(client, LegOpen(session, leg, port)).body.refused.refusal;
  };
  EXPECT_EQ(open(1, 0, 10000), Refusal::kNone);
  EXPECT_EQ(open(2, 0, 10002), Refusal::kNone);
  EXPECT_EQ(open(3, 0, 10004), Refusal::kNoRoom);
  EXPECT_EQ(open(1, 1, 10004), Refusal::kNone);
  EXPECT_EQ(open(2, 1, 10006), Refusal::kNone);
  EXPECT_EQ(open(2, 2, 10008), Refusal::kNoRoom);  // two legs a session were paid for
  EXPECT_EQ(relay.Do(client, support::SessionClose(1)).kind, EventKind::kCommandDone);
  relay.Step(3);
  EXPECT_EQ(open(3, 0, 10004), Refusal::kNone);
}

TEST_F(SessionFactoryTest, ANumberIsTakenUntilItsSessionHasEnded) {
  Command open = LegOpen(7, 0, 10000);
  Command close = support::SessionClose(7);
  open.request = 900;
  close.request = 901;
  ASSERT_EQ(client_.Push(close), relay::abi::RingResult::kOk);
  ASSERT_EQ(client_.Push(open), relay::abi::RingResult::kOk);
  bool refused = false;
  for (const Event& event : relay_.Events(client_)) {
    refused =
        refused || (event.request == 900 && event.body.refused.refusal == Refusal::kSessionExists);
  }
  EXPECT_TRUE(refused);
  relay_.Step(3);
  Expect(open);
}

TEST_F(SessionFactoryTest, AnUpdateMayLeaveRtcpMuxAndBindsThePortAbove) {
  const uint32_t bound = relay_.port(0).bound();
  Expect(Update(LegOpen(7, 1, 10004)));
  EXPECT_EQ(relay_.port(0).bound(), bound + 1);
  relay::abi::SessionRecord record;
  ASSERT_TRUE(client_.ReadSession(0, &record));
  EXPECT_EQ(record.legs[1].rtcp_mux, 0);
  Expect(support::SessionClose(7));
  relay_.Step(3);
  EXPECT_EQ(relay_.port(0).bound(), 0u);
}

TEST_F(SessionFactoryTest, ClosingTheLastLegEndsTheSession) {
  Expect(LegClose(7, 0));
  Expect(LegClose(7, 0), Refusal::kUnknownLeg);
  Expect(Bridge(7, 0, 1), Refusal::kUnknownLeg);
  relay_.Step(3);
  Expect(LegOpen(7, 0, 10000));  // the number is free again
  Expect(LegClose(7, 0));
  Expect(LegClose(7, 1));
  Expect(LegClose(7, 1), Refusal::kUnknownSession);
  relay_.Step(3);
  EXPECT_EQ(relay_.relay().conductor().live_sessions(), 0u);
}

TEST_F(SessionFactoryTest, ASetOfNetworksIsBounded) {
  Expect(support::Networks(0, 16));
  Expect(support::Networks(0, 16, true));
  Expect(support::Networks(0, 1, true), Refusal::kBadNetworkSet);
  Expect(support::Networks(0, 1));
  Expect(support::Networks(64, 1), Refusal::kBadNetworkSet);
}

}  // namespace
