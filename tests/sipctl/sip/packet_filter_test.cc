#include "sipctl/sip/packet_filter.h"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/sip/socket.h"
#include "tests/support/sip_socket_fixture.h"

namespace sipctl::sip {
namespace {

using relay::abi::Address;
using ::testing::SizeIs;

Network Of(std::string_view address, int bits) {
  const Address parsed = *ParseAddress(address);
  return {parsed, static_cast<uint8_t>(parsed.IsIpv4() ? 96 + bits : bits)};
}

// What the kernel does with the program, as far as ours go.
bool Passes(const std::vector<sock_filter>& program, const Address& source) {
  const size_t header = source.IsIpv4() ? 12 : 8;
  const size_t skipped = source.IsIpv4() ? 12 : 0;
  uint32_t accumulator = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    const auto jump = [&](bool is_so) { at += is_so ? step.jt : step.jf; };
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS: {
        const size_t from = skipped + step.k - static_cast<uint32_t>(SKF_NET_OFF) - header;
        accumulator = 0;
        for (size_t i = 0; i < 4; ++i) accumulator = accumulator << 8 | source.bytes.at(from + i);
        break;
      }
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(accumulator == step.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(accumulator >= step.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(accumulator > step.k);
        break;
      case BPF_RET | BPF_K:
        return step.k != 0;
      default:
        ADD_FAILURE() << "instruction " << step.code;
        return false;
    }
  }
  ADD_FAILURE() << "no end";
  return false;
}

bool Contains(const Network& network, const Address& address) {
  for (int bit = 0; bit < network.prefix_length; ++bit) {
    const auto byte = static_cast<size_t>(bit / 8);
    if ((network.address.bytes[byte] ^ address.bytes[byte]) >> (7 - bit % 8) & 1) return false;
  }
  return true;
}

TEST(PacketFilterTest, SaysOfEachAddressWhatTheListSays) {
  std::mt19937 dice(4711);
  const auto below = [&dice](uint32_t bound) { return dice() % bound; };
  int passed = 0;
  int dropped = 0;
  for (int round = 0; round < 2000; ++round) {
    const bool ipv4 = below(2) == 0;
    // Few different bits, so that networks lie in, beside and far from each other.
    const auto address = [&] {
      Address made = ipv4 ? Address::Ipv4(10, 0, 0, 0) : *ParseAddress("2001:db8::");
      for (size_t i = ipv4 ? 12 : 4; i < 16; ++i) {
        made.bytes[i] = static_cast<uint8_t>(below(3) == 0 ? below(4) : below(2) * 0xff);
      }
      return made;
    };
    std::vector<Network> networks(below(6));
    for (Network& network : networks) {
      const int bits = ipv4 ? 96 + static_cast<int>(below(33)) : static_cast<int>(below(129));
      network = {address(), static_cast<uint8_t>(bits)};
      for (int bit = bits; bit < 128; ++bit) {
        network.address.bytes[static_cast<size_t>(bit / 8)] &=
            static_cast<uint8_t>(~(0x80 >> bit % 8));
      }
    }
    const auto program = PacketFilter(networks, ipv4 ? Family::kIpv4 : Family::kIpv6);
    for (int i = 0; i < 20; ++i) {
      const Address source = address();
      bool listed = false;
      for (const Network& network : networks) listed |= Contains(network, source);
      ASSERT_EQ(Passes(program, source), listed) << AddressText(source) << " in round " << round;
      ++(listed ? passed : dropped);
    }
  }
  EXPECT_GT(passed, 2000);
  EXPECT_GT(dropped, 2000);
}

TEST(PacketFilterTest, TheEdgesOfANetwork) {
  const auto program =
      PacketFilter(std::vector{Of("192.0.2.16", 28), Of("255.255.255.0", 24), Of("2001:db8::", 61)},
                   Family::kIpv4);
  EXPECT_TRUE(Passes(program, *ParseAddress("192.0.2.16")));
  EXPECT_TRUE(Passes(program, *ParseAddress("192.0.2.31")));
  EXPECT_FALSE(Passes(program, *ParseAddress("192.0.2.15")));
  EXPECT_FALSE(Passes(program, *ParseAddress("192.0.2.32")));
  EXPECT_TRUE(Passes(program, *ParseAddress("255.255.255.255")));
}

TEST(PacketFilterTest, NeighboursAreOneRangeAndEverybodyIsOneInstructionMore) {
  const std::vector<Network> halves{Of("10.0.0.128", 25), Of("10.0.0.0", 25), Of("10.0.0.7", 32)};
  EXPECT_THAT(PacketFilter(halves, Family::kIpv4), SizeIs(1 + 3 + 1));
  EXPECT_TRUE(
      Passes(PacketFilter(std::vector{Of("::", 0)}, Family::kIpv4), *ParseAddress("198.51.100.1")));
  EXPECT_TRUE(
      Passes(PacketFilter(std::vector{Of("::", 0)}, Family::kIpv6), *ParseAddress("2001:db8::1")));
  EXPECT_FALSE(Passes(PacketFilter({}, Family::kIpv4), *ParseAddress("198.51.100.1")));
}

TEST(PacketFilterTest, WhatTheKernelDoesNotTakeLeavesNone) {
  absl::StatusOr<Socket> socket = OpenUdp(*ParseSocketAddress("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE(AttachFilter(socket->fd(), PacketFilter({}, Family::kIpv4)).ok());
  std::vector<Network> many;
  for (int i = 0; i < 3000; ++i) {
    many.push_back(
        {Address::Ipv4(10, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 2), 128});
  }
  EXPECT_FALSE(AttachFilter(socket->fd(), PacketFilter(many, Family::kIpv4)).ok());
  socklen_t instructions = 0;
  ASSERT_EQ(getsockopt(socket->fd(), SOL_SOCKET, SO_GET_FILTER, nullptr, &instructions), 0);
  EXPECT_EQ(instructions, 0u);
}

class PermitTest : public SocketFixture {
 protected:
  PermitTest() {
    options.access = [this](const SocketAddress& source, uint16_t) {
      asked.push_back(AddressText(source.address));
      return true;
    };
  }
  // Whether a SYN from there is answered.
  bool Connects(Peer* peer, uint16_t listener = kTcp4) {
    fcntl(peer->fd(), F_SETFL, O_NONBLOCK);
    KernelAddress to(transport->bound(listener));
    connect(peer->fd(), to.data(), to.size);
    pollfd waiting{peer->fd(), POLLOUT, 0};
    return poll(&waiting, 1, 200) == 1;
  }

  std::vector<std::string> asked;
};

TEST_F(PermitTest, DatagramsOfStrangersEndInTheKernel) {
  Start();
  const std::vector<Network> friends{Of("127.0.0.2", 32), Of("::1", 128)};
  ASSERT_TRUE(transport->Permit(friends).ok());
  Peer stranger(SOCK_DGRAM, "127.0.0.3:0");
  stranger.Connect(transport->bound(kUdp4));
  for (int i = 0; i < 5; ++i) stranger.Write(Options(i));
  Peer known(SOCK_DGRAM, "127.0.0.2:0");
  known.Connect(transport->bound(kUdp4));
  known.Write(Options(7));
  Peer known6(SOCK_DGRAM, "[::1]:0");
  known6.Connect(transport->bound(kUdp6));
  known6.Write(Options(8));
  Until([&] { return user.messages.size() == 2; });
  EXPECT_THAT(asked, testing::UnorderedElementsAre("127.0.0.2", "::1"));
  EXPECT_EQ(transport->counters().kernel_drops, 5u);
  EXPECT_EQ(transport->counters().stranger_datagrams, 0u);
  // The list changes: what is dropped changes with it.
  ASSERT_TRUE(transport->Permit(std::vector{Of("127.0.0.3", 32)}).ok());
  known.Write(Options(9));
  known6.Write(Options(10));
  stranger.Write(Options(11));
  Until([&] { return user.messages.size() == 3; });
  EXPECT_EQ(user.messages.back().call_id, "c11");
  EXPECT_EQ(asked.back(), "127.0.0.3");
}

TEST_F(PermitTest, ASynOfAStrangerIsNotAnsweredAndWhoIsConnectedStays) {
  Start();
  ASSERT_TRUE(transport->Permit(std::vector{Of("127.0.0.2", 32)}).ok());
  Peer stranger(SOCK_STREAM, "127.0.0.3:0");
  EXPECT_FALSE(Connects(&stranger));
  Peer known(SOCK_STREAM, "127.0.0.2:0");
  ASSERT_TRUE(Connects(&known));
  known.Write(Options(1));
  Until([&] { return user.messages.size() == 1; });
  EXPECT_THAT(asked, testing::ElementsAre("127.0.0.2"));
  ASSERT_TRUE(transport->Permit({}).ok());
  known.Write(Options(2));
  Until([&] { return user.messages.size() == 2; });
  Peer late(SOCK_STREAM, "127.0.0.2:0");
  EXPECT_FALSE(Connects(&late));
  EXPECT_EQ(transport->counters().stranger_connections, 0u);
}

// Of the one address that is local, a list that names it and one that does not.
TEST_F(PermitTest, ASynOfAStrangerIsNotAnsweredOverIpv6Either) {
  Start();
  ASSERT_TRUE(transport->Permit(std::vector{Of("2001:db8::", 32)}).ok());
  Peer stranger(SOCK_STREAM, "[::1]:0");
  EXPECT_FALSE(Connects(&stranger, kTcp6));
  ASSERT_TRUE(transport->Permit(std::vector{Of("::1", 128)}).ok());
  Peer known(SOCK_STREAM, "[::1]:0");
  ASSERT_TRUE(Connects(&known, kTcp6));
  known.Write(Options(1));
  Until([&] { return user.messages.size() == 1; });
  EXPECT_THAT(asked, testing::ElementsAre("::1"));
}

}  // namespace
}  // namespace sipctl::sip
