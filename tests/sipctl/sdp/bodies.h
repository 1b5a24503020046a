// Session descriptions that the SDP tests share. The first is the shape of a carrier's INVITE with
// its known defects: no s= line, events on 96.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sipctl/sdp/description.h"
#include "sipctl/sdp/offer_answer.h"

namespace sipctl::sdp {

inline constexpr std::string_view kCarrierOffer =
    "v=0\r\n"
    "o=root 1821411163 1821411163 IN IP4 203.0.113.20\r\n"
    "c=IN IP4 203.0.113.20\r\n"
    "t=0 0\r\n"
    "m=audio 17392 RTP/AVP 8 0 96\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:96 telephone-event/8000\r\n"
    "a=fmtp:96 0-15\r\n"
    "a=rtcp:17393\r\n"
    "a=ptime:20\r\n"
    "a=sendrecv\r\n";

// A body from lines without their ends.
inline std::string Body(const std::vector<std::string_view>& lines) {
  std::string body;
  for (const std::string_view line : lines) body.append(line).append("\r\n");
  return body;
}

inline Description MustParse(std::string_view body) {
  absl::StatusOr<Description> description = Parse(body);
  EXPECT_TRUE(description.ok()) << description.status().message() << "\nin:\n" << body;
  return description.ok() ? *std::move(description) : Description{};
}

// One audio line at 198.51.100.7 with the given m= formats and attributes.
inline Description Audio(std::string_view media, const std::vector<std::string_view>& attributes,
                         std::string_view address = "198.51.100.7") {
  std::string body = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 ";
  body.append(address).append("\r\nt=0 0\r\nm=").append(media).append("\r\n");
  for (const std::string_view attribute : attributes) {
    body.append("a=").append(attribute).append("\r\n");
  }
  return MustParse(body);
}

// What our leg says in the tests.
inline const std::vector<Codec> kAll = {Codec::kPcma, Codec::kPcmu, Codec::kTelephoneEvent};

inline LocalMedia Local(uint16_t port = 10000, std::vector<Codec> codecs = kAll) {
  LocalMedia local;
  local.endpoint = {*ParseIpAddress("192.0.2.10"), port};
  local.codecs = std::move(codecs);
  return local;
}

inline LocalMedia Local(Direction direction) {
  LocalMedia local = Local();
  local.direction = direction;
  return local;
}

// A leg that received `offer` and answered it with everything.
inline OfferAnswer Answered(const Description& offer) {
  OfferAnswer leg(MediaPolicy{}, 4711);
  EXPECT_TRUE(leg.ReceiveOffer(offer).ok());
  EXPECT_TRUE(leg.MakeAnswer(Local()).ok());
  return leg;
}

// A leg whose offer was answered with `answer`.
inline OfferAnswer Offered(const Description& answer) {
  OfferAnswer leg(MediaPolicy{}, 4711);
  EXPECT_TRUE(leg.MakeOffer(Local()).ok());
  EXPECT_TRUE(leg.ReceiveAnswer(answer, Binding::kFinal).ok());
  return leg;
}

// The m= formats of one line, each followed by a space.
inline std::string Formats(const Description& description) {
  std::string text;
  for (const std::string& format : description.media.at(0).formats) text += format + " ";
  return text;
}

inline Description AudioWithEvents(std::string_view media) {
  return Audio(media, {"rtpmap:101 telephone-event/8000", "fmtp:101 0-15"});
}

}  // namespace sipctl::sdp
