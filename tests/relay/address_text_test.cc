#include "relay/address_text.h"

#include <gtest/gtest.h>

#include "relay/options.h"

namespace relay {
namespace {

TEST(AddressTextTest, WhatIsPrintedIsReadBack) {
  for (const char* text : {"192.0.2.1:10000-10009", "192.0.2.1@eth0:10000-39999",
                           "[2001:db8::1]:20000-20001", "[fe80::1]@wan:10000-10003"}) {
    EXPECT_EQ(ListenText(ParseListen(text).value()), text);
  }
}

TEST(AddressTextTest, Ipv4IsShownAsIpv4) {
  EXPECT_EQ(AddressText(abi::Address::Ipv4(198, 51, 100, 7)), "198.51.100.7");
}

}  // namespace
}  // namespace relay
