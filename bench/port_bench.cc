// What a datagram costs on the uring port, by io_uring and by recvmmsg/sendmmsg: received and sent
// back over loopback. Only Receive and Send are on the clock; the far party is not.
//
//   BM_Port/<engine>/burst:<b>    b datagrams of 172 bytes wait, each at another of 1,000 sockets
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "relay/clock.h"
#include "relay/port/preflight.h"
#include "relay/port/socket.h"
#include "relay/port/uring.h"

namespace relay::port {
namespace {

constexpr size_t kStreams = 1000;
constexpr size_t kDatagramLength = 172;
constexpr uint16_t kPortFirst = 20000;
const abi::Endpoint kOwnAddress{.address = abi::Address::Ipv4(127, 0, 20, 1)};

// One socket that talks to all streams and takes what they answer.
class FarParty {
 public:
  FarParty() : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    SocketAddress address;
    socklen_t length = WriteSocketAddress(kOwnAddress, &address);
    const int size = 4 << 20;
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    ok_ = bind(descriptor_, &address.any, length) == 0;
  }
  ~FarParty() { close(descriptor_); }
  bool ok() const { return ok_; }

  bool Say(uint16_t port) {
    abi::Endpoint to = kOwnAddress;
    to.port = port;
    SocketAddress address;
    const socklen_t length = WriteSocketAddress(to, &address);
    return sendto(descriptor_, bytes_.data(), bytes_.size(), 0, &address.any, length) ==
           static_cast<ssize_t>(bytes_.size());
  }
  size_t HearAll() {
    size_t count = 0;
    while (recv(descriptor_, bytes_.data(), bytes_.size(), MSG_DONTWAIT) > 0) ++count;
    return count;
  }

 private:
  const int descriptor_;
  bool ok_ = false;
  std::array<uint8_t, kDatagramLength> bytes_{};
};

// Of this thread alone, so that whatever else runs on the machine does not count.
TimeNs ProcessorTime() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<TimeNs>(now.tv_sec) * kSecond + static_cast<TimeNs>(now.tv_nsec);
}

void BM_Port(benchmark::State& state, UringOptions::EngineChoice engine) {
  absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make({.engine = engine});
  FarParty far;
  if (!port.ok() || !(*port)->AttachThread().ok() || !far.ok()) {
    state.SkipWithError("the engine cannot be had on this machine");
    return;
  }
  std::vector<uint16_t> ports;
  for (uint16_t i = kPortFirst; ports.size() < kStreams && i < kPortFirst + 4 * kStreams; ++i) {
    const absl::StatusOr<Handle> handle = (*port)->Bind({.address = 0, .port = i}, kOwnAddress);
    if (!handle.ok()) continue;
    (*port)->Adopt(*handle);
    ports.push_back(i);
  }
  const size_t burst = static_cast<size_t>(state.range(0));
  std::array<Packet, kBurstMax> packets;
  size_t stream = 0;
  size_t echoed = 0;
  size_t heard = 0;
  size_t turns = 0;
  TimeNs total = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < burst; ++i) {
      if (!far.Say(ports[stream])) state.SkipWithError("loopback refuses");
      stream = (stream + 7) % ports.size();
    }
    const TimeNs deadline = MonotonicNow() + kSecond;
    const TimeNs start = ProcessorTime();
    size_t done = 0;
    while (done < burst && MonotonicNow() < deadline) {
      const size_t count = (*port)->Receive(packets, 1);
      if (count != 0) (*port)->Send({packets.data(), count});
      done += count;
      ++turns;
    }
    const TimeNs spent = ProcessorTime() - start;
    state.SetIterationTime(static_cast<double>(spent) / 1e9);
    total += spent;
    echoed += done;
    heard += far.HearAll();
  }
  if (heard != state.iterations() * burst) state.SkipWithError("datagrams were lost");
  const double packet_count = static_cast<double>(echoed);
  state.counters["ns_per_packet"] = static_cast<double>(total) / packet_count;
  state.counters["packets_per_turn"] = packet_count / static_cast<double>(turns);
}

void Register() {
  const std::pair<const char*, UringOptions::EngineChoice> engines[] = {
      {"uring", UringOptions::EngineChoice::kUring}, {"mmsg", UringOptions::EngineChoice::kMmsg}};
  for (const auto& [name, engine] : engines) {
    benchmark::RegisterBenchmark((std::string("BM_Port/") + name).c_str(), BM_Port, engine)
        ->ArgName("burst")
        ->Arg(1)
        ->Arg(8)
        ->Arg(64)
        ->UseManualTime();
  }
}

}  // namespace
}  // namespace relay::port

int main(int argc, char** argv) {
  static_cast<void>(relay::port::PrepareMachine());  // descriptors
  relay::port::Register();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
