// Each engine under our state against libsrtp2 by itself: the same packets accepted, the same bytes
// either way. TANDEM_SRTP_PACKETS says how many packets through each engine; docs/performance.md
// has the long run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <tuple>

#include "relay/stage/srtp.h"
#include "relay/stage/srtp_index.h"
#include "tests/relay/stage/srtp_world.h"

namespace relay::stage {
namespace {

using abi::SrtpSuite;

constexpr size_t kStreams = 3;
constexpr size_t kHistory = 2048;

size_t PacketsEach() {
  const char* const text = std::getenv("TANDEM_SRTP_PACKETS");
  const size_t all = text == nullptr ? 40'000 : std::strtoul(text, nullptr, 10);
  return all / std::size(kAllSuites) + 1;
}

class SrtpDifferential : public testing::TestWithParam<std::tuple<SrtpEngineKind, SrtpSuite>> {
 protected:
  SrtpDifferential()
      : suite_(std::get<1>(GetParam())),
        key_(RandomKey(suite_, 11)),
        random_(static_cast<uint32_t>(suite_) * 7 + 1) {
    for (size_t i = 0; i < kStreams; ++i) {
      ssrc_[i] = static_cast<uint32_t>(random_());
      sequence_[i] = static_cast<uint16_t>(random_());
    }
  }

  uint32_t Random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  // A sender's next number: mostly the next, sometimes lost ones, repeated ones, late ones, leaps.
  uint16_t NextSequence(size_t stream) {
    uint16_t& sequence = sequence_[stream];
    const uint32_t kind = Random(1000);
    if (kind < 900) return ++sequence;
    if (kind < 940) return sequence = static_cast<uint16_t>(sequence + 2 + Random(60));
    if (kind < 980) return static_cast<uint16_t>(sequence - Random(1200));
    if (kind < 995) return sequence = static_cast<uint16_t>(sequence + Random(3000));
    if (kind < 998) return sequence = static_cast<uint16_t>(sequence + Random(40'000));
    return static_cast<uint16_t>(Random(65536));
  }

  Bytes NextPacket() {
    const size_t stream = Random(20) == 0 ? Random(kStreams) : 0;
    const size_t sizes[] = {160, 160, Random(1400), Random(33)};
    // Drawn one after the other, so that every compiler makes the same packets.
    const uint16_t sequence = NextSequence(stream);
    const size_t size = sizes[Random(4)];
    const auto timestamp = static_cast<uint32_t>(random_());
    const auto csrcs = static_cast<uint8_t>(Random(8) == 0 ? Random(16) : 0);
    const int extension = Random(8) == 0 ? static_cast<int>(Random(5)) : -1;
    return MakeRtp(ssrc_[stream], sequence, size, timestamp, csrcs, extension);
  }

  // What the network makes of it.
  void Deliver(const Bytes& plain, const Bytes& sealed, std::vector<Bytes>* burst) {
    history_.push_back(sealed);
    plain_history_.push_back(plain);
    const uint32_t kind = Random(100);
    if (kind < 8) return;  // lost
    Bytes packet = sealed;
    if (kind < 14) packet[Random(static_cast<uint32_t>(packet.size()))] ^= 1 << Random(8);
    if (kind == 14) packet.resize(Random(static_cast<uint32_t>(packet.size())) + 1);
    burst->push_back(packet);
    if (kind > 92) burst->push_back(history_[Random(static_cast<uint32_t>(history_.size()))]);
    if (kind > 97) std::swap(burst->front(), burst->back());
  }

  // Of packets that have been delivered.
  void ForgetOld() {
    if (history_.size() <= kHistory) return;
    history_.erase(history_.begin(), history_.begin() + 512);
    plain_history_.erase(plain_history_.begin(), plain_history_.begin() + 512);
  }

  // What the sender had before it sealed it; nothing where it sealed no such packet.
  Bytes PlainOf(const Bytes& sealed) const {
    const auto found = std::find(history_.rbegin(), history_.rend(), sealed);
    if (found == history_.rend()) return {};
    return plain_history_[static_cast<size_t>(history_.rend() - found) - 1];
  }

  const SrtpSuite suite_;
  const abi::SrtpKey key_;
  std::mt19937 random_;
  uint32_t ssrc_[kStreams];
  uint16_t sequence_[kStreams];
  std::vector<Bytes> history_;
  std::vector<Bytes> plain_history_;  // of the same packets
};

// Both sides' ends under one key. A leap of more than half the numbers makes a sender take all that
// follows for old, and one that is lost on the way parts it from its receiver: both for good, as in
// life. Then they agree on a new key.
struct Ends {
  Ends(SrtpEngineKind kind, SrtpSuite suite, const abi::SrtpKey& key)
      : sender(kind),
        receiver(kind),
        oracle_out(suite, key, true),
        source(suite, key, true),
        oracle_in(suite, key, false) {
    sender.Apply(PlanFor(suite, key, RandomKey(suite, 1)));
    receiver.Apply(PlanFor(suite, RandomKey(suite, 2), key));
  }
  SrtpEnd sender;
  SrtpEnd receiver;
  Oracle oracle_out;
  // We send one stream at a time; what arrives is of several, and of libsrtp2.
  Oracle source;
  Oracle oracle_in;
  std::set<uint32_t> heard;  // by libsrtp2
};

// The one thing that we hear and libsrtp2 does not: a stream whose first packets were all lost and
// whose numbers have rolled over since, once.
bool BeganBeforeItWasHeard(Ends& ends, uint32_t ssrc, const Bytes& packet) {
  const auto* stream = FindStream(ends.receiver.leg().receive.streams, ssrc);
  return !ends.heard.contains(ssrc) && wire::Load16(&packet[2]) < 0x8000 && stream != nullptr &&
         stream->top >> 16 == 1;
}

TEST_P(SrtpDifferential, SamePacketsSameBytes) {
  const SrtpEngineKind kind = std::get<0>(GetParam());
  auto ends = std::make_unique<Ends>(kind, suite_, key_);
  const size_t packets = PacketsEach();
  size_t accepted = 0;
  size_t refused = 0;
  size_t twice = 0;
  size_t refused_in_row = 0;  // of the first stream: the others' few packets say nothing of it
  uint32_t agreed = 100;
  size_t partings = 0;
  std::set<uint32_t> parted;  // streams of which we have heard more than libsrtp2
  std::vector<Bytes> burst;
  for (size_t i = 0; i < packets; ++i) {
    if (refused_in_row > 40 || !parted.empty()) {
      refused_in_row = 0;
      partings += parted.size();
      parted.clear();
      ends = std::make_unique<Ends>(kind, suite_, RandomKey(suite_, ++agreed));
    }
    const Bytes plain = NextPacket();
    const bool first = wire::Load32(&plain[8]) == ssrc_[0];
    if (first) {
      Bytes ours = plain;
      Bytes theirs = plain;
      const bool sent = ends->sender.Protect(&ours) == Verdict::kForwarded;
      ASSERT_EQ(sent, ends->oracle_out.Protect(&theirs)) << "packet " << i;
      if (sent) {
        ASSERT_EQ(ours, theirs) << "packet " << i;
      }
      twice += !sent;
    }
    Bytes sealed = plain;
    if (!ends->source.Protect(&sealed)) {
      refused_in_row += first;
      continue;
    }
    Deliver(plain, sealed, &burst);
    if (burst.size() < 1 + Random(60)) continue;
    if (burst.size() > kSrtpBatchMax) burst.resize(kSrtpBatchMax);
    const std::vector<Bytes> arrived = burst;
    std::vector<Bytes> theirs = burst;
    const std::vector<Verdict> verdicts = ends->receiver.UnprotectBurst(&burst);
    for (size_t j = 0; j < burst.size(); ++j) {
      const bool whole = theirs[j].size() >= 12;
      const uint32_t ssrc = whole ? wire::Load32(&theirs[j][8]) : 0;
      const bool of_first = whole && ssrc == ssrc_[0];
      const bool good = whole && ends->oracle_in.Unprotect(&theirs[j]);
      if (whole && !good && verdicts[j] == Verdict::kForwarded &&
          BeganBeforeItWasHeard(*ends, ssrc, burst[j])) {
        parted.insert(ssrc);
        ASSERT_EQ(burst[j], PlainOf(arrived[j])) << "packet " << i;
      }
      if (whole && parted.contains(ssrc)) continue;
      if (good) ends->heard.insert(ssrc);
      ASSERT_EQ(verdicts[j] == Verdict::kForwarded, good)
          << "packet " << i << " " << NameOf(verdicts[j]);
      if (good) {
        ASSERT_EQ(burst[j], theirs[j]) << "packet " << i;
      }
      (good ? accepted : refused) += 1;
      if (of_first) refused_in_row = good ? 0 : refused_in_row + 1;
    }
    burst.clear();
    ForgetOld();
  }
  RecordProperty("accepted", static_cast<int>(accepted));
  RecordProperty("refused", static_cast<int>(refused));
  RecordProperty("twice", static_cast<int>(twice));
  RecordProperty("partings", static_cast<int>(partings));
  EXPECT_GT(accepted, packets / 2);
  EXPECT_GT(refused, packets / 50);
  EXPECT_GT(twice, packets / 200);
  EXPECT_LE(partings, 1 + packets / 1000);
}

TEST_P(SrtpDifferential, SameReports) {
  const SrtpEngineKind kind = std::get<0>(GetParam());
  SrtpEnd sender(kind);
  sender.Apply(PlanFor(suite_, key_, RandomKey(suite_, 1)));
  SrtpEnd receiver(kind);
  receiver.Apply(PlanFor(suite_, RandomKey(suite_, 2), key_));
  Oracle oracle_out(suite_, key_, true);
  Oracle oracle_in(suite_, key_, false);
  for (size_t i = 0; i < 600; ++i) {
    const Bytes plain = MakeRtcp(ssrc_[0], Random(5));
    Bytes ours = plain;
    Bytes theirs = plain;
    ASSERT_EQ(sender.ProtectRtcp(&ours), Verdict::kForwarded);
    ASSERT_TRUE(oracle_out.ProtectRtcp(&theirs));
    ASSERT_EQ(ours, theirs);
    history_.push_back(ours);
    Bytes sealed = history_[history_.size() - 1 -
                            Random(static_cast<uint32_t>(std::min<size_t>(history_.size(), 200)))];
    if (Random(10) == 0) sealed[Random(static_cast<uint32_t>(sealed.size()))] ^= 1;
    Bytes copy = sealed;
    const bool good = oracle_in.UnprotectRtcp(&copy);
    const Verdict verdict = receiver.Unprotect(&sealed);
    ASSERT_EQ(verdict == Verdict::kForwarded, good) << i << " " << NameOf(verdict);
    if (good) {
      ASSERT_EQ(sealed, copy);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SrtpDifferential,
                         testing::Combine(testing::ValuesIn(EnginesHere()),
                                          testing::ValuesIn(kAllSuites)),
                         [](const auto& one) {
                           return EngineName(std::get<0>(one.param)) + "_" +
                                  abi::FactsOf(std::get<1>(one.param)).name;
                         });

}  // namespace
}  // namespace relay::stage
