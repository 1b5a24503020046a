// Every suite on one leg with every suite on the other, plain RTP being one of them: what one party
// says the other hears, speech and reports, byte for byte, and nobody else's.
#include <tuple>

#include "relay/wire/bytes.h"
#include "relay/worker/pipeline.h"
#include "tests/relay/stage/srtp_world.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using stage::RandomKey;
using stage::SrtpEnd;
using tests::support::ReceiverReport;
using tests::support::SenderReport;
using tests::support::SourceDescription;

// A far party. Without a suite it speaks plain RTP.
class Party {
 public:
  Party(abi::SrtpSuite suite, uint32_t seed) : suite_(suite) {
    if (suite == abi::SrtpSuite::kNone) return;
    plan_ = stage::PlanFor(suite, RandomKey(suite, seed), RandomKey(suite, seed + 1));
    end_.Apply(stage::PlanFor(suite, RandomKey(suite, seed + 1), RandomKey(suite, seed)));
  }
  // Of the relay's leg towards it.
  const abi::SrtpPlan& plan() const { return plan_; }
  bool secured() const { return suite_ != abi::SrtpSuite::kNone; }
  size_t tag() const { return abi::FactsOf(suite_).rtp_tag_length; }

  Bytes Seal(Bytes bytes) {
    if (secured()) {
      EXPECT_EQ(end_.Protect(&bytes), stage::Verdict::kForwarded);
    }
    return bytes;
  }
  Bytes SealReport(Bytes bytes) {
    if (secured()) {
      EXPECT_EQ(end_.ProtectRtcp(&bytes), stage::Verdict::kForwarded);
    }
    return bytes;
  }
  Bytes Open(Bytes bytes) {
    if (secured()) {
      EXPECT_EQ(end_.Unprotect(&bytes), stage::Verdict::kForwarded);
    }
    return bytes;
  }

 private:
  const abi::SrtpSuite suite_;
  abi::SrtpPlan plan_{};
  SrtpEnd end_{stage::SrtpEngineKind::kPortable};
};

using Pair = std::tuple<int, int>;

class EveryPair : public Office, public testing::WithParamInterface<Pair> {
 protected:
  EveryPair() : Office(64, true) {
    for (uint32_t leg = 0; leg < 2; ++leg) {
      session::LegSetup setup = SetupFor(leg, Where(leg));
      setup.srtp = party[leg].plan();
      Open(leg, setup);
    }
    Join(0, 1);
  }
  static const abi::Endpoint& Where(uint32_t leg) { return leg == 0 ? kTrunk : kPbx; }

  Party party[2] = {Party(static_cast<abi::SrtpSuite>(std::get<0>(GetParam())), 10),
                    Party(static_cast<abi::SrtpSuite>(std::get<1>(GetParam())), 20)};
};

INSTANTIATE_TEST_SUITE_P(All, EveryPair,
                         testing::Combine(testing::Range(0, int{abi::kSrtpSuiteCount}),
                                          testing::Range(0, int{abi::kSrtpSuiteCount})),
                         [](const auto& one) {
                           const auto name = [](int suite) -> std::string {
                             return suite == 0 ? "plain" : abi::kSrtpSuites[suite].name;
                           };
                           return name(std::get<0>(one.param)) + "_to_" +
                                  name(std::get<1>(one.param));
                         });

TEST_P(EveryPair, SpeechIsHeardAsItWasSaid) {
  // To a secured party a stream begins in the lower half, and keeps its numbers then.
  for (const uint16_t before : {16'000, 40'000, 64'000}) {
    Send(0, kTrunk,
         party[0].Seal(RtpPacket{.payload_type = 8, .sequence = before, .ssrc = 0x10}.Build()));
    const auto out = Sent();
    ASSERT_TRUE(out);
    party[1].Open(out->payload);
  }
  uint16_t sequence[2] = {65'530, 100};  // across a roll-over
  for (uint32_t i = 0; i < 20; ++i) {
    for (const uint32_t from : {0, 1}) {
      const uint32_t to = 1 - from;
      const Bytes said = RtpPacket{.payload_type = 8,
                                   .marker = i == 0,
                                   .sequence = sequence[from]++,
                                   .timestamp = 160 * i,
                                   .ssrc = 0x10 + from,
                                   .payload = Bytes(16 + i * 16, static_cast<uint8_t>(i + from)),
                                   .padding = static_cast<uint8_t>(i % 2 * 4)}
                             .Build();
      const Bytes sealed = party[from].Seal(said);
      EXPECT_EQ(Send(from, Where(from), sealed), "forwarded");
      const auto out = Sent();
      ASSERT_TRUE(out);
      EXPECT_EQ(out->remote, Where(to));
      EXPECT_EQ(out->payload.size(), said.size() + party[to].tag());
      if (party[to].secured()) {
        EXPECT_NE(Bytes(out->payload.begin(), out->payload.begin() + said.size()), said);
        EXPECT_FALSE(party[from].secured() && out->payload == sealed) << "passed as it was";
      }
      EXPECT_EQ(party[to].Open(out->payload), said);
      if (!party[from].secured()) continue;
      EXPECT_EQ(Send(from, Where(from), sealed), "srtp_replayed");
      EXPECT_NE(Send(from, Where(from), said), "forwarded");
    }
  }
  EXPECT_FALSE(Sent());
}

TEST_P(EveryPair, ReportsAreReadAsTheyWereWritten) {
  for (const uint32_t from : {0, 1}) {
    Send(from, Where(from),
         party[from].Seal(RtpPacket{.payload_type = 8, .ssrc = 0x10 + from}.Build()));
  }
  Discard();
  for (uint32_t i = 0; i < 5; ++i) {
    for (const uint32_t from : {0, 1}) {
      const uint32_t to = 1 - from;
      const auto written = [&](std::string_view cname) {
        return tests::support::Join(SenderReport(0x10 + from, 5 + i, 160 * i, i, 160 * i),
                                    SourceDescription(0x10 + from, cname));
      };
      const Bytes sealed = party[from].SealReport(written("the-far-party-of"));
      EXPECT_EQ(SendRtcp(from, Where(from), sealed), "consumed");
      const auto out = Sent();
      ASSERT_TRUE(out);
      EXPECT_EQ(out->remote.address, Where(to).address);
      EXPECT_EQ(out->remote.port, Where(to).port + 1);
      // Only the name of the source is the relay's own.
      EXPECT_EQ(party[to].Open(out->payload), written("cname-of-tandem!"));
      if (!party[from].secured()) continue;
      EXPECT_EQ(SendRtcp(from, Where(from), sealed), "srtp_replayed");
      Bytes forged = party[from].SealReport(ReceiverReport(0x10 + from));
      forged[8] ^= 1;
      EXPECT_EQ(SendRtcp(from, Where(from), forged), "srtp_bad_tag");
    }
  }
  EXPECT_FALSE(Sent());
}

}  // namespace
}  // namespace relay::worker
