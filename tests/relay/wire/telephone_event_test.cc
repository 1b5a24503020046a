#include "relay/wire/telephone_event.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace relay::wire {
namespace {

TEST(TelephoneEvent, ReadsItsFourFields) {
  const tests::support::Bytes digit = tests::support::Digit(11, true, 1600);
  TelephoneEvent event;
  ASSERT_TRUE(ParseTelephoneEvent(digit.data(), digit.size(), &event));
  EXPECT_EQ(event.event, 11);
  EXPECT_TRUE(event.end);
  EXPECT_EQ(event.volume, 10);
  EXPECT_EQ(event.duration, 1600);
}

TEST(TelephoneEvent, ThreeBytesAreNone) {
  const tests::support::Bytes digit = tests::support::Digit(1, false, 160);
  TelephoneEvent event;
  EXPECT_FALSE(ParseTelephoneEvent(digit.data(), 3, &event));
}

}  // namespace
}  // namespace relay::wire
