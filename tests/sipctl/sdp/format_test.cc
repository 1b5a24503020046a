#include "sipctl/sdp/format.h"

#include "gtest/gtest.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

TEST(Events, AreReadAndWrittenAsRanges) {
  EXPECT_EQ(FormatEvents(*ParseEvents("0-15")), "0-15");
  EXPECT_EQ(FormatEvents(*ParseEvents("66, 0-11,12-15,70")), "0-15,66,70");
  EXPECT_EQ(FormatEvents(*ParseEvents("255")), "255");
  EXPECT_EQ(FormatEvents(DefaultEvents()), "0-16");
  for (const char* text : {"", "a", "5-", "-5", "9-3", "256", "0-256", "1,,2", "1 2"}) {
    EXPECT_FALSE(ParseEvents(text).has_value()) << text;
  }
}

TEST(KnownFormats, StaticTypesNeedNoMap) {
  const std::vector<Format> formats =
      KnownFormats(Audio("audio 1 RTP/AVP 0 8 13 18 3", {}).media[0]);
  ASSERT_EQ(formats.size(), 3u);
  EXPECT_EQ(formats[0].codec, Codec::kPcmu);
  EXPECT_EQ(formats[1].codec, Codec::kPcma);
  EXPECT_EQ(formats[2].codec, Codec::kComfortNoise);
}

TEST(KnownFormats, AMapBeatsTheStaticMeaning) {
  const std::vector<Format> formats = KnownFormats(
      Audio("audio 1 RTP/AVP 0 97", {"rtpmap:0 G722/8000", "rtpmap:97 pcma/8000/1"}).media[0]);
  ASSERT_EQ(formats.size(), 1u);
  EXPECT_EQ(formats[0].codec, Codec::kPcma);
  EXPECT_EQ(formats[0].payload_type, 97);
}

TEST(KnownFormats, EventsAtTheClockRateOfSpeechAreChosen) {
  const std::vector<Format> formats =
      KnownFormats(Audio("audio 1 RTP/AVP 8 96 101",
                         {"rtpmap:96 telephone-event/16000", "rtpmap:101 telephone-event/8000"})
                       .media[0]);
  ASSERT_EQ(formats.size(), 2u);
  EXPECT_EQ(formats[1].payload_type, 101);
  EXPECT_EQ(FormatEvents(formats[1].events), "0-15");  // nothing said
}

TEST(KnownFormats, OneOfEachAndNothingOutOfRange) {
  const std::vector<Format> formats = KnownFormats(
      Audio("audio 1 RTP/AVP 8 8 200 x 98", {"rtpmap:98 PCMA/8000", "rtpmap:200 PCMU/8000"})
          .media[0]);
  ASSERT_EQ(formats.size(), 1u);
  EXPECT_EQ(formats[0].payload_type, 8);
}

// The answer would name it "0", which nobody offered.
TEST(KnownFormats, ANumberIsWrittenWithoutZeroesBeforeIt) {
  EXPECT_TRUE(KnownFormats(Audio("audio 1 RTP/AVP 00 08", {}).media[0]).empty());
}

}  // namespace
}  // namespace sipctl::sdp
