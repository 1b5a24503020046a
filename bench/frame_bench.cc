// What a raw port does with each frame of a call besides moving it: headers and checksums in
// software, written and read.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "relay/limits.h"
#include "relay/wire/frame.h"

namespace {

using relay::abi::Address;
using relay::wire::Envelope;

constexpr size_t kRtp = 172;  // 20 ms of G.711
constexpr Address kIpv6 = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

class Frame {
 public:
  explicit Frame(bool ipv4)
      : envelope_{.to = {2, 0, 0, 0, 0, 1},
                  .from = {2, 0, 0, 0, 0, 2},
                  .source = {.address = ipv4 ? Address::Ipv4(192, 0, 2, 1) : kIpv6, .port = 10000},
                  .destination = {.address = ipv4 ? Address::Ipv4(198, 51, 100, 1) : kIpv6,
                                  .port = 20000},
                  .dscp = 46,
                  .udp_checksum = true} {}
  std::span<const uint8_t> Write() {
    // As speech: no two packets are the same.
    payload()[2] = static_cast<uint8_t>(++count_);
    const size_t headers = relay::wire::WriteHeaders(envelope_, {payload(), kRtp});
    return {payload() - headers, headers + kRtp};
  }

 private:
  uint8_t* payload() { return bytes_.data() + relay::kHeadroom; }

  const Envelope envelope_;
  std::array<uint8_t, relay::kHeadroom + kRtp> bytes_{};
  uint32_t count_ = 0;
};

void BM_WriteFrame(benchmark::State& state) {
  Frame frame(state.range(0) == 4);
  for (auto _ : state) {
    benchmark::DoNotOptimize(frame.Write().data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_WriteFrame)->ArgName("ip")->Arg(4)->Arg(6);

void BM_ReadFrame(benchmark::State& state) {
  Frame written(state.range(0) == 4);
  const std::span<const uint8_t> bytes = written.Write();
  relay::wire::Frame frame;
  for (auto _ : state) {
    if (ReadFrame(bytes, relay::wire::IpChecksum::kVerify, &frame) !=
            relay::wire::FrameVerdict::kUdp ||
        VerifyUdp(bytes, frame) != relay::wire::UdpChecksum::kGood) {
      std::abort();
    }
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_ReadFrame)->ArgName("ip")->Arg(4)->Arg(6);

}  // namespace

BENCHMARK_MAIN();
