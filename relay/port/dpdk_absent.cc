// Stands for the dpdk port where DPDK was not there when the program was built.
#include "relay/port/dpdk.h"

namespace relay::port {

class DpdkDevice {};
struct Dpdk::Parts {};

namespace {

constexpr char kAbsent[] =
    "this program was built without DPDK; install libdpdk-dev and build again, or use --port xdp";

}  // namespace

Dpdk::Dpdk(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Dpdk::~Dpdk() = default;

absl::StatusOr<std::unique_ptr<Dpdk>> Dpdk::Open(const DpdkOptions&) {
  return absl::UnimplementedError(kAbsent);
}

std::vector<std::string> Dpdk::kernel_devices() const {
  return {};
}

abi::PlacementKind Dpdk::placement_kind() const {
  return abi::PlacementKind::kNone;
}

absl::StatusOr<std::unique_ptr<Port>> Dpdk::MakePort(uint16_t, abi::CounterBlock*, HopReader*,
                                                     Approaching) {
  return absl::UnimplementedError(kAbsent);
}

int Dpdk::descriptor() const {
  return -1;
}

void Dpdk::Turn(TimeNs, abi::CounterBlock&) {}

std::vector<std::string> Dpdk::TakeNews() {
  return {};
}

uint32_t Dpdk::BuffersFree(const Port&) {
  return 0;
}

uint32_t Dpdk::Bound(const Port&) {
  return 0;
}

}  // namespace relay::port
