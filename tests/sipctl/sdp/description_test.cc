#include "sipctl/sdp/description.h"

#include <random>

#include "gtest/gtest.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

TEST(Description, TheCarriersOfferIsReadWithoutItsSubject) {
  const Description description = MustParse(kCarrierOffer);
  const Origin origin = *description.origin();
  EXPECT_EQ(origin.username, "root");
  EXPECT_EQ(origin.session_id, "1821411163");
  EXPECT_EQ(origin.address, "203.0.113.20");
  ASSERT_EQ(description.media.size(), 1u);
  const Media& audio = description.media[0];
  EXPECT_EQ(audio.kind, "audio");
  EXPECT_EQ(audio.port, 17392);
  EXPECT_EQ(audio.formats, (std::vector<std::string>{"8", "0", "96"}));
  EXPECT_EQ(audio.rtpmap(96)->encoding, "telephone-event");
  EXPECT_EQ(audio.rtpmap(96)->clock_rate_hz, 8000u);
  EXPECT_EQ(audio.fmtp(96), "0-15");
  EXPECT_EQ(audio.ptime_ms(), 20u);
  EXPECT_EQ(audio.rtcp()->port, 17393);
  EXPECT_FALSE(audio.rtcp_mux());
  EXPECT_EQ(description.ConnectionOf(audio)->host, "203.0.113.20");
  EXPECT_EQ(description.DirectionOf(audio), Direction::kSendRecv);
}

TEST(Description, TheWriterIsStrictWhereTheReaderForgave) {
  // Bare LF, trailing spaces, wrong order, no s=, no t=, unknown lines at both levels.
  const Description description = MustParse(
      "v=0\nc=IN IP4 192.0.2.1  \nX=kept here\no=- 7 8 IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 8\n"
      "a=sendonly \ny=unknown\nc=IN IP4 192.0.2.9\n");
  EXPECT_EQ(Write(description), Body({
                                    "v=0",
                                    "o=- 7 8 IN IP4 192.0.2.1",
                                    "s=-",
                                    "c=IN IP4 192.0.2.1",
                                    "X=kept here",
                                    "t=0 0",
                                    "m=audio 4000 RTP/AVP 8",
                                    "c=IN IP4 192.0.2.9",
                                    "a=sendonly",
                                    "y=unknown",
                                }));
  EXPECT_EQ(description.ConnectionOf(description.media[0])->host, "192.0.2.9");
  EXPECT_EQ(description.DirectionOf(description.media[0]), Direction::kSendOnly);
}

TEST(Description, AWellFormedBodyIsWrittenAsItWasRead) {
  const std::string body = Body({
      "v=0",
      "o=jdoe 3724394400 3724394405 IN IP6 2001:db8::10",
      "s=A subject with  two spaces",
      "i=what it is about",
      "u=http://example.com/",
      "e=j.doe@example.com",
      "p=+1 617 555-6011",
      "c=IN IP6 2001:db8::10",
      "b=AS:64",
      "t=3724394400 3724398000",
      "r=7d 1h 0 25h",
      "t=3724484400 3724488000",
      "a=group:BUNDLE 0",
      "m=audio 49170/2 RTP/AVP 0",
      "i=speech",
      "b=TIAS:64000",
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abcd",
      "a=candidate:1 1 UDP 2130706431 192.0.2.4 3000 typ host",
      "m=video 0 RTP/AVP 99",
      "a=rtpmap:99 h263-1998/90000",
  });
  const Description description = MustParse(body);
  EXPECT_EQ(Write(description), body);
  EXPECT_EQ(description.media[0].port_count, 2);
  EXPECT_EQ(description.media[0].crypto(),
            std::vector<std::string_view>{"1 AES_CM_128_HMAC_SHA1_80 inline:abcd"});
}

TEST(Description, EveryRefusalNamesItsLine) {
  const struct {
    const char* body;
    const char* error;
  } kRows[] = {
      {"", "SDP: the body is empty"},
      {"\r\n\r\n", "SDP: the body is empty"},
      {"o=- 1 1 IN IP4 192.0.2.1\r\n", "SDP line 1: a description begins with v=0"},
      {"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n", "SDP line 1: the version must be v=0"},
      {"v=0\r\ns=-\r\n", "SDP: there is no o= line"},
      {"v=0\r\no=- 1 1 IN IP4\r\n",
       "SDP line 2: o= needs user, session, version, IN, IP4 or IP6, and an address"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\no=- 1 1 IN IP4 a\r\n", "SDP line 3: a second o= line"},
      {"v=0\r\n\r\nv=0\r\n", "SDP line 3: a second v= line"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\nc=IN IP4\r\n",
       "SDP line 3: c= needs IN, IP4 or IP6, and an address"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\nc=ATM NSAP a\r\n",
       "SDP line 3: c= needs IN, IP4 or IP6, and an address"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\nm=audio 4000\r\n",
       "SDP line 3: m= needs a kind, a port, a protocol and a format"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\nm=audio 65536 RTP/AVP 8\r\n",
       "SDP line 3: m= needs a port from 0 to 65535, not '65536'"},
      {"v=0\r\no=- 1 1 IN IP4 a\r\nm=audio 4000/0 RTP/AVP 8\r\n",
       "SDP line 3: m= needs a port from 0 to 65535, not '4000/0'"},
      {"v=0\r\nhello\r\n", "SDP line 2: not of the form x=value"},
      {"v=0\r\n1=x\r\n", "SDP line 2: not of the form x=value"},
      {"v=0\r\na=x\ry\r\n", "SDP line 2: a NUL or a CR inside a line"},
  };
  for (const auto& row : kRows) {
    const absl::StatusOr<Description> description = Parse(row.body);
    ASSERT_FALSE(description.ok()) << row.body;
    EXPECT_EQ(description.status().message(), row.error);
  }
}

TEST(Description, HasLimits) {
  const std::string start = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
  const auto repeated = [&start](size_t count, const std::string& line) {
    std::string body = start;
    for (size_t i = 0; i < count; ++i) body += line + "\r\n";
    return body;
  };
  EXPECT_TRUE(Parse(repeated(kLinesMax - 2, "a=x")).ok());
  EXPECT_FALSE(Parse(repeated(kLinesMax - 1, "a=x")).ok());
  EXPECT_TRUE(Parse(repeated(kMediaMax, "m=audio 1 RTP/AVP 8")).ok());
  EXPECT_FALSE(Parse(repeated(kMediaMax + 1, "m=audio 1 RTP/AVP 8")).ok());
  EXPECT_TRUE(Parse(start + "a=" + std::string(kLineBytesMax - 2, 'x')).ok());
  EXPECT_FALSE(Parse(start + "a=" + std::string(kLineBytesMax - 1, 'x')).ok());
  std::string formats = "m=audio 1 RTP/AVP";
  for (size_t i = 0; i < kFormatsMax; ++i) formats += " 8";
  EXPECT_TRUE(Parse(start + formats).ok());
  EXPECT_FALSE(Parse(start + formats + " 8").ok());
  EXPECT_FALSE(Parse(std::string(kBytesMax + 1, 'v')).ok());
}

TEST(Description, UnreadableAttributesHaveNoTypedValue) {
  const Description description =
      Audio("audio 4000 RTP/AVP 8 96", {"rtpmap:96", "rtpmap:97 telephone-event", "rtpmap:98 a/b",
                                        "ptime:abc", "rtcp:70000", "fmtp:96"});
  const Media& media = description.media[0];
  EXPECT_FALSE(media.rtpmap(96).has_value());
  EXPECT_FALSE(media.rtpmap(97).has_value());
  EXPECT_FALSE(media.rtpmap(98).has_value());
  EXPECT_FALSE(media.ptime_ms().has_value());
  EXPECT_FALSE(media.rtcp().has_value());
  EXPECT_FALSE(media.fmtp(96).has_value());
}

TEST(Description, ReadsTheRtcpAttributeWithAndWithoutAddress) {
  EXPECT_EQ(Audio("audio 1 RTP/AVP 8", {"rtcp:53020"}).media[0].rtcp()->port, 53020);
  const RtcpAttribute rtcp =
      *Audio("audio 1 RTP/AVP 8", {"rtcp:53020 IN IP4 126.16.64.4"}).media[0].rtcp();
  EXPECT_EQ(rtcp.host, "126.16.64.4");
}

TEST(Description, ATtlIsNoPartOfTheAddress) {
  const Description description = Audio("audio 1 RTP/AVP 8", {}, "224.2.1.1/127/3");
  EXPECT_EQ(description.connection()->host, "224.2.1.1");
  EXPECT_EQ(description.connection()->line, 4);
  EXPECT_FALSE(Audio("audio 1 RTP/AVP 8", {}, "media.example.com").connection()->address());
}

TEST(Direction, MirrorsAndIntersects) {
  EXPECT_EQ(Mirror(Direction::kSendOnly), Direction::kRecvOnly);
  EXPECT_EQ(Mirror(Direction::kInactive), Direction::kInactive);
  EXPECT_EQ(Intersect(Direction::kSendOnly, Direction::kSendRecv), Direction::kSendOnly);
  EXPECT_EQ(Intersect(Direction::kSendOnly, Direction::kRecvOnly), Direction::kInactive);
}

// Whatever is read, writing it and reading it again changes nothing more.
TEST(Description, WrittenBodiesAreStable) {
  std::mt19937 random(20261121);
  const std::string_view kLines[] = {"s=-",
                                     "s=",
                                     "t=0 0",
                                     "r=7d 1h 0 25h",
                                     "c=IN IP4 192.0.2.1",
                                     "a=sendrecv",
                                     "a=ptime:20  ",
                                     "b=AS:1",
                                     "X=what",
                                     "i=",
                                     "k=prompt",
                                     "y=",
                                     "z=0 0",
                                     "u=u",
                                     "e=e",
                                     "m=audio 4000 RTP/AVP 8 0 101",
                                     "m=video 0 x 1"};
  for (int round = 0; round < 2000; ++round) {
    std::string body = "v=0\n";
    const size_t origin_at = random() % 4;
    for (size_t i = 0; i < 12; ++i) {
      if (i == origin_at) body += "o=- 1 1 IN IP4 192.0.2.1\n";
      std::string_view line = kLines[random() % std::size(kLines)];
      if (i <= origin_at && line[0] == 'm') continue;
      body.append(line).append(random() % 2 ? "\r\n" : "\n");
    }
    absl::StatusOr<Description> read = Parse(body);
    if (!read.ok()) continue;  // more than kMediaMax m= lines
    const std::string written = Write(*read);
    const Description again = MustParse(written);
    EXPECT_EQ(Write(again), written) << body;
    EXPECT_EQ(again.media.size(), read->media.size());
  }
}

}  // namespace
}  // namespace sipctl::sdp
