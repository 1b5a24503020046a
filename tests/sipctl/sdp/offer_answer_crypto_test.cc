// Keys in offers and answers: who may call whom, whose key is whose, and when it changes.
#include <algorithm>

#include "gtest/gtest.h"
#include "sipctl/sdp/offer_answer.h"
#include "tests/sipctl/sdp/bodies.h"

namespace sipctl::sdp {
namespace {

constexpr std::string_view kTheirs = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr std::string_view kTheirsNew = "AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr std::string_view kSha80 =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr std::string_view kSha80New =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr std::string_view kSha32 =
    "crypto:7 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^31";
constexpr std::string_view kMki =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|5:4";
constexpr std::string_view kTwoKeys =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|5:4;"
    "inline:AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|6:4";
constexpr std::string_view kNotApart =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz;"
    "inline:AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr std::string_view kWindow =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz WSH=128 -OWN=1";
constexpr std::string_view kUnencrypted =
    "crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz UNENCRYPTED_SRTP";
// 28 bytes: 38 digits, and the two of padding that some peers leave out.
constexpr std::string_view kUnpadded =
    "crypto:2 AEAD_AES_128_GCM inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubG";
constexpr std::string_view kF8 = "crypto:1 F8_128_HMAC_SHA1_80 inline:x";

MediaPolicy With(Srtp srtp) {
  MediaPolicy policy;
  policy.srtp = srtp;
  return policy;
}

std::string KeyIn(const Description& description, size_t index = 0) {
  const auto lines = description.media[0].crypto();
  if (index >= lines.size()) return "";
  const size_t at = lines[index].find("inline:");
  return std::string(lines[index].substr(at + 7));
}

std::string TextOf(const Keying& keying) {
  CryptoLine line;
  line.keys = {keying};
  const std::string text = FormatCrypto(line);
  return text.substr(text.find("inline:") + 7);
}

struct Row {
  const char* sentence;
  Srtp srtp;
  const char* protocol;
  std::vector<std::string_view> attributes;
  Outcome outcome;
  const char* answer;  // its crypto line up to the key; "" = plain
};

const Row kRows[] = {
    {"plain as always", Srtp::kOff, "RTP/AVP", {}, Outcome::kAccepted, ""},
    {"keys that nobody wants", Srtp::kOff, "RTP/AVP", {kSha80}, Outcome::kAccepted, ""},
    {"SRTP switched off", Srtp::kOff, "RTP/SAVP", {kSha80}, Outcome::kNothingShared, ""},
    {"plain where it may be", Srtp::kOptional, "RTP/AVP", {}, Outcome::kAccepted, ""},
    {"opportunistic (RFC 8643)",
     Srtp::kOptional,
     "RTP/AVP",
     {kSha80},
     Outcome::kAccepted,
     "1 AES_CM_128_HMAC_SHA1_80"},
    {"keys of no use", Srtp::kOptional, "RTP/AVP", {kF8}, Outcome::kAccepted, ""},
    {"secure",
     Srtp::kOptional,
     "RTP/SAVP",
     {kSha80},
     Outcome::kAccepted,
     "1 AES_CM_128_HMAC_SHA1_80"},
    {"secure without a key", Srtp::kOptional, "RTP/SAVP", {}, Outcome::kNothingShared, ""},
    {"secure in no way we know", Srtp::kOptional, "RTP/SAVP", {kF8}, Outcome::kNothingShared, ""},
    {"plain where it must not be", Srtp::kRequired, "RTP/AVP", {}, Outcome::kNothingShared, ""},
    {"feedback profile",
     Srtp::kRequired,
     "RTP/SAVPF",
     {kSha80},
     Outcome::kAccepted,
     "1 AES_CM_128_HMAC_SHA1_80"},
    {"the first line of use",
     Srtp::kRequired,
     "RTP/SAVP",
     {kF8, kSha32, kSha80},
     Outcome::kAccepted,
     "7 AES_CM_128_HMAC_SHA1_32"},
};

TEST(OfferAnswerCrypto, WhatAnOfferIsAnswered) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.sentence);
    OfferAnswer leg(With(row.srtp), 1);
    const std::string media = std::string("audio 4000 ").append(row.protocol).append(" 8");
    const Result result = leg.ReceiveOffer(Audio(media, row.attributes));
    EXPECT_EQ(result.outcome, row.outcome) << result.detail;
    if (!result.ok()) {
      EXPECT_NE(result.detail, "");
      continue;
    }
    const Description answer = *leg.MakeAnswer(Local());
    EXPECT_EQ(answer.media[0].protocol, row.protocol);
    const auto lines = answer.media[0].crypto();
    EXPECT_EQ(lines.size(), *row.answer ? 1u : 0u);
    ASSERT_EQ(leg.plan()->crypto.has_value(), *row.answer != 0);
    if (!*row.answer) continue;
    EXPECT_EQ(lines[0].substr(0, lines[0].find(" inline:")), row.answer);
    EXPECT_NE(KeyIn(answer), kTheirs) << "each direction has its own key";
    EXPECT_EQ(TextOf(leg.plan()->crypto->send), KeyIn(answer));
    ASSERT_EQ(leg.plan()->crypto->receive.size(), 1u);
    EXPECT_EQ(TextOf(leg.plan()->crypto->receive[0]), kTheirs);
  }
}

TEST(OfferAnswerCrypto, WhatWeOffer) {
  MediaPolicy policy = With(Srtp::kRequired);
  policy.suites_offered = {Suite::kAeadAes128Gcm, Suite::kAesCm128HmacSha1_80};
  OfferAnswer leg(policy, 1);
  const Description offer = *leg.MakeOffer(Local());
  EXPECT_EQ(offer.media[0].protocol, "RTP/SAVP");
  const auto lines = offer.media[0].crypto();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].substr(0, 26), "1 AEAD_AES_128_GCM inline:");
  EXPECT_EQ(lines[1].substr(0, 33), "2 AES_CM_128_HMAC_SHA1_80 inline:");
  EXPECT_NE(KeyIn(offer, 0).substr(0, 16), KeyIn(offer, 1).substr(0, 16));

  OfferAnswer plain(With(Srtp::kOff), 1);
  EXPECT_TRUE(plain.MakeOffer(Local())->media[0].crypto().empty());
  OfferAnswer maybe(With(Srtp::kOptional), 1);
  const Description open = *maybe.MakeOffer(Local());
  EXPECT_EQ(open.media[0].protocol, "RTP/AVP");
  EXPECT_EQ(open.media[0].crypto().size(), 1u);
}

TEST(OfferAnswerCrypto, AnAnswerTakesUpOneOfOurLines) {
  const struct {
    const char* sentence;
    Srtp srtp;
    std::vector<std::string_view> attributes;
    const char* protocol;
    bool fine;
    bool secure;
  } kAnswers[] = {
      {"our line", Srtp::kRequired, {kSha80}, "RTP/SAVP", true, true},
      {"none", Srtp::kRequired, {}, "RTP/SAVP", false, false},
      {"plain after all", Srtp::kRequired, {}, "RTP/AVP", false, false},
      {"another tag and suite", Srtp::kRequired, {kSha32}, "RTP/SAVP", false, false},
      {"optional: taken", Srtp::kOptional, {kSha80}, "RTP/AVP", true, true},
      {"optional: left", Srtp::kOptional, {}, "RTP/AVP", true, false},
      {"optional: another tag", Srtp::kOptional, {kSha32}, "RTP/AVP", false, false},
      {"optional: weakened", Srtp::kOptional, {kUnencrypted}, "RTP/AVP", false, false},
      {"off: never asked for", Srtp::kOff, {kSha80}, "RTP/AVP", true, false},
  };
  for (const auto& row : kAnswers) {
    SCOPED_TRACE(row.sentence);
    OfferAnswer leg(With(row.srtp), 1);
    const Description offer = *leg.MakeOffer(Local());
    const std::string media = std::string("audio 4000 ").append(row.protocol).append(" 8");
    const Result result = leg.ReceiveAnswer(Audio(media, row.attributes), Binding::kFinal);
    ASSERT_EQ(result.ok(), row.fine) << result.detail;
    if (!row.fine) continue;
    ASSERT_EQ(leg.plan()->crypto.has_value(), row.secure);
    if (!row.secure) continue;
    EXPECT_EQ(TextOf(leg.plan()->crypto->send), KeyIn(offer));
    EXPECT_EQ(TextOf(leg.plan()->crypto->receive[0]), kTheirs);
  }
}

// Some write their lines into whatever they send: nobody has asked for one, and nobody takes it for
// granted that it was taken.
TEST(OfferAnswerCrypto, AKeyInTheAnswerToAPlainOfferIsNoReasonToHangUp) {
  const struct {
    const char* sentence;
    std::string_view line;
    const char* protocol;
    bool fine;
  } kAnswers[] = {
      {"a suite that we know", kSha80, "RTP/AVP", true},
      {"one that we do not", kF8, "RTP/AVP", true},
      {"weakened", kUnencrypted, "RTP/AVP", true},
      {"secure all the same", kSha80, "RTP/SAVP", false},
  };
  for (const auto& row : kAnswers) {
    SCOPED_TRACE(row.sentence);
    OfferAnswer leg(With(Srtp::kOptional), 1);
    ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {})).ok());
    ASSERT_TRUE(leg.MakeAnswer(Local()).ok());
    ASSERT_TRUE(leg.MakeOffer(*leg.local_media())->media[0].crypto().empty());
    const std::string media = std::string("audio 4000 ").append(row.protocol).append(" 8");
    const Result result = leg.ReceiveAnswer(Audio(media, {row.line}), Binding::kFinal);
    ASSERT_EQ(result.ok(), row.fine) << result.detail;
    EXPECT_FALSE(leg.plan()->crypto.has_value());
  }
}

// All that the grammar allows an offer it allows an answer.
TEST(OfferAnswerCrypto, AnAnswerMayHaveAllOfTheGrammar) {
  const struct {
    const char* sentence;
    std::string_view line;
    size_t keys;  // 0: cannot be used
    uint8_t mki_length;
  } kAnswers[] = {
      {"lifetime and MKI", kMki, 1, 4},
      {"two keys", kTwoKeys, 2, 4},
      {"two keys without MKIs", kNotApart, 0, 0},
      {"session parameters", kWindow, 1, 0},
      {"one that weakens it", kUnencrypted, 0, 0},
      {"no padding", kUnpadded, 1, 0},
  };
  for (const auto& row : kAnswers) {
    SCOPED_TRACE(row.sentence);
    MediaPolicy policy = With(Srtp::kRequired);
    policy.suites_offered = {Suite::kAesCm128HmacSha1_80, Suite::kAeadAes128Gcm};
    OfferAnswer leg(policy, 1);
    const Description offer = *leg.MakeOffer(Local());
    const Result result =
        leg.ReceiveAnswer(Audio("audio 4000 RTP/SAVP 8", {row.line}), Binding::kFinal);
    ASSERT_EQ(result.ok(), row.keys != 0) << result.detail;
    if (row.keys == 0) continue;
    const MediaCrypto& crypto = *leg.plan()->crypto;
    EXPECT_EQ(TextOf(crypto.send), KeyIn(offer, crypto.suite == Suite::kAeadAes128Gcm));
    ASSERT_EQ(crypto.receive.size(), row.keys);
    for (size_t i = 0; i < row.keys; ++i) {
      EXPECT_EQ(crypto.receive[i].mki_length, row.mki_length);
      EXPECT_EQ(crypto.receive[i].mki, row.mki_length == 0 ? 0 : 5 + i);
    }
    EXPECT_EQ(TextOf(crypto.receive[0]).substr(0, 37), kTheirs.substr(0, 37));
    if (row.keys == 2) {
      EXPECT_EQ(TextOf(crypto.receive[1]), kTheirsNew);
    }
  }
}

// A refresh from either side keeps both keys and the version of our half; a new key of the peer
// changes its direction alone; another suite gets a key of ours that was never used.
TEST(OfferAnswerCrypto, KeysChangeOnPurposeOnly) {
  OfferAnswer leg(With(Srtp::kRequired), 1);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80})).ok());
  const Description first = *leg.MakeAnswer(Local());
  const MediaCrypto agreed = *leg.plan()->crypto;

  EXPECT_EQ(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80})).outcome,
            Outcome::kUnchanged);
  EXPECT_EQ(*leg.RepeatAnswer(), first);
  EXPECT_EQ(*leg.plan()->crypto, agreed);

  const Description refresh = *leg.MakeOffer(*leg.local_media());
  EXPECT_EQ(refresh, first);
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/SAVP 8", {kSha80}), Binding::kFinal).ok());
  EXPECT_EQ(*leg.plan()->crypto, agreed);

  EXPECT_EQ(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80New})).outcome,
            Outcome::kAccepted);
  EXPECT_EQ(*leg.MakeAnswer(Local()), first) << "ours stays";
  EXPECT_EQ(leg.plan()->crypto->send, agreed.send);
  EXPECT_EQ(TextOf(leg.plan()->crypto->receive[0]), kTheirsNew);

  // A refresh with all that the peer can do: what is agreed is taken, wherever it stands.
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha32, kSha80New})).ok());
  EXPECT_EQ(KeyIn(*leg.MakeAnswer(Local())), TextOf(agreed.send));
  EXPECT_EQ(leg.plan()->crypto->suite, agreed.suite);
  EXPECT_EQ(leg.plan()->crypto->send, agreed.send);
  EXPECT_EQ(TextOf(leg.plan()->crypto->receive[0]), kTheirsNew);

  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha32})).ok());
  const Description other = *leg.MakeAnswer(Local());
  EXPECT_EQ(leg.plan()->crypto->suite, Suite::kAesCm128HmacSha1_32);
  EXPECT_NE(leg.plan()->crypto->send, agreed.send);
  EXPECT_EQ(TextOf(leg.plan()->crypto->send), KeyIn(other));
}

TEST(OfferAnswerCrypto, ARefusedOfferLeavesTheKeys) {
  OfferAnswer leg(With(Srtp::kRequired), 1);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80})).ok());
  ASSERT_TRUE(leg.MakeAnswer(Local()).ok());
  const MediaPlan agreed = *leg.plan();
  EXPECT_FALSE(leg.ReceiveOffer(Audio("audio 4000 RTP/AVP 8", {})).ok()) << "no way back to plain";
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80New})).ok());
  leg.Reject();
  EXPECT_EQ(*leg.plan(), agreed);
}

// Whatever was on its way when a key was spent: it is never in a plan again, nor in a description
// that is made from then on.
TEST(OfferAnswerCrypto, ASpentKeyDoesNotComeBack) {
  OfferAnswer leg(With(Srtp::kRequired), 1);
  ASSERT_TRUE(leg.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80})).ok());
  const std::string spent = KeyIn(*leg.MakeAnswer(Local()));
  leg.SpendKey();
  EXPECT_EQ(leg.plan()->crypto->send.length, 0);
  EXPECT_EQ(TextOf(leg.plan()->crypto->receive[0]), kTheirs) << "we still hear";
  const Description offer = *leg.MakeOffer(*leg.local_media());
  const std::string next = KeyIn(offer);
  EXPECT_NE(next, spent);

  leg.Reject();
  EXPECT_EQ(leg.plan()->crypto->send.length, 0) << "refused, and still spent";
  EXPECT_EQ(KeyIn(*leg.MakeOffer(*leg.local_media())), next) << "never used";
  ASSERT_TRUE(leg.ReceiveAnswer(Audio("audio 4000 RTP/SAVP 8", {kSha80}), Binding::kFinal).ok());
  EXPECT_EQ(TextOf(leg.plan()->crypto->send), next);
}

TEST(OfferAnswerCrypto, TheKeyOfAnOpenOfferIsSpentAsWell) {
  for (const Binding binding : {Binding::kPreview, Binding::kFinal}) {
    OfferAnswer leg(With(Srtp::kRequired), 1);
    const std::string offered = KeyIn(*leg.MakeOffer(Local()));
    const Description answer = Audio("audio 4000 RTP/SAVP 8", {kSha80});
    if (binding == Binding::kPreview) {
      ASSERT_TRUE(leg.ReceiveAnswer(answer, Binding::kPreview).ok());
      EXPECT_EQ(TextOf(leg.plan()->crypto->send), offered);
    }
    leg.SpendKey();
    ASSERT_TRUE(leg.ReceiveAnswer(answer, Binding::kPreview).ok());
    EXPECT_EQ(leg.plan()->crypto->send.length, 0);
    ASSERT_TRUE(leg.ReceiveAnswer(answer, Binding::kFinal).ok());
    EXPECT_EQ(leg.plan()->crypto->send.length, 0);
    const std::string next = KeyIn(*leg.MakeOffer(*leg.local_media()));
    EXPECT_NE(next, offered);
    ASSERT_TRUE(leg.ReceiveAnswer(answer, Binding::kFinal).ok());
    EXPECT_EQ(TextOf(leg.plan()->crypto->send), next);
  }
  OfferAnswer plain(With(Srtp::kOff), 1);
  ASSERT_TRUE(plain.MakeOffer(Local()).ok());
  plain.SpendKey();
  ASSERT_TRUE(plain.ReceiveAnswer(Audio("audio 4000 RTP/AVP 8", {}), Binding::kFinal).ok());
  EXPECT_FALSE(plain.plan()->crypto.has_value());
}

// The keys of one leg never reach the other: A is encrypted, B is not.
TEST(OfferAnswerCrypto, EachLegHasItsOwnProtection) {
  OfferAnswer a(With(Srtp::kRequired), 1);
  OfferAnswer b(With(Srtp::kOff), 2);
  ASSERT_TRUE(a.ReceiveOffer(Audio("audio 4000 RTP/SAVP 8", {kSha80})).ok());
  const IpEndpoint endpoint = Local().endpoint;
  const Description offer = *b.MakeOffer(OfferToward(a, b.policy(), endpoint));
  EXPECT_EQ(offer.media[0].protocol, "RTP/AVP");
  EXPECT_TRUE(offer.media[0].crypto().empty());
  ASSERT_TRUE(b.ReceiveAnswer(Audio("audio 5000 RTP/AVP 8", {}), Binding::kFinal).ok());
  ASSERT_TRUE(a.MakeAnswer(AnswerToward(*b.plan(), endpoint)).ok());
  EXPECT_TRUE(a.plan()->crypto.has_value());
  EXPECT_FALSE(b.plan()->crypto.has_value());
}

}  // namespace
}  // namespace sipctl::sdp
