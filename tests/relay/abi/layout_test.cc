// The golden layout: where every field of the contract lies, as literals. When one of these moves,
// raise kLayoutVersion in the same change and write the new numbers here.
#include <gtest/gtest.h>

#include <cstddef>

#include "relay/abi/segment.h"

namespace relay::abi {
namespace {

#define AT(type, member, offset) EXPECT_EQ(offsetof(type, member), size_t{offset})

TEST(LayoutTest, VersionAndHash) {
  EXPECT_EQ(kLayoutVersion, 5u);
  EXPECT_EQ(LayoutHash(), 2666819910u);
  EXPECT_EQ(kMagic, 0x31304d45444e4154u);
}

TEST(LayoutTest, Sizes) {
  EXPECT_EQ(sizeof(Address), 16u);
  EXPECT_EQ(sizeof(Endpoint), 24u);
  EXPECT_EQ(sizeof(LocalEndpoint), 4u);
  EXPECT_EQ(sizeof(Network), 24u);
  EXPECT_EQ(sizeof(Format), 8u);
  EXPECT_EQ(sizeof(LegPlan), 160u);
  EXPECT_EQ(sizeof(SrtpKey), 56u);
  EXPECT_EQ(sizeof(SrtpPlan), 176u);
  EXPECT_EQ(sizeof(LegCommand), 344u);
  EXPECT_EQ(sizeof(LegCloseCommand), 8u);
  EXPECT_EQ(sizeof(BridgeCommand), 8u);
  EXPECT_EQ(sizeof(NetworkSetCommand), 392u);
  EXPECT_EQ(sizeof(Command), 512u);
  EXPECT_EQ(sizeof(LegStatistics), 136u);
  EXPECT_EQ(sizeof(RefusedBody), 8u);
  EXPECT_EQ(sizeof(EndedBody), 16u);
  EXPECT_EQ(sizeof(TimeoutBody), 8u);
  EXPECT_EQ(sizeof(SourceBody), 24u);
  EXPECT_EQ(sizeof(LostBody), 8u);
  EXPECT_EQ(sizeof(DigitBody), 8u);
  EXPECT_EQ(sizeof(DigitCommand), 8u);
  EXPECT_EQ(sizeof(Event), 192u);
  EXPECT_EQ(sizeof(Placement), 136u);
  EXPECT_EQ(sizeof(Cursor), 64u);
  EXPECT_EQ(sizeof(LocalAddress), 64u);
  EXPECT_EQ(sizeof(Lease), 8u);
  EXPECT_EQ(sizeof(LegRecord), 64u);
  EXPECT_EQ(sizeof(SessionRecord), 576u);
  EXPECT_EQ(sizeof(LegStatisticsSlot), 192u);
  EXPECT_EQ(sizeof(StateHeader), 16704u);
  EXPECT_EQ(sizeof(ClientArea), 2097344u);
  EXPECT_EQ(sizeof(AnswerArea), 3147968u);
  EXPECT_EQ(sizeof(Hello), 64u);
  EXPECT_EQ(sizeof(Welcome), 64u);
  EXPECT_EQ(sizeof(CounterBlock), 768u);
}

TEST(LayoutTest, OffsetsOfAddress) {
  AT(Address, bytes, 0);
}

TEST(LayoutTest, OffsetsOfEndpoint) {
  AT(Endpoint, address, 0);
  AT(Endpoint, port, 16);
  AT(Endpoint, vlan, 18);
  AT(Endpoint, interface, 20);
  AT(Endpoint, reserved, 22);
}

TEST(LayoutTest, OffsetsOfLocalEndpoint) {
  AT(LocalEndpoint, address, 0);
  AT(LocalEndpoint, port, 2);
}

TEST(LayoutTest, OffsetsOfNetwork) {
  AT(Network, address, 0);
  AT(Network, prefix_length, 16);
  AT(Network, reserved, 17);
}

TEST(LayoutTest, OffsetsOfFormat) {
  AT(Format, payload_type, 0);
  AT(Format, codec, 1);
  AT(Format, payload_type_sent, 2);
  AT(Format, reserved, 3);
  AT(Format, clock_rate_hz, 4);
}

TEST(LayoutTest, OffsetsOfLegPlan) {
  AT(LegPlan, local, 0);
  AT(LegPlan, direction, 4);
  AT(LegPlan, learning, 5);
  AT(LegPlan, rtcp_mux, 6);
  AT(LegPlan, relearn, 7);
  AT(LegPlan, remote_rtp, 8);
  AT(LegPlan, remote_rtcp, 32);
  AT(LegPlan, network_set, 56);
  AT(LegPlan, dscp, 58);
  AT(LegPlan, format_count, 59);
  AT(LegPlan, latch_window_ms, 60);
  AT(LegPlan, media_timeout_ms, 64);
  AT(LegPlan, session_length_ms, 68);
  AT(LegPlan, formats, 72);
  AT(LegPlan, label, 136);
  AT(LegPlan, transcode, 152);
  AT(LegPlan, packet_ms_max, 153);
  AT(LegPlan, reserved, 154);
}

TEST(LayoutTest, OffsetsOfLegCommand) {
  AT(LegCommand, leg, 0);
  AT(LegCommand, reserved, 1);
  AT(LegCommand, plan, 8);
  AT(LegCommand, srtp, 168);
}

TEST(LayoutTest, OffsetsOfSrtpKey) {
  AT(SrtpKey, key, 0);
  AT(SrtpKey, salt, 32);
  AT(SrtpKey, mki_length, 46);
  AT(SrtpKey, reserved, 47);
  AT(SrtpKey, mki, 48);
}

TEST(LayoutTest, OffsetsOfSrtpPlan) {
  AT(SrtpPlan, suite, 0);
  AT(SrtpPlan, send_key_count, 1);
  AT(SrtpPlan, receive_key_count, 2);
  AT(SrtpPlan, send_roc, 3);
  AT(SrtpPlan, receive_roc, 4);
  AT(SrtpPlan, reserved, 5);
  AT(SrtpPlan, overlap_ms, 6);
  AT(SrtpPlan, send, 8);
  AT(SrtpPlan, receive, 64);
}

TEST(LayoutTest, OffsetsOfLegCloseCommand) {
  AT(LegCloseCommand, leg, 0);
  AT(LegCloseCommand, reserved, 1);
}

TEST(LayoutTest, OffsetsOfBridgeCommand) {
  AT(BridgeCommand, speaker, 0);
  AT(BridgeCommand, listener, 1);
  AT(BridgeCommand, both, 2);
  AT(BridgeCommand, reserved, 3);
}

TEST(LayoutTest, OffsetsOfDigitCommand) {
  AT(DigitCommand, leg, 0);
  AT(DigitCommand, event, 1);
  AT(DigitCommand, volume, 2);
  AT(DigitCommand, reserved, 3);
  AT(DigitCommand, duration_ms, 4);
  AT(DigitCommand, number, 6);
}

TEST(LayoutTest, OffsetsOfDigitBody) {
  AT(DigitBody, event, 0);
  AT(DigitBody, reserved, 1);
  AT(DigitBody, duration_ms, 4);
}

TEST(LayoutTest, OffsetsOfNetworkSetCommand) {
  AT(NetworkSetCommand, set, 0);
  AT(NetworkSetCommand, count, 2);
  AT(NetworkSetCommand, append, 4);
  AT(NetworkSetCommand, reserved, 5);
  AT(NetworkSetCommand, networks, 8);
}

TEST(LayoutTest, OffsetsOfCommand) {
  AT(Command, kind, 0);
  AT(Command, reserved, 2);
  AT(Command, length, 4);
  AT(Command, request, 8);
  AT(Command, session, 16);
  AT(Command, body, 24);
}

TEST(LayoutTest, OffsetsOfLegStatistics) {
  AT(LegStatistics, as_of_ns, 0);
  AT(LegStatistics, received_packets, 8);
  AT(LegStatistics, received_bytes, 16);
  AT(LegStatistics, sent_packets, 24);
  AT(LegStatistics, sent_bytes, 32);
  AT(LegStatistics, dropped_packets, 40);
  AT(LegStatistics, expected_packets, 48);
  AT(LegStatistics, duplicate_packets, 56);
  AT(LegStatistics, reordered_packets, 64);
  AT(LegStatistics, lost_packets, 72);
  AT(LegStatistics, rtcp_received_packets, 80);
  AT(LegStatistics, rtcp_sent_packets, 88);
  AT(LegStatistics, jitter_us, 96);
  AT(LegStatistics, ssrc_received, 100);
  AT(LegStatistics, ssrc_sent, 104);
  AT(LegStatistics, payload_type_received, 108);
  AT(LegStatistics, payload_type_sent, 109);
  AT(LegStatistics, source_changes, 110);
  AT(LegStatistics, remote, 112);
}

TEST(LayoutTest, OffsetsOfRefusedBody) {
  AT(RefusedBody, refusal, 0);
  AT(RefusedBody, field, 2);
  AT(RefusedBody, detail, 4);
}

TEST(LayoutTest, OffsetsOfEndedBody) {
  AT(EndedBody, reason, 0);
  AT(EndedBody, reserved, 1);
  AT(EndedBody, duration_ns, 8);
}

TEST(LayoutTest, OffsetsOfTimeoutBody) {
  AT(TimeoutBody, silent_ns, 0);
}

TEST(LayoutTest, OffsetsOfSourceBody) {
  AT(SourceBody, source, 0);
}

TEST(LayoutTest, OffsetsOfLostBody) {
  AT(LostBody, count, 0);
}

TEST(LayoutTest, OffsetsOfEvent) {
  AT(Event, kind, 0);
  AT(Event, leg, 2);
  AT(Event, reserved, 3);
  AT(Event, length, 4);
  AT(Event, request, 8);
  AT(Event, session, 16);
  AT(Event, body, 24);
}

TEST(LayoutTest, OffsetsOfPlacement) {
  AT(Placement, kind, 0);
  AT(Placement, workers, 2);
  AT(Placement, reserved, 4);
  AT(Placement, table, 8);
}

TEST(LayoutTest, OffsetsOfCursor) {
  AT(Cursor, value, 0);
  AT(Cursor, padding, 8);
}

TEST(LayoutTest, OffsetsOfLocalAddress) {
  AT(LocalAddress, address, 0);
  AT(LocalAddress, interface, 16);
  AT(LocalAddress, vlan, 18);
  AT(LocalAddress, port_first, 20);
  AT(LocalAddress, port_last, 22);
  AT(LocalAddress, interface_name, 24);
  AT(LocalAddress, reserved, 40);
}

TEST(LayoutTest, OffsetsOfLease) {
  AT(Lease, address, 0);
  AT(Lease, port_first, 2);
  AT(Lease, port_last, 4);
  AT(Lease, reserved, 6);
}

TEST(LayoutTest, OffsetsOfLegRecord) {
  AT(LegRecord, state, 0);
  AT(LegRecord, direction, 1);
  AT(LegRecord, learning, 2);
  AT(LegRecord, rtcp_mux, 3);
  AT(LegRecord, worker, 4);
  AT(LegRecord, listeners, 5);
  AT(LegRecord, reserved, 6);
  AT(LegRecord, statistics, 8);
  AT(LegRecord, local, 12);
  AT(LegRecord, remote_signalled, 16);
  AT(LegRecord, label, 40);
  AT(LegRecord, codec, 56);
  AT(LegRecord, srtp, 57);
  AT(LegRecord, reserved2, 58);
}

TEST(LayoutTest, OffsetsOfSessionRecord) {
  AT(SessionRecord, version, 0);
  AT(SessionRecord, generation, 4);
  AT(SessionRecord, session, 8);
  AT(SessionRecord, owner_cookie, 16);
  AT(SessionRecord, opened_ns, 24);
  AT(SessionRecord, client_slot, 32);
  AT(SessionRecord, leg_count, 34);
  AT(SessionRecord, reserved, 36);
  AT(SessionRecord, length_max_ns, 40);
  AT(SessionRecord, reserved2, 48);
  AT(SessionRecord, legs, 64);
}

TEST(LayoutTest, OffsetsOfLegStatisticsSlot) {
  AT(LegStatisticsSlot, version, 0);
  AT(LegStatisticsSlot, reserved, 4);
  AT(LegStatisticsSlot, statistics, 8);
}

TEST(LayoutTest, OffsetsOfStateHeader) {
  AT(StateHeader, magic, 0);
  AT(StateHeader, layout_version, 8);
  AT(StateHeader, layout_hash, 12);
  AT(StateHeader, size, 16);
  AT(StateHeader, relay_pid, 24);
  AT(StateHeader, instance, 32);
  AT(StateHeader, started_ns, 40);
  AT(StateHeader, heartbeat, 48);
  AT(StateHeader, workers, 56);
  AT(StateHeader, local_addresses, 58);
  AT(StateHeader, client_slots, 60);
  AT(StateHeader, draining, 62);
  AT(StateHeader, sessions_max, 64);
  AT(StateHeader, legs_max, 68);
  AT(StateHeader, counters_offset, 72);
  AT(StateHeader, sessions_offset, 80);
  AT(StateHeader, statistics_offset, 88);
  AT(StateHeader, reserved, 96);
  AT(StateHeader, placement, 128);
  AT(StateHeader, reserved2, 264);
  AT(StateHeader, addresses, 320);
}

TEST(LayoutTest, OffsetsOfClientArea) {
  AT(ClientArea, commands_produced, 0);
  AT(ClientArea, events_consumed, 64);
  AT(ClientArea, heartbeat, 128);
  AT(ClientArea, commands, 192);
}

TEST(LayoutTest, OffsetsOfAnswerArea) {
  AT(AnswerArea, events_produced, 0);
  AT(AnswerArea, commands_consumed, 64);
  AT(AnswerArea, owner_cookie, 128);
  AT(AnswerArea, client_slot, 136);
  AT(AnswerArea, lease_count, 138);
  AT(AnswerArea, reserved, 140);
  AT(AnswerArea, reserved2, 144);
  AT(AnswerArea, leases, 192);
  AT(AnswerArea, events, 2240);
}

TEST(LayoutTest, OffsetsOfHello) {
  AT(Hello, magic, 0);
  AT(Hello, layout_version, 8);
  AT(Hello, layout_hash, 12);
  AT(Hello, role, 16);
  AT(Hello, reserved, 18);
  AT(Hello, journal_bytes, 20);
  AT(Hello, owner_cookie, 24);
  AT(Hello, name, 32);
}

TEST(LayoutTest, OffsetsOfWelcome) {
  AT(Welcome, magic, 0);
  AT(Welcome, layout_version, 8);
  AT(Welcome, layout_hash, 12);
  AT(Welcome, status, 16);
  AT(Welcome, client_slot, 18);
  AT(Welcome, resumed, 20);
  AT(Welcome, descriptors, 22);
  AT(Welcome, journal_bytes, 24);
  AT(Welcome, reserved, 32);
}

TEST(LayoutTest, OffsetsOfCounterBlock) {
  AT(CounterBlock, value, 0);
}

TEST(LayoutTest, NumbersOfCommandKind) {
  EXPECT_EQ(static_cast<int>(CommandKind::kNone), 0);
  EXPECT_EQ(static_cast<int>(CommandKind::kLegOpen), 1);
  EXPECT_EQ(static_cast<int>(CommandKind::kLegUpdate), 2);
  EXPECT_EQ(static_cast<int>(CommandKind::kBridge), 3);
  EXPECT_EQ(static_cast<int>(CommandKind::kUnbridge), 4);
  EXPECT_EQ(static_cast<int>(CommandKind::kLegClose), 5);
  EXPECT_EQ(static_cast<int>(CommandKind::kSessionClose), 6);
  EXPECT_EQ(static_cast<int>(CommandKind::kNetworkSet), 7);
  EXPECT_EQ(static_cast<int>(CommandKind::kSendDigit), 9);
}

TEST(LayoutTest, NumbersOfCodec) {
  EXPECT_EQ(static_cast<int>(Codec::kNone), 0);
  EXPECT_EQ(static_cast<int>(Codec::kPcmu), 1);
  EXPECT_EQ(static_cast<int>(Codec::kPcma), 2);
  EXPECT_EQ(static_cast<int>(Codec::kTelephoneEvent), 3);
  EXPECT_EQ(static_cast<int>(Codec::kComfortNoise), 4);
  EXPECT_EQ(static_cast<int>(Codec::kOpaque), 5);
}

TEST(LayoutTest, NumbersOfLearning) {
  EXPECT_EQ(static_cast<int>(Learning::kOff), 0);
  EXPECT_EQ(static_cast<int>(Learning::kSignalled), 1);
  EXPECT_EQ(static_cast<int>(Learning::kLatch), 2);
}

TEST(LayoutTest, NumbersOfEventKind) {
  EXPECT_EQ(static_cast<int>(EventKind::kNone), 0);
  EXPECT_EQ(static_cast<int>(EventKind::kCommandDone), 1);
  EXPECT_EQ(static_cast<int>(EventKind::kCommandRefused), 2);
  EXPECT_EQ(static_cast<int>(EventKind::kLegEnded), 3);
  EXPECT_EQ(static_cast<int>(EventKind::kSessionEnded), 4);
  EXPECT_EQ(static_cast<int>(EventKind::kMediaTimeout), 5);
  EXPECT_EQ(static_cast<int>(EventKind::kMediaResumed), 6);
  EXPECT_EQ(static_cast<int>(EventKind::kSourceLearned), 7);
  EXPECT_EQ(static_cast<int>(EventKind::kEventsLost), 8);
  EXPECT_EQ(static_cast<int>(EventKind::kDigit), 9);
}

TEST(LayoutTest, NumbersOfRefusal) {
  EXPECT_EQ(static_cast<int>(Refusal::kNone), 0);
  EXPECT_EQ(static_cast<int>(Refusal::kUnknownKind), 1);
  EXPECT_EQ(static_cast<int>(Refusal::kBadLength), 2);
  EXPECT_EQ(static_cast<int>(Refusal::kReservedNotZero), 3);
  EXPECT_EQ(static_cast<int>(Refusal::kUnknownSession), 4);
  EXPECT_EQ(static_cast<int>(Refusal::kSessionExists), 5);
  EXPECT_EQ(static_cast<int>(Refusal::kUnknownLeg), 6);
  EXPECT_EQ(static_cast<int>(Refusal::kLegExists), 7);
  EXPECT_EQ(static_cast<int>(Refusal::kBadLegNumber), 8);
  EXPECT_EQ(static_cast<int>(Refusal::kPortNotLeased), 9);
  EXPECT_EQ(static_cast<int>(Refusal::kPortInUse), 10);
  EXPECT_EQ(static_cast<int>(Refusal::kPortOdd), 11);
  EXPECT_EQ(static_cast<int>(Refusal::kUnknownLocalAddress), 12);
  EXPECT_EQ(static_cast<int>(Refusal::kBadRemote), 13);
  EXPECT_EQ(static_cast<int>(Refusal::kBadFormat), 14);
  EXPECT_EQ(static_cast<int>(Refusal::kBadValue), 15);
  EXPECT_EQ(static_cast<int>(Refusal::kTooManyListeners), 16);
  EXPECT_EQ(static_cast<int>(Refusal::kSameLeg), 17);
  EXPECT_EQ(static_cast<int>(Refusal::kOtherWorker), 18);
  EXPECT_EQ(static_cast<int>(Refusal::kNoRoom), 19);
  EXPECT_EQ(static_cast<int>(Refusal::kBadNetworkSet), 20);
  EXPECT_EQ(static_cast<int>(Refusal::kBindFailed), 21);
  EXPECT_EQ(static_cast<int>(Refusal::kAddressFamily), 22);
  EXPECT_EQ(static_cast<int>(Refusal::kDraining), 23);
}

TEST(LayoutTest, NumbersOfEndReason) {
  EXPECT_EQ(static_cast<int>(EndReason::kNone), 0);
  EXPECT_EQ(static_cast<int>(EndReason::kClosed), 1);
  EXPECT_EQ(static_cast<int>(EndReason::kLengthReached), 2);
  EXPECT_EQ(static_cast<int>(EndReason::kRelayStopping), 3);
}

TEST(LayoutTest, NumbersOfWelcomeStatus) {
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kOk), 0);
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kBadHello), 1);
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kLayoutMismatch), 2);
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kNoSlot), 3);
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kCookieInUse), 4);
  EXPECT_EQ(static_cast<int>(WelcomeStatus::kNotPermitted), 5);
}

TEST(LayoutTest, NumbersOfRole) {
  EXPECT_EQ(static_cast<int>(Role::kClient), 1);
  EXPECT_EQ(static_cast<int>(Role::kObserver), 2);
}

}  // namespace
}  // namespace relay::abi
