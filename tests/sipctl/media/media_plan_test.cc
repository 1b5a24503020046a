#include "sipctl/media/media_plan.h"

#include "gtest/gtest.h"

namespace sipctl::media {
namespace {

using relay::abi::kLegReceives;
using relay::abi::kLegSends;

sdp::IpAddress Ip(std::string_view text) {
  return *sdp::ParseIpAddress(text);
}

trunk::Config TwoTrunks() {
  trunk::Config config;
  config.trunks.resize(3);
  for (size_t i = 0; i < 3; ++i) {
    config.trunks[i].name = "t" + std::to_string(i);
    config.trunks[i].addresses = {{.local = Ip("10.0.0.1"), .advertise = Ip("203.0.113.1")}};
    config.trunks[i].media_timeout_ns = 20'000'000'000;
  }
  config.trunks[0].networks = {{.address = Ip("192.0.2.0"), .prefix_length = 120}};
  config.trunks[2].networks = config.trunks[0].networks;
  return config;
}

sdp::MediaPlan Agreed() {
  sdp::MediaPlan plan;
  plan.remote_rtp = {.address = Ip("192.0.2.9"), .port = 4000};
  plan.remote_rtcp = {.address = Ip("192.0.2.9"), .port = 4001};
  plan.formats = {
      {.codec = sdp::Codec::kPcma, .payload_type_in = 8, .payload_type_out = 8, .events = {}},
      {.codec = sdp::Codec::kTelephoneEvent,
       .payload_type_in = 101,
       .payload_type_out = 96,
       .events = {}}};
  return plan;
}

TEST(MediaPlanTest, KeysGoToTheirDirections) {
  EXPECT_FALSE(KeysOf(Agreed(), {}));
  sdp::MediaPlan plan = Agreed();
  sdp::MediaCrypto crypto;
  crypto.suite = sdp::Suite::kAeadAes128Gcm;
  crypto.send.length = 28;
  crypto.send.bytes.fill(0);
  for (size_t i = 0; i < 28; ++i) crypto.send.bytes[i] = static_cast<uint8_t>(i + 1);
  sdp::Keying theirs = crypto.send;
  theirs.bytes[0] = 99;
  theirs.mki_length = 4;
  theirs.mki = 7;
  crypto.receive = {theirs};
  plan.crypto = crypto;
  const std::optional<SrtpKeys> keys = KeysOf(plan, {});
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->suite, relay::abi::SrtpSuite::kAeadAes128Gcm);
  EXPECT_EQ(keys->send_key_count, 1);
  EXPECT_EQ(keys->receive_key_count, 1);
  EXPECT_EQ(keys->send.key[0], 1);
  EXPECT_EQ(keys->send.key[15], 16);
  EXPECT_EQ(keys->send.key[16], 0);
  EXPECT_EQ(keys->send.salt[0], 17);
  EXPECT_EQ(keys->send.salt[11], 28);
  EXPECT_EQ(keys->send.salt[12], 0);
  EXPECT_EQ(keys->send.mki_length, 0);
  EXPECT_EQ(keys->receive[0].key[0], 99);
  EXPECT_EQ(keys->receive[0].mki_length, 4);
  EXPECT_EQ(keys->receive[0].mki, 7u);
  // Two keys of the peer, by MKI.
  theirs.bytes[0] = 98;
  theirs.mki = 8;
  plan.crypto->receive.push_back(theirs);
  const std::optional<SrtpKeys> two = KeysOf(plan, {});
  EXPECT_EQ(two->receive_key_count, 2);
  EXPECT_EQ(two->receive[0].key[0], 99);
  EXPECT_EQ(two->receive[1].key[0], 98);
  EXPECT_EQ(two->receive[1].mki_length, 4);
  EXPECT_EQ(two->receive[1].mki, 8u);
  // The suites of the contract, by number and name.
  for (const sdp::Suite suite : sdp::kAllSuites) {
    const auto& facts = relay::abi::FactsOf(static_cast<relay::abi::SrtpSuite>(suite));
    EXPECT_EQ(facts.name, sdp::SuiteName(suite));
    EXPECT_EQ(facts.key_length, sdp::KeyLength(suite));
    EXPECT_EQ(facts.salt_length, sdp::SaltLength(suite));
  }
}

// As after the death of a relay, until the peer has been told another.
TEST(MediaPlanTest, ASpentKeyIsNotThere) {
  sdp::MediaPlan plan = Agreed();
  plan.crypto = sdp::MediaCrypto{};
  plan.crypto->receive.resize(1);
  plan.crypto->receive[0].length = 30;
  plan.crypto->receive[0].bytes[0] = 99;
  const std::optional<SrtpKeys> keys = KeysOf(plan, {});
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->send_key_count, 0);
  EXPECT_EQ(keys->send.key[0], 0);
  EXPECT_EQ(keys->receive_key_count, 1);
  EXPECT_EQ(keys->receive[0].key[0], 99);
}

TEST(MediaPlanTest, RollOverCountersAreThePeersHabit) {
  using relay::abi::SrtpRoc;
  const struct {
    trunk::RollOver habit;
    SrtpRoc receive, send;
  } kRows[] = {{trunk::RollOver::kEither, SrtpRoc::kEither, SrtpRoc::kRunsOn},
               {trunk::RollOver::kRunsOn, SrtpRoc::kRunsOn, SrtpRoc::kRunsOn},
               {trunk::RollOver::kRestarts, SrtpRoc::kRestarts, SrtpRoc::kRestarts}};
  sdp::MediaPlan plan = Agreed();
  plan.crypto = sdp::MediaCrypto{};
  for (const auto& row : kRows) {
    trunk::Trunk trunk;
    trunk.roll_over = row.habit;
    const std::optional<SrtpKeys> keys = KeysOf(plan, trunk);
    EXPECT_EQ(keys->receive_roc, row.receive);
    EXPECT_EQ(keys->send_roc, row.send);
  }
}

TEST(MediaPlanTest, TheLongestPacketIsWhatTheFarPartySays) {
  const auto config = TwoTrunks();
  const auto table = MakeMediaTable(config);
  const LegFrame frame{.trunk = &config.trunks[0], .media = &table->trunks[0]};
  const std::pair<uint16_t, int> kCases[] = {{0, 0}, {20, 20}, {60, 60}, {3, 10}, {1000, 255}};
  for (const auto& [said, told] : kCases) {
    EXPECT_EQ(PlanOf({.maxptime_ms = said}, frame).packet_ms_max, told) << said;
  }
}

TEST(MediaTableTest, EqualListsShareASet) {
  const auto table = MakeMediaTable(TwoTrunks());
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->sets.size(), 1u);
  EXPECT_EQ(table->trunks[0].network_set, 0);
  EXPECT_EQ(table->trunks[1].network_set, relay::abi::kNoNetworkSet);
  EXPECT_EQ(table->trunks[2].network_set, 0);
  EXPECT_EQ(table->sets[0].networks[0].prefix_length, 120);
}

TEST(MediaTableTest, AListKeepsItsNumberInTheNextTable) {
  trunk::Config config = TwoTrunks();
  config.trunks[1].networks = {{.address = Ip("10.1.0.0"), .prefix_length = 112}};
  const auto first = MakeMediaTable(config);
  ASSERT_EQ(first->trunks[1].network_set, 1);
  trunk::Config next = config;
  next.trunks[0].networks = {{.address = Ip("10.2.0.0"), .prefix_length = 112}};
  next.trunks[2].networks.clear();
  const auto second = MakeMediaTable(next, *first);
  EXPECT_EQ(second->trunks[1].network_set, 1) << "as legs in the relay know it";
  EXPECT_EQ(second->trunks[0].network_set, 2) << "0 may be named by legs until they are told anew";
  const auto third = MakeMediaTable(config, *second);
  EXPECT_EQ(third->trunks[1].network_set, 1);
  EXPECT_EQ(third->trunks[0].network_set, 0) << "free again";
}

TEST(MediaTableTest, TooManyNetworksAreAnError) {
  trunk::Config config = TwoTrunks();
  config.trunks[1].networks.resize(33);
  EXPECT_FALSE(MakeMediaTable(config).ok());
  config = TwoTrunks();
  config.trunks.resize(66, config.trunks[0]);
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    config.trunks[i].networks = {
        {.address = Ip("10.0.0." + std::to_string(i)), .prefix_length = 128}};
  }
  EXPECT_FALSE(MakeMediaTable(config).ok());
}

TEST(MediaTableTest, SdpShowsTheAdvertisedAddress) {
  const auto table = MakeMediaTable(TwoTrunks());
  const sdp::IpEndpoint shown =
      table->trunks[0].Advertised({.address = ToAbi(Ip("10.0.0.1")), .port = 12000});
  EXPECT_EQ(sdp::FormatIpEndpoint(shown), "203.0.113.1:12000");
}

TEST(MediaPlanTest, AgreedMediaBecomesALeg) {
  trunk::Config config = TwoTrunks();
  config.trunks[0].learning = trunk::Learning::kLatch;
  config.trunks[0].dscp = 34;
  const auto table = MakeMediaTable(config);
  const LegFrame frame{.trunk = &config.trunks[0],
                       .media = &table->trunks[0],
                       .length_ms = 7000,
                       .label = "a name longer than sixteen"};
  const relay::abi::LegPlan plan = PlanOf(Agreed(), frame);
  EXPECT_EQ(plan.direction, kLegReceives | kLegSends);
  EXPECT_EQ(plan.learning, relay::abi::Learning::kLatch);
  EXPECT_EQ(plan.remote_rtp.port, 4000);
  EXPECT_EQ(plan.remote_rtcp.port, 4001);
  EXPECT_EQ(plan.network_set, 0);
  EXPECT_EQ(plan.dscp, 34);
  EXPECT_EQ(plan.media_timeout_ms, 20'000u);
  EXPECT_EQ(plan.session_length_ms, 7000u);
  ASSERT_EQ(plan.format_count, 2);
  EXPECT_EQ(plan.formats[0].codec, relay::abi::Codec::kPcma);
  EXPECT_EQ(plan.formats[1].payload_type, 101) << "what it was offered, it sends";
  EXPECT_EQ(plan.formats[1].payload_type_sent, 96) << "what it answered, it wants to receive";
  EXPECT_EQ(std::string_view(plan.label, 16), "a name longer th");
}

TEST(MediaPlanTest, OnHoldSilenceIsNotWatched) {
  const trunk::Config config = TwoTrunks();
  const auto table = MakeMediaTable(config);
  const LegFrame frame{.trunk = &config.trunks[1], .media = &table->trunks[1], .label = {}};
  const struct {
    sdp::Direction agreed;
    int direction;
    uint32_t timeout_ms;
  } kCases[] = {{sdp::Direction::kSendRecv, 3, 20'000},
                {sdp::Direction::kSendOnly, kLegSends, 0},
                {sdp::Direction::kRecvOnly, kLegReceives, 0},
                {sdp::Direction::kInactive, 0, 0}};
  for (const auto& row : kCases) {
    sdp::MediaPlan agreed = Agreed();
    agreed.direction = row.agreed;
    const relay::abi::LegPlan plan = PlanOf(agreed, frame);
    EXPECT_EQ(plan.direction, row.direction);
    EXPECT_EQ(plan.media_timeout_ms, row.timeout_ms);
  }
}

TEST(MediaPlanTest, RtcpMuxAndUnknownRemotes) {
  const trunk::Config config = TwoTrunks();
  const auto table = MakeMediaTable(config);
  const LegFrame frame{.trunk = &config.trunks[1], .media = &table->trunks[1], .label = {}};
  sdp::MediaPlan agreed = Agreed();
  agreed.rtcp_mux = true;
  EXPECT_EQ(PlanOf(agreed, frame).remote_rtcp.port, 4000);
  agreed.remote_rtp = {};
  EXPECT_EQ(PlanOf(agreed, frame).remote_rtp, relay::abi::Endpoint{});
}

TEST(MediaPlanTest, BeforeTheAnswerNothingFlows) {
  const trunk::Config config = TwoTrunks();
  const auto table = MakeMediaTable(config);
  const relay::abi::LegPlan plan =
      SilentPlan({.trunk = &config.trunks[0], .media = &table->trunks[0], .label = {}});
  EXPECT_EQ(plan.direction, 0);
  EXPECT_EQ(plan.remote_rtp.port, 0);
  EXPECT_EQ(plan.format_count, 3);
  EXPECT_EQ(plan.formats[2].payload_type, 101);
}

}  // namespace
}  // namespace sipctl::media
