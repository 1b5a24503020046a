#include "relay/range_claim.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace relay {
namespace {

using testing::HasSubstr;

abi::LocalAddress Range(uint8_t last_byte, uint16_t first, uint16_t last) {
  abi::LocalAddress local{};
  local.address = abi::Address::Ipv4(198, 51, 100, last_byte);
  local.port_first = first;
  local.port_last = last;
  return local;
}

// What another process says that wants these.
std::string Elsewhere(const std::vector<abi::LocalAddress>& wanted) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const auto claim = ClaimRanges(wanted);
    const std::string said = claim.ok() ? "taken" : std::string(claim.status().message());
    const ssize_t written = write(ends[1], said.data(), said.size());
    _exit(written < 0);
  }
  close(ends[1]);
  std::string said;
  char piece[512];
  for (ssize_t length; (length = read(ends[0], piece, sizeof piece)) > 0;) {
    said.append(piece, static_cast<size_t>(length));
  }
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return said;
}

TEST(RangeClaim, WhatOverlapsIsRefusedByNameOfTheOther) {
  const std::vector<abi::LocalAddress> ours = {Range(1, 10000, 19999), Range(2, 30000, 39999)};
  {
    const auto claim = ClaimRanges(ours);
    ASSERT_TRUE(claim.ok()) << claim.status();
    const std::string said = Elsewhere({Range(1, 19999, 20999)});
    EXPECT_THAT(said, HasSubstr("--listen 198.51.100.1:19999-20999: process "));
    EXPECT_THAT(said, HasSubstr(std::to_string(getpid()) + " relays on 198.51.100.1:10000-19999"));
    EXPECT_THAT(said, HasSubstr("; stop it, or give one of the two other ports"));
    EXPECT_THAT(Elsewhere({Range(3, 10000, 39999), Range(2, 10000, 39999)}),
                HasSubstr("relays on 198.51.100.2:30000-39999"));
    EXPECT_EQ(Elsewhere({Range(1, 20000, 39999), Range(2, 10000, 29999), Range(3, 10000, 39999)}),
              "taken");
  }
  EXPECT_EQ(Elsewhere(ours), "taken") << "a claim ends with its holder";
}

TEST(RangeClaim, TwoRangesOfOneAddressAreNoQuarrelWithOneself) {
  EXPECT_TRUE(ClaimRanges(std::vector{Range(4, 10000, 10999), Range(4, 12000, 12999)}).ok());
}

}  // namespace
}  // namespace relay
