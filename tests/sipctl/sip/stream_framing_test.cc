#include "sipctl/sip/stream_framing.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Options(std::string_view id, std::string_view body) {
  return "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK" +
         std::string(id) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// What came out, pings as "(ping)", a broken stream as "(broken) reason"; pongs are counted.
std::vector<std::string> Drain(StreamFraming* framing, int* pongs = nullptr) {
  std::vector<std::string> out;
  while (true) {
    std::string_view message;
    switch (framing->Next(&message)) {
      case StreamFraming::Cut::kMessage:
        out.emplace_back(message);
        break;
      case StreamFraming::Cut::kPing:
        out.emplace_back("(ping)");
        break;
      case StreamFraming::Cut::kPong:
        if (pongs != nullptr) ++*pongs;
        break;
      case StreamFraming::Cut::kNothing:
        return out;
      case StreamFraming::Cut::kBroken:
        out.push_back("(broken) " + std::string(framing->reason()));
        return out;
    }
  }
}

// Feeds through a copy that is overwritten afterwards, as a read buffer is.
void FeedAndDrain(StreamFraming* framing, std::string bytes, std::vector<std::string>* out) {
  framing->Feed(bytes);
  for (std::string& piece : Drain(framing)) out->push_back(std::move(piece));
  std::fill(bytes.begin(), bytes.end(), '#');
}

TEST(StreamFraming, CutsAtEverySplitOffset) {
  const std::string first = Options("1", "v=0\r\n\r\n");
  const std::string refused =  // Parse answers 400; the framing goes on behind it
      "OPTIONS  bad start line\r\nno colon\r\nl: 3\r\n\r\nabc";
  const std::string folded = "OPTIONS sip:a SIP/2.0\nContent-Length\t:\n  4\n\nwxyz";
  const std::string last = Options("2", "");
  const std::string stream = "\r\n" + first + refused + "\r\n\r\n" + folded + last + "\r\n";
  const std::vector<std::string> expected = {first, refused, "(ping)", folded, last};
  for (size_t a = 0; a <= stream.size(); ++a) {
    for (size_t b = a; b <= stream.size(); b += 1 + (b % 7)) {
      StreamFraming framing;
      std::vector<std::string> out;
      FeedAndDrain(&framing, stream.substr(0, a), &out);
      FeedAndDrain(&framing, stream.substr(a, b - a), &out);
      FeedAndDrain(&framing, stream.substr(b), &out);
      ASSERT_EQ(out, expected) << a << " " << b;
      ASSERT_FALSE(framing.partial());
    }
  }
}

TEST(StreamFraming, CutsAStreamThatDripsByteByByte) {
  const std::string one = Options("1", std::string(3000, 'x'));
  StreamFraming framing;
  std::vector<std::string> out;
  for (char c : one + one) FeedAndDrain(&framing, std::string(1, c), &out);
  EXPECT_THAT(out, ElementsAre(one, one));
}

TEST(StreamFraming, KnowsWhetherAMessageIsUnfinished) {
  StreamFraming framing;
  std::vector<std::string> out;
  FeedAndDrain(&framing, "\r\n", &out);
  EXPECT_FALSE(framing.partial());
  FeedAndDrain(&framing, "OPT", &out);
  EXPECT_TRUE(framing.partial());
  FeedAndDrain(&framing, Options("1", "").substr(3), &out);
  EXPECT_FALSE(framing.partial());
}

TEST(StreamFraming, PingsAreDoubleEmptyLines) {
  StreamFraming framing;
  std::vector<std::string> out;
  FeedAndDrain(&framing, "\r\n\r", &out);
  EXPECT_TRUE(out.empty());
  FeedAndDrain(&framing, "\n\r\n", &out);
  EXPECT_THAT(out, ElementsAre("(ping)"));
  FeedAndDrain(&framing, "\r\n\r\n", &out);  // completes the one before, and half of another
  EXPECT_THAT(out, ElementsAre("(ping)", "(ping)"));
}

TEST(StreamFraming, OneEmptyLineIsAPong) {
  StreamFraming framing;
  int pongs = 0;
  const auto feed = [&](const std::string& bytes) {
    framing.Feed(bytes);
    return Drain(&framing, &pongs);
  };
  EXPECT_TRUE(feed("\r\n").empty());
  EXPECT_EQ(pongs, 1);
  EXPECT_THAT(feed("\r\n"), ElementsAre("(ping)"));  // it was the first half of this
  EXPECT_EQ(pongs, 1);
  EXPECT_THAT(feed("\r\n" + Options("1", "") + "\r\n"), ElementsAre(Options("1", "")));
  EXPECT_EQ(pongs, 3);
  EXPECT_THAT(feed("\r\n\r\n\r\n"), ElementsAre("(ping)", "(ping)"));
  EXPECT_EQ(pongs, 3);
  EXPECT_TRUE(feed("\r").empty());
  EXPECT_EQ(pongs, 3);
  EXPECT_TRUE(feed("\n").empty());
  EXPECT_EQ(pongs, 4);
}

TEST(StreamFraming, NamesWhyItCannotGoOn) {
  struct Case {
    std::string bytes;
    std::string_view reason;
  };
  const std::string start = "OPTIONS sip:a SIP/2.0\r\n";
  const Case cases[] = {
      {start + "\r\n", "no Content-Length"},
      {start + "l: x\r\n\r\n", "not a number"},
      {start + "l: -1\r\n\r\n", "not a number"},
      {start + "l: 99999999999999999999\r\n\r\n", "not a number"},
      {start + "l: 1\r\nContent-Length: 2\r\n\r\nab", "differ"},
      {start + "l: 65536\r\n\r\n", "over 64 KiB"},
      {start + "X: " + std::string(kHeadBytesMax, 'x'), "head over"},
      {std::string("\x16\x03\x01\x02\x00", 5), "not SIP"},
      {std::string(1, '\0'), "not SIP"},
  };
  for (const Case& c : cases) {
    StreamFraming framing;
    std::vector<std::string> out;
    FeedAndDrain(&framing, Options("1", "") + c.bytes, &out);
    ASSERT_EQ(out.size(), 2u) << c.reason;
    EXPECT_EQ(out[0], Options("1", ""));
    EXPECT_THAT(out[1], HasSubstr("(broken)"));
    EXPECT_THAT(out[1], HasSubstr(std::string(c.reason)));
    FeedAndDrain(&framing, Options("2", ""), &out);  // stays broken
    EXPECT_THAT(out.back(), HasSubstr("(broken)"));
  }
}

}  // namespace
}  // namespace sipctl::sip
