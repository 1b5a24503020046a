#include "relay/port/raw_endpoints.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace relay::port {
namespace {

constexpr wire::MacAddress kOwnMac = {2, 0, 0, 0, 0, 1};
constexpr wire::MacAddress kFarMac = {2, 0, 0, 0, 0, 2};
const abi::Endpoint kFar = {.address = abi::Address::Ipv4(203, 0, 113, 9), .port = 4000};

abi::LocalAddress Own(uint8_t last, uint16_t interface = 0, uint16_t vlan = 0) {
  return {.address = abi::Address::Ipv4(192, 0, 2, last),
          .interface = interface,
          .vlan = vlan,
          .port_first = 10000,
          .port_last = 39999,
          .interface_name = {},
          .reserved = {}};
}

std::vector<uint8_t> FrameTo(const abi::Endpoint& to, size_t length = 20, bool checksum = true) {
  std::vector<uint8_t> bytes(kHeadroom + length, 7);
  const wire::Envelope envelope{.to = kOwnMac,
                                .from = kFarMac,
                                .source = kFar,
                                .destination = to,
                                .dscp = 46,
                                .udp_checksum = checksum};
  const size_t headers = wire::WriteHeaders(envelope, std::span(bytes).subspan(kHeadroom));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(kHeadroom - headers));
  return bytes;
}

class RawEndpointsTest : public testing::Test {
 protected:
  Fate Judge(const std::vector<uint8_t>& frame, uint16_t interface = 0,
             const Inspection& inspection = {}) {
    return endpoints_.Judge(frame, interface, inspection, &packet_);
  }
  uint64_t Counted(abi::Counter counter) { return counters_.Read(counter); }
  Handle Open(uint16_t address, uint16_t port) {
    const Handle handle = endpoints_.Bind({.address = address, .port = port}).value();
    endpoints_.Adopt(handle);
    return handle;
  }
  static abi::Endpoint To(uint8_t last, uint16_t port, uint16_t vlan = 0) {
    return {.address = abi::Address::Ipv4(192, 0, 2, last), .port = port, .vlan = vlan};
  }

  const std::vector<abi::LocalAddress> addresses_ = {Own(1), Own(2, 1), Own(3, 0, 77), Own(1, 1)};
  abi::CounterBlock counters_{};
  RawEndpoints endpoints_{addresses_, &counters_};
  Packet packet_{};
};

TEST_F(RawEndpointsTest, ADatagramForALegIsDelivered) {
  const Handle handle = Open(0, 10000);
  const std::vector<uint8_t> frame = FrameTo(To(1, 10000));
  ASSERT_EQ(Judge(frame), Fate::kDeliver);
  EXPECT_EQ(packet_.data, frame.data() + 42);
  EXPECT_EQ(packet_.length, 20u);
  EXPECT_EQ(packet_.local, (abi::LocalEndpoint{.address = 0, .port = 10000}));
  EXPECT_EQ(packet_.handle, handle);
  EXPECT_EQ(packet_.remote, kFar);
  EXPECT_EQ(packet_.checksum, Checksum::kGood);
  EXPECT_EQ(packet_.dscp, 46);
}

// The same address may exist behind two interfaces, and an address only in its VLAN.
TEST_F(RawEndpointsTest, InterfaceAndVlanArePartOfAnAddress) {
  for (uint16_t address : {0, 1, 2, 3}) Open(address, 10000);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000)), 0), Fate::kDeliver);
  EXPECT_EQ(packet_.local.address, 0);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000)), 1), Fate::kDeliver);
  EXPECT_EQ(packet_.local.address, 3);
  EXPECT_EQ(packet_.remote.interface, 1);
  EXPECT_EQ(Judge(FrameTo(To(2, 10000)), 0), Fate::kNotTaken);
  EXPECT_EQ(Judge(FrameTo(To(3, 10000, 77))), Fate::kDeliver);
  EXPECT_EQ(Judge(FrameTo(To(3, 10000)), 0, {.tag_removed = true, .vlan = 77}), Fate::kDeliver);
  EXPECT_EQ(packet_.remote.vlan, 77);
  EXPECT_EQ(Judge(FrameTo(To(3, 10000))), Fate::kNotTaken);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000, 77))), Fate::kNotTaken);
  EXPECT_EQ(Counted(abi::Counter::kNotOurs), 3u);
  // A second tag behind the one that was taken off.
  EXPECT_EQ(Judge(FrameTo(To(3, 10000, 77)), 0, {.tag_removed = true, .vlan = 77}),
            Fate::kNotTaken);
  EXPECT_EQ(Counted(abi::Counter::kBadFrame), 1u);
}

TEST_F(RawEndpointsTest, OutsideTheRangeIsTheKernels) {
  EXPECT_EQ(Judge(FrameTo(To(1, 9999))), Fate::kNotTaken);
  EXPECT_EQ(Judge(FrameTo(To(1, 40000))), Fate::kNotTaken);
  EXPECT_EQ(Counted(abi::Counter::kNotOurs), 2u);
  EXPECT_EQ(Judge(FrameTo(To(1, 39999))), Fate::kDropped);
  EXPECT_EQ(Counted(abi::Counter::kNoLeg), 1u);
}

TEST_F(RawEndpointsTest, OnlyFramesForOwnMac) {
  Open(0, 10000);
  endpoints_.SetOwnMac(0, kOwnMac);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000))), Fate::kDeliver);
  endpoints_.SetOwnMac(0, kFarMac);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000))), Fate::kNotTaken);
}

TEST_F(RawEndpointsTest, ALegTakesPacketsFromAdoptToDrop) {
  const std::vector<uint8_t> frame = FrameTo(To(1, 10000));
  EXPECT_EQ(Judge(frame), Fate::kDropped);
  const Handle handle = endpoints_.Bind({.address = 0, .port = 10000}).value();
  EXPECT_EQ(endpoints_.bound(), 1u);
  EXPECT_EQ(Judge(frame), Fate::kDropped);
  EXPECT_EQ(endpoints_.Bind({.address = 0, .port = 10000}).status().code(),
            absl::StatusCode::kAlreadyExists);
  endpoints_.Adopt(handle);
  EXPECT_EQ(Judge(frame), Fate::kDeliver);
  endpoints_.Drop(handle);
  EXPECT_EQ(Judge(frame), Fate::kDropped);
  EXPECT_EQ(endpoints_.bound(), 0u);
  EXPECT_EQ(Counted(abi::Counter::kNoLeg), 3u);
  EXPECT_EQ(endpoints_.Bind({.address = 4, .port = 10000}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RawEndpointsTest, ChecksumsAsTheNicSaysAndAsTheyAre) {
  Open(0, 10000);
  std::vector<uint8_t> frame = FrameTo(To(1, 10000));
  frame.back() ^= 1;
  EXPECT_EQ(Judge(frame), Fate::kDropped);
  EXPECT_EQ(Judge(frame, 0, {.udp = Checksum::kBad}), Fate::kDropped);
  EXPECT_EQ(Counted(abi::Counter::kBadChecksum), 2u);
  EXPECT_EQ(Judge(frame, 0, {.udp = Checksum::kGood}), Fate::kDeliver);
  EXPECT_EQ(packet_.checksum, Checksum::kGood);

  frame = FrameTo(To(1, 10000), 20, false);
  EXPECT_EQ(Judge(frame), Fate::kDeliver);
  EXPECT_EQ(packet_.checksum, Checksum::kPartial);
  EXPECT_EQ(Judge(frame, 0, {.udp = Checksum::kBad}), Fate::kDeliver);
  EXPECT_EQ(packet_.checksum, Checksum::kPartial);

  frame[40] = frame[41] = 0;  // the sender chose to send none
  EXPECT_EQ(Judge(frame, 0, {.udp = Checksum::kGood}), Fate::kDeliver);
  EXPECT_EQ(packet_.checksum, Checksum::kUnknown);

  frame[24] ^= 1;  // the IPv4 header
  EXPECT_EQ(Judge(frame), Fate::kNotTaken);
  EXPECT_EQ(Judge(frame, 0, {.ip_checksum_good = true}), Fate::kDeliver);
}

TEST_F(RawEndpointsTest, TooLongIsRefused) {
  Open(0, 10000);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000), kPayloadMax)), Fate::kDeliver);
  EXPECT_EQ(Judge(FrameTo(To(1, 10000), kPayloadMax + 1)), Fate::kDropped);
  EXPECT_EQ(Counted(abi::Counter::kTooLong), 1u);
}

// As many as there can be, all found.
TEST(RawEndpoints, TwoHundredAndFiftySixAddresses) {
  std::vector<abi::LocalAddress> addresses;
  for (int i = 0; i < 256; ++i) addresses.push_back(Own(static_cast<uint8_t>(i)));
  abi::CounterBlock counters{};
  RawEndpoints endpoints(addresses, &counters);
  for (uint16_t i = 0; i < 256; ++i) {
    endpoints.Adopt(endpoints.Bind({.address = i, .port = 20000}).value());
    Packet packet;
    const abi::Endpoint to{.address = abi::Address::Ipv4(192, 0, 2, static_cast<uint8_t>(i)),
                           .port = 20000};
    EXPECT_EQ(endpoints.Judge(FrameTo(to), 0, {}, &packet), Fate::kDeliver);
    EXPECT_EQ(packet.local.address, i);
  }
}

}  // namespace
}  // namespace relay::port
