#include "bench/loadgen/dpdk_wire.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;
namespace port = relay::port;

constexpr relay::TimeNs kLinkPatience = 10 * relay::kSecond;
// What is measured must be lost by the relay, not by us while we send.
constexpr uint16_t kDescriptors = 4096;

}  // namespace

absl::Status DpdkWire::OpenDevice(const Addresses& addresses) {
  const auto device = port::ParseDpdkDevice(std::string_view(far_.device).substr(5));
  if (!device.ok()) return device.status();
  auto dpdk =
      port::Dpdk::Open({.eal = far_.eal,
                        .devices = {*device},
                        .addresses = addresses,
                        .placement = abi::EvenPlacement(abi::PlacementKind::kNone, far_.queues),
                        .descriptors = kDescriptors});
  if (!dpdk.ok()) return dpdk.status();
  dpdk_ = *std::move(dpdk);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<port::Port>> DpdkWire::MakePort(uint16_t queue,
                                                               abi::CounterBlock* counters) {
  return dpdk_->MakePort(queue, counters, nullptr);
}

absl::Status DpdkWire::AwaitRoad(std::span<const Call>) {
  const relay::TimeNs deadline = relay::MonotonicNow() + kLinkPatience;
  while (!link_is_up_ && relay::MonotonicNow() < deadline) {
    dpdk_->Turn(relay::MonotonicNow(), counters_);
    for (const std::string& news : dpdk_->TakeNews()) {
      link_is_up_ |= absl::StrContains(news, "link is up");
    }
  }
  if (link_is_up_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(far_.device, ": the link does not come up; is the other end there?"));
}

}  // namespace bench::loadgen
