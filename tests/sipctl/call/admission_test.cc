// What becomes of the torture messages: understood, answered with the right class, or dropped.
#include "sipctl/call/admission.h"

#include <algorithm>
#include <optional>

#include "gtest/gtest.h"
#include "sipctl/sdp/description.h"
#include "sipctl/sip/message.h"
#include "tests/support/torture_messages.h"

namespace sipctl::call {
namespace {

using support::Torture;
using support::TortureMessage;

class TortureTest : public testing::TestWithParam<TortureMessage> {};

// The status that a request gets; nothing: it is served. A failure that cannot be answered is -1.
std::optional<int> StatusOf(std::optional<sip::Message> message, const sip::ParseFailure& failure) {
  if (!message) return failure.answerable ? failure.status : -1;
  const std::optional<sip::Message> refusal = Examine(&*message);
  if (refusal) return refusal->status;
  return std::nullopt;
}

TEST_P(TortureTest, GetsTheRightClassOfAnswer) {
  const TortureMessage& torture = GetParam();
  sip::ParseFailure failure;
  const std::optional<sip::Message> message = sip::Parse(WireOf(torture), &failure);
  const std::string why = message ? "understood" : failure.sentence;
  switch (torture.outcome) {
    case Torture::kServed:
      ASSERT_TRUE(message.has_value()) << why;
      EXPECT_EQ(StatusOf(message, failure), std::nullopt);
      break;
    case Torture::kAnswered:
      EXPECT_EQ(StatusOf(message, failure), torture.status) << why;
      break;
    case Torture::kDropped:
      EXPECT_FALSE(message.has_value());
      EXPECT_FALSE(failure.answerable.has_value());
      break;
    case Torture::kResponse:
      ASSERT_TRUE(message.has_value()) << why;
      EXPECT_FALSE(message->is_request);
      EXPECT_EQ(message->status, torture.status);
      break;
  }
  // What is written of it is read again.
  if (!message) return;
  EXPECT_TRUE(sip::Parse(sip::Encode(*message), &failure)) << failure.sentence;
}

std::string NameOf(const testing::TestParamInfo<TortureMessage>& info) {
  std::string name;
  for (const char* c = info.param.name; *c != '\0'; ++c) name += *c == '-' ? '_' : *c;
  return name;
}

TEST(TortureMessagesTest, AllOfBothDocuments) {
  const auto sections_from = [](char first) {
    return std::count_if(support::TortureMessages().begin(), support::TortureMessages().end(),
                         [&](const TortureMessage& each) { return each.section[0] == first; });
  };
  EXPECT_EQ(sections_from('3'), 49);
  EXPECT_EQ(sections_from('5'), 12);
}

TEST(TortureMessagesTest, WhatIsOfferedIsUnderstood) {
  int offers = 0;
  for (const TortureMessage& torture : support::TortureMessages()) {
    sip::ParseFailure failure;
    const std::optional<sip::Message> message = sip::Parse(WireOf(torture), &failure);
    if (!message || message->content_type != "application/sdp") continue;
    const auto description = sdp::Parse(message->body);
    ASSERT_TRUE(description.ok()) << torture.name << ": " << description.status();
    EXPECT_FALSE(description->media.empty()) << torture.name;
    ++offers;
  }
  EXPECT_GT(offers, 8);
}

INSTANTIATE_TEST_SUITE_P(Rfc4475AndRfc5118, TortureTest,
                         testing::ValuesIn(support::TortureMessages()), NameOf);

}  // namespace
}  // namespace sipctl::call
