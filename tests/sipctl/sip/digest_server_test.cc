#include "sipctl/sip/digest_server.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/sip/digest.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr DigestAlgorithm kBoth[] = {DigestAlgorithm::kSha256, DigestAlgorithm::kMd5};
constexpr DigestAlgorithm kMd5Alone[] = {DigestAlgorithm::kMd5};

SocketAddress At(const std::string& text) {
  return *ParseSocketAddress(text);
}

class DigestServerTest : public testing::Test {
 protected:
  DigestServerTest() { Begin({}); }

  void Begin(DigestServerOptions options) {
    options.key.fill(7);
    server_ = std::make_unique<DigestServer>(options);
  }

  Message Refusal(bool stale = false) {
    Message response;
    response.is_request = false;
    response.status = 401;
    for (std::string& value : server_->Challenge(realm_, source_, stale, now_)) {
      response.others.push_back({"WWW-Authenticate", std::move(value)});
    }
    return response;
  }

  // As our own client answers, which digest_test.cc compares with an independent program.
  Message Answered(const std::string& password = "secret", const std::string& user = "alice") {
    client_ = {};
    EXPECT_TRUE(client_.Accept(Refusal(), {.user = user, .password = password, .realm = ""}));
    return Again(password, user);
  }
  Message Again(const std::string& password = "secret", const std::string& user = "alice") {
    Message request;
    request.method = Method::kRegister;
    request.request_uri = *Uri::Parse("sip:tandem.example");
    client_.Authorize({.user = user, .password = password, .realm = ""}, "c1", &request);
    return request;
  }

  DigestVerdict Verdict(const Message& request) {
    const auto outcome = server_->Examine(
        request, realm_, source_,
        [this](const std::string& user) { return user == "alice" ? &password_ : nullptr; }, now_);
    user_ = outcome.user;
    return outcome.verdict;
  }

  DigestRealm realm_{.realm = "tandem", .algorithms = kBoth};
  SocketAddress source_ = At("192.0.2.7:5060");
  TimeMs now_ = 1'000'000;
  std::string password_ = "secret";
  std::string user_;
  std::unique_ptr<DigestServer> server_;
  DigestClient client_;
};

// RFC 7616 section 3.9.1 by its algorithm with a SIP method; checked with an independent program
// (python3, hashlib).
TEST(DigestText, ResponsesOfBothAlgorithms) {
  const DigestQuestion question{.user = "alice",
                                .realm = "tandem",
                                .password = "secret",
                                .method = "REGISTER",
                                .uri = "sip:tandem.example",
                                .middle = "n1:00000001:c1:auth"};
  EXPECT_EQ(DigestResponse(DigestAlgorithm::kMd5, question), "ea72e2ebadafb2bc60a0262ec15429b6");
  EXPECT_EQ(DigestResponse(DigestAlgorithm::kSha256, question),
            "a7e3a3ba2ec0fb4156db605b69536382aacc6b7695eff0421390c8bf7f8cc984");
}

TEST_F(DigestServerTest, ChallengesTheBestFirst) {
  const auto both = server_->Challenge(realm_, source_, false, now_);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_THAT(both[0], HasSubstr("Digest realm=\"tandem\", nonce=\""));
  EXPECT_THAT(both[0], HasSubstr("algorithm=SHA-256, qop=\"auth\""));
  EXPECT_THAT(both[1], HasSubstr("algorithm=MD5, qop=\"auth\""));
  EXPECT_THAT(both[0], Not(HasSubstr("stale")));
  realm_.algorithms = kMd5Alone;
  const auto one = server_->Challenge(realm_, source_, true, now_);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_THAT(one[0], HasSubstr("algorithm=MD5, qop=\"auth\", stale=true"));
}

TEST_F(DigestServerTest, TheRightPasswordByEitherHash) {
  EXPECT_EQ(Verdict(Answered()), DigestVerdict::kRight);
  EXPECT_EQ(user_, "alice");
  realm_.algorithms = kMd5Alone;
  EXPECT_EQ(Verdict(Answered()), DigestVerdict::kRight);
}

TEST_F(DigestServerTest, AHashThatIsNotAskedForIsNoAnswer) {
  const Message strong = Answered();
  realm_.algorithms = kMd5Alone;
  EXPECT_EQ(Verdict(strong), DigestVerdict::kNone);
}

TEST_F(DigestServerTest, WrongPasswordsAndUnknownUsersAreGuesses) {
  EXPECT_EQ(Verdict(Answered("Secret")), DigestVerdict::kWrong);
  EXPECT_EQ(Verdict(Answered("secret", "bob")), DigestVerdict::kWrong);
  EXPECT_EQ(user_, "bob");
  EXPECT_EQ(Verdict(Answered("", "nobody")), DigestVerdict::kWrong);
}

// Who takes an answer off the way must not call somebody else with it; a proxy may write another
// host.
TEST_F(DigestServerTest, AnAnswerIsForWhomItNames) {
  const auto verdict = [this](const std::string& asked, const std::string& sent) {
    client_ = {};
    EXPECT_TRUE(client_.Accept(Refusal(), {.user = "alice", .password = "secret", .realm = ""}));
    Message request;
    request.method = Method::kInvite;
    request.request_uri = *Uri::Parse(asked);
    client_.Authorize({.user = "alice", .password = "secret", .realm = ""}, "c1", &request);
    request.request_uri = *Uri::Parse(sent);
    return Verdict(request);
  };
  const std::string asked = "sip:+911234@tandem.example";
  EXPECT_EQ(verdict(asked, asked), DigestVerdict::kRight);
  EXPECT_EQ(verdict(asked, "sip:+911234@192.0.2.1:5070;transport=tcp"), DigestVerdict::kRight);
  EXPECT_EQ(verdict(asked, "sip:+1900666@tandem.example"), DigestVerdict::kElsewhere);
  EXPECT_EQ(verdict(asked, "sip:tandem.example"), DigestVerdict::kElsewhere);
  EXPECT_EQ(verdict("sip:Bob@h", "sip:bob@h"), DigestVerdict::kElsewhere);
}

TEST_F(DigestServerTest, NothingToJudge) {
  Message request;
  request.method = Method::kRegister;
  EXPECT_EQ(Verdict(request), DigestVerdict::kNone);
  request.others.push_back({"Authorization", "Basic YWxpY2U6c2VjcmV0"});
  EXPECT_EQ(Verdict(request), DigestVerdict::kNone);
  Message other_realm = Answered();
  realm_.realm = "elsewhere";
  EXPECT_EQ(Verdict(other_realm), DigestVerdict::kNone);
}

TEST_F(DigestServerTest, ANonceIsForOneAddress) {
  const Message request = Answered();
  source_ = At("192.0.2.8:5060");
  // Who has moved is told that the nonce is wrong.
  EXPECT_EQ(Verdict(request), DigestVerdict::kStale);
  const Message guess = [&] {
    source_ = At("192.0.2.7:5060");
    return Answered("guess");
  }();
  source_ = At("192.0.2.8:5060");
  // A guess in somebody else's name is not counted against him, and is told no more than he is.
  EXPECT_EQ(Verdict(guess), DigestVerdict::kStale);
  source_ = At("192.0.2.7:6060");
  EXPECT_EQ(Verdict(guess), DigestVerdict::kWrong);
  EXPECT_EQ(Verdict(request), DigestVerdict::kRight);  // another port of the same address
}

TEST_F(DigestServerTest, ANonceAges) {
  const Message request = Answered();
  now_ += 5 * 60 * kSecondMs - 1;
  EXPECT_EQ(Verdict(request), DigestVerdict::kRight);
  const Message late = Again();
  now_ += 1;
  EXPECT_EQ(Verdict(late), DigestVerdict::kStale);
  const Message wrong = Again("guess");
  EXPECT_EQ(Verdict(wrong), DigestVerdict::kStale);  // nor does it tell who has guessed right
}

TEST_F(DigestServerTest, ANonceThatWasChangedIsNotOurs) {
  Message request = Answered();
  std::string& value = request.others.back().value;
  const size_t digit = value.find("nonce=\"") + 10;
  value[digit] = value[digit] == '0' ? '1' : '0';
  EXPECT_EQ(Verdict(request), DigestVerdict::kStale);
}

TEST_F(DigestServerTest, NoAnswerIsGoodTwice) {
  const Message first = Answered();
  const Message second = Again();
  const Message third = Again();
  EXPECT_EQ(Verdict(first), DigestVerdict::kRight);
  EXPECT_EQ(Verdict(first), DigestVerdict::kStale);
  EXPECT_EQ(Verdict(third), DigestVerdict::kRight);
  EXPECT_EQ(Verdict(second), DigestVerdict::kRight);  // overtaken on the way
  EXPECT_EQ(Verdict(second), DigestVerdict::kStale);
  std::vector<Message> many;
  for (int i = 0; i < 70; ++i) many.push_back(Again());
  EXPECT_EQ(Verdict(many.back()), DigestVerdict::kRight);
  EXPECT_EQ(Verdict(many.front()), DigestVerdict::kStale);  // more than 64 behind
  EXPECT_EQ(Verdict(many[60]), DigestVerdict::kRight);
  EXPECT_EQ(server_->remembered(), 1u);
}

TEST_F(DigestServerTest, WhatIsForgottenIsNotGoodAgain) {
  Begin({.nonces_max = 2});
  std::vector<Message> requests;
  for (int i = 0; i < 4; ++i) {
    requests.push_back(Answered());
    now_ += 10;
  }
  const Message never_used = requests.back();
  requests.pop_back();
  for (const Message& request : requests) EXPECT_EQ(Verdict(request), DigestVerdict::kRight);
  EXPECT_EQ(server_->remembered(), 2u);
  for (const Message& request : requests) EXPECT_EQ(Verdict(request), DigestVerdict::kStale);
  EXPECT_EQ(Verdict(never_used), DigestVerdict::kRight);
}

TEST_F(DigestServerTest, OldNoncesTakeNoRoom) {
  EXPECT_EQ(Verdict(Answered()), DigestVerdict::kRight);
  now_ += 5 * 60 * kSecondMs;
  EXPECT_EQ(Verdict(Answered()), DigestVerdict::kRight);
  EXPECT_EQ(server_->remembered(), 1u);
}

TEST(DigestAnswer, IsReadStrictly) {
  const std::string good =
      "Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", "
      "response=\"0123456789ABCDEF0123456789abcdef\", qop=auth, nc=0000000a, cnonce=\"c\"";
  const auto answer = ReadDigestAnswer(good);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->user, "a\"b");
  EXPECT_EQ(answer->count, 10u);
  EXPECT_EQ(answer->algorithm, DigestAlgorithm::kMd5);
  EXPECT_EQ(answer->response, "0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(ReadDigestAnswer(Concat("dIGEST", good.substr(6))));
  const auto without = [&](const std::string& part, const std::string& instead) {
    std::string text = good;
    text.replace(text.find(part), part.size(), instead);
    return ReadDigestAnswer(text).has_value();
  };
  EXPECT_TRUE(without("qop=auth", "qop=\"auth\""));
  EXPECT_FALSE(without(", qop=auth", ""));
  EXPECT_FALSE(without("qop=auth", "qop=auth-int"));
  EXPECT_FALSE(without("nc=0000000a", "nc=a"));
  EXPECT_FALSE(without("nc=0000000a", "nc=00000000"));
  EXPECT_FALSE(without("nc=0000000a", "nc=0000000g"));
  EXPECT_FALSE(without("username=\"a\\\"b\"", "username=\"\""));
  EXPECT_FALSE(without("cnonce=\"c\"", "opaque=\"c\""));
  EXPECT_FALSE(without("uri=\"sip:x\"", "uri=\"\""));
  EXPECT_FALSE(without("0123456789ABCDEF", "0123"));
  EXPECT_FALSE(without("realm=\"r\"", "realm=\"r\", algorithm=SHA-512"));
  EXPECT_FALSE(without("realm=\"r\"", "realm=\"r\", algorithm=SHA-256"));  // its hash is longer
  EXPECT_FALSE(without("realm=\"r\"", "realm=\"r\", realm=\"s\""));
  EXPECT_FALSE(ReadDigestAnswer("Digest"));
  EXPECT_FALSE(ReadDigestAnswer(""));
}

}  // namespace
}  // namespace sipctl::sip
