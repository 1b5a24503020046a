#include "sipctl/call/info_digit.h"

#include "gtest/gtest.h"

namespace sipctl::call {
namespace {

struct Row {
  const char* type;
  const char* body;
  int event;  // -1: no digit
  int duration_ms;
};

TEST(InfoDigit, AsPeersWriteIt) {
  const Row rows[] = {
      {"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 5, 160},
      {"application/dtmf-relay", "Signal= *\r\nDuration= 250", 10, 250},
      {"Application/DTMF-Relay", "signal = #\nduration = 100\n", 11, 100},
      {"application/dtmf-relay", "Signal=D", 15, 160},
      {"application/dtmf-relay", "Signal=a\r\nDuration=x", 12, 160},
      {"application/dtmf-relay", "Signal=11\r\nDuration=1", 11, 40},
      {"application/dtmf-relay", "Duration=99999\r\nSignal=0", 0, 6000},
      {"application/dtmf-relay", "Signal=!", 16, 160},
      {"application/dtmf-relay; charset=utf-8", "Signal=1", 1, 160},
      {"application/dtmf", "7", 7, 160},
      {"application/dtmf", " #\r\n", 11, 160},
      {"application/dtmf", "16", 16, 160},
      {"application/dtmf-relay", "Duration=160", -1, 0},
      {"application/dtmf-relay", "Signal=", -1, 0},
      {"application/dtmf-relay", "Signal=E", -1, 0},
      {"application/dtmf-relay", "Signal=17", -1, 0},
      {"application/dtmf-relay", "5", -1, 0},
      {"application/dtmf", "", -1, 0},
      {"application/dtmf", "05", -1, 0},
      {"application/dtmf", "123", -1, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.type) + ": " + row.body);
    EXPECT_TRUE(IsDigitType(row.type));
    const auto digit = ParseInfoDigit(row.type, row.body);
    ASSERT_EQ(digit.has_value(), row.event >= 0);
    if (!digit) continue;
    EXPECT_EQ(digit->event, row.event);
    EXPECT_EQ(digit->duration_ms, row.duration_ms);
  }
}

TEST(InfoDigit, OtherTypesAreNotDigits) {
  for (const char* type : {"", "application/sdp", "application/dtmf-relay2", "text/plain"}) {
    EXPECT_FALSE(IsDigitType(type)) << type;
  }
}

TEST(InfoDigit, Names) {
  std::string names;
  for (uint8_t event = 0; event < 18; ++event) names += DigitName(event);
  EXPECT_EQ(names, "0123456789*#ABCD!?");
}

}  // namespace
}  // namespace sipctl::call
