// Looks at what leaves a relay on the wire: of each key, SSRC and index there is one packet, of RTP
// and of SRTCP, whatever changed and returned between. Two packets with one index would show the
// difference of their texts to everybody, and with GCM the key of the tags.
//
// It believes nobody's counting: SRTCP's index is in the clear, and the roll-over counter of RTP is
// the one under which the packet authenticates.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "relay/stage/srtp_engine.h"
#include "relay/wire/demux.h"
#include "relay/wire/rtp.h"
#include "tests/relay/stage/srtp_world.h"

namespace relay::worker {

class WireChecker {
 public:
  // A packet that left under the key.
  void See(abi::SrtpSuite suite, const abi::SrtpKey& key, const stage::Bytes& packet) {
    Key& known = KeyOf(suite, key);
    const bool rtcp = wire::Classify(packet.data(), packet.size()) == wire::Protocol::kRtcp;
    const uint64_t index = rtcp ? RtcpIndex(known, packet) : RtpIndex(known, packet);
    if (index == kNone) {
      ADD_FAILURE() << "not authentic under any index";
      return;
    }
    const uint32_t ssrc = wire::Load32(&packet[rtcp ? 4 : 8]);
    const auto [at, first] = seen_.try_emplace({&known, rtcp, ssrc, index}, packet);
    EXPECT_TRUE(first) << "index " << index << " of SSRC " << ssrc << (rtcp ? " (RTCP)" : "")
                       << (at->second == packet ? " twice" : " for two packets");
    (rtcp ? reports_ : packets_) += 1;
  }

  size_t packets() const { return packets_; }
  size_t reports() const { return reports_; }
  size_t keys() const { return keys_.size(); }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};

  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  struct Key {
    Key(stage::SrtpEngine& its_engine, abi::SrtpSuite its_suite, const abi::SrtpKey& key)
        : engine(its_engine),
          suite(its_suite),
          rtp(engine.ContextSize(suite) / sizeof(Line)),
          rtcp(rtp.size()) {
      constexpr auto kWay = stage::SrtpDirection::kUnprotect;
      engine.MakeContext(rtp.data(), {suite, stage::SrtpUse::kRtp, kWay, key});
      engine.MakeContext(rtcp.data(), {suite, stage::SrtpUse::kRtcp, kWay, key});
    }
    ~Key() {
      engine.DropContext(rtp.data(), suite);
      engine.DropContext(rtcp.data(), suite);
    }
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;

    stage::SrtpEngine& engine;
    const abi::SrtpSuite suite;
    std::vector<Line> rtp;
    std::vector<Line> rtcp;
  };

  Key& KeyOf(abi::SrtpSuite suite, const abi::SrtpKey& key) {
    stage::Bytes name(key.key, key.key + sizeof key.key);
    name.insert(name.end(), key.salt, key.salt + sizeof key.salt);
    name.push_back(static_cast<uint8_t>(suite));
    std::unique_ptr<Key>& known = keys_[name];
    if (known == nullptr) known = std::make_unique<Key>(*engine_, suite, key);
    return *known;
  }

  bool Authentic(Key& key, stage::Bytes packet, size_t tag_at, stage::SrtpJob job) {
    job.suite = key.suite;
    job.tag_length = job.use == stage::SrtpUse::kRtp ? abi::FactsOf(key.suite).rtp_tag_length
                                                     : abi::FactsOf(key.suite).rtcp_tag_length;
    std::copy_n(packet.begin() + static_cast<ptrdiff_t>(tag_at), job.tag_length, job.tag);
    packet.resize(packet.size() + 4);
    job.data = packet.data();
    engine_->Unprotect({&job, 1});
    return job.result == stage::SrtpResult::kOk;
  }

  uint64_t RtpIndex(Key& key, const stage::Bytes& packet) {
    const uint32_t body =
        static_cast<uint32_t>(packet.size()) - abi::FactsOf(key.suite).rtp_tag_length;
    const uint32_t ssrc = wire::Load32(&packet[8]);
    uint64_t& last = last_[{&key, ssrc}];  // the usual one first
    uint64_t candidates[kCountersMax + 1] = {last};
    for (uint64_t i = 0; i < kCountersMax; ++i) candidates[i + 1] = i;
    for (const uint64_t roc : candidates) {
      const uint64_t index = roc << 16 | wire::Load16(&packet[2]);
      if (!Authentic(
              key, packet, body,
              {.context = key.rtp.data(),
               .length = body,
               .header_length = static_cast<uint32_t>(wire::RtpHeaderLength(packet.data(), body)),
               .index = index,
               .ssrc = ssrc,
               .trailer = static_cast<uint32_t>(roc),
               .use = stage::SrtpUse::kRtp})) {
        continue;
      }
      last = roc;
      return index;
    }
    return kNone;
  }

  uint64_t RtcpIndex(Key& key, const stage::Bytes& packet) {
    const uint32_t tag = abi::FactsOf(key.suite).rtcp_tag_length;
    const uint32_t body = static_cast<uint32_t>(packet.size()) - tag - 4;
    const bool gcm = abi::IsGcm(key.suite);
    const uint32_t trailer = wire::Load32(&packet[gcm ? body + tag : body]);
    const uint64_t index = trailer & ~session::kSrtcpEncrypted;
    const bool good = Authentic(key, packet, gcm ? body : body + 4,
                                {.context = key.rtcp.data(),
                                 .length = body,
                                 .header_length = stage::kSrtcpHeaderLength,
                                 .index = index,
                                 .ssrc = wire::Load32(&packet[4]),
                                 .trailer = trailer,
                                 .use = stage::SrtpUse::kRtcp});
    return good ? index : kNone;
  }

  // More roll-overs than a test makes of one stream.
  static constexpr uint64_t kCountersMax = 100;

  const std::unique_ptr<stage::SrtpEngine> engine_ = stage::MakePortableEngine();
  std::map<stage::Bytes, std::unique_ptr<Key>> keys_;
  std::map<std::pair<const Key*, uint32_t>, uint64_t> last_;
  std::map<std::tuple<const Key*, bool, uint32_t, uint64_t>, stage::Bytes> seen_;
  size_t packets_ = 0;
  size_t reports_ = 0;
};

}  // namespace relay::worker
