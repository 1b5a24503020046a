#include "sipctl/trunk/number_plan.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

const NumberPlan kIndia{.country = "91", .digits = 10};

TEST(NumberPlan, EachFormBecomesE164OrStaysAsItIs) {
  constexpr struct {
    const char* written;
    const char* made;
  } kRows[] = {
      {"+919812345678", "+919812345678"},
      {"+91 98123-45678", "+919812345678"},
      {"+91(981)234.5678", "+919812345678"},
      {"00919812345678", "+919812345678"},
      {"0014155550100", "+14155550100"},
      {"919812345678", "+919812345678"},
      {"09812345678", "+919812345678"},
      {"9812345678", "+919812345678"},
      {"9112345678", "+919112345678"},  // ten digits that begin like the country
      {"112", "112"},
      {"1800123456", "+911800123456"},
      {"00", "00"},
      {"000919812345678", "000919812345678"},
      {"0098", "0098"},
      {"098123456789", "098123456789"},    // a digit too many
      {"9198123456789", "9198123456789"},  // and here
      {"14155550100", "14155550100"},      // whose is it? left alone
      {"+0123456789", "+0123456789"},
      {"alice", "alice"},
      {"98-alice", "98-alice"},
      {"", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(ToE164(kIndia, row.written), row.made) << row.written;
  EXPECT_EQ(ToE164({}, "09812345678"), "09812345678");
  EXPECT_EQ(ToE164({}, "+91 98123-45678"), "+919812345678");
}

TEST(NumberPlan, ATrunkGetsTheFormThatItWants) {
  constexpr struct {
    NumberForm form;
    const char* at_home;
    const char* abroad;
  } kRows[] = {
      {NumberForm::kAsRouted, "+919812345678", "+14155550100"},
      {NumberForm::kE164, "+919812345678", "+14155550100"},
      {NumberForm::kPlain, "919812345678", "14155550100"},
      {NumberForm::kNational, "09812345678", "0014155550100"},
      {NumberForm::kInternational, "00919812345678", "0014155550100"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(FromE164(kIndia, row.form, "+919812345678"), row.at_home);
    EXPECT_EQ(FromE164(kIndia, row.form, "+14155550100"), row.abroad);
    EXPECT_EQ(FromE164(kIndia, row.form, "112"), "112");
  }
}

// What a trunk sends in any form comes back as the same number.
TEST(NumberPlan, ThereAndBack) {
  for (const NumberForm form :
       {NumberForm::kE164, NumberForm::kPlain, NumberForm::kNational, NumberForm::kInternational}) {
    EXPECT_EQ(ToE164(kIndia, FromE164(kIndia, form, "+919812345678")), "+919812345678");
  }
}

}  // namespace
}  // namespace sipctl::trunk
