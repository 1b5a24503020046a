// What the tests of the xdp port share: a port on near0, its network and its next hops.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "relay/abi/counters.h"
#include "relay/clock.h"
#include "relay/port/neighbour.h"
#include "relay/port/xdp.h"

namespace relay::port {

class XdpPortTest : public testing::Test {
 protected:
  void TearDown() override { ClosePort(); }  // while the cable is there
  // Up to the port's socket, which the test attaches. What the network said so far is forgotten.
  absl::Status OpenPort(XdpOptions options) {
    options.devices = {"near0"};
    absl::StatusOr<std::unique_ptr<XdpNetwork>> network = XdpNetwork::Open(options);
    if (!network.ok()) return network.status();
    network_ = *std::move(network);
    network_->TakeNews();
    hops_ =
        NextHops::Open({.devices = {"near0"}, .addresses = options.addresses, .seed = 7}).value();
    port_ = network_
                ->MakePort(0, &counters_, hops_->reader(0),
                           [this](uint16_t local, const abi::Address& remote) {
                             hops_->Approach(local, remote);
                           })
                .value();
    return absl::OkStatus();
  }
  void ClosePort() {
    port_.reset();
    hops_.reset();
    network_.reset();
  }
  // Turns of the conductor, a second of its clock apart.
  std::vector<std::string> News() {
    network_->Turn(now_ += kSecond, conductor_);
    hops_->Turn(now_, conductor_);
    std::vector<std::string> news = network_->TakeNews();
    std::ranges::move(hops_->TakeNews(), std::back_inserter(news));
    return news;
  }

  abi::CounterBlock counters_{};
  abi::CounterBlock conductor_{};
  std::unique_ptr<XdpNetwork> network_;
  std::unique_ptr<NextHops> hops_;
  std::unique_ptr<Port> port_;
  TimeNs now_ = kSecond;
};

}  // namespace relay::port
