#include "sipctl/sip/digest.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Message Refusal(int status, std::vector<std::string> challenges) {
  Message response;
  response.is_request = false;
  response.status = status;
  for (std::string& challenge : challenges) {
    response.others.push_back(
        {status == 407 ? "Proxy-Authenticate" : "WWW-Authenticate", std::move(challenge)});
  }
  return response;
}

Message Request(Method method, const std::string& uri) {
  Message request;
  request.method = method;
  request.request_uri = *Uri::Parse(uri);
  return request;
}

std::string Value(const Message& request, std::string_view name) {
  const std::string* value = request.Other(name);
  return value == nullptr ? "(none)" : *value;
}

// RFC 2617 section 3.5 by its algorithm, with a SIP method and URI; checked with an independent
// program (python3, hashlib).
TEST(Digest, Md5WithoutQop) {
  DigestClient client;
  const Credentials credentials{.user = "bob", .password = "zanzibar", .realm = ""};
  ASSERT_TRUE(client.Accept(Refusal(401, {"Digest realm=\"biloxi.com\", "
                                          "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
                                          "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""}),
                            credentials));
  Message request = Request(Method::kInvite, "sip:bob@biloxi.com");
  client.Authorize(credentials, "0a4f113b", &request);
  const std::string value = Value(request, "Authorization");
  EXPECT_THAT(value, HasSubstr("response=\"bf57e4e0d0bffc0fbaedce64d59add5e\""));
  EXPECT_THAT(value, HasSubstr("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
  EXPECT_THAT(value, Not(HasSubstr("qop")));
  EXPECT_THAT(value, Not(HasSubstr("algorithm")));
}

TEST(Digest, Md5WithQopCountsUsesOfANonce) {
  DigestClient client;
  const Credentials credentials{.user = "bob", .password = "zanzibar", .realm = "biloxi.com"};
  ASSERT_TRUE(client.Accept(Refusal(407, {"Digest realm=\"biloxi.com\",qop=\"auth,auth-int\","
                                          "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\","
                                          "algorithm=MD5"}),
                            credentials));
  Message request = Request(Method::kInvite, "sip:bob@biloxi.com");
  client.Authorize(credentials, "0a4f113b", &request);
  EXPECT_EQ(Value(request, "Authorization"), "(none)");
  EXPECT_EQ(Value(request, "Proxy-Authorization"),
            "Digest username=\"bob\", realm=\"biloxi.com\", "
            "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"sip:bob@biloxi.com\", "
            "response=\"89eb0059246c02b2f6ee02c7961d5ea3\", algorithm=MD5, qop=auth, nc=00000001, "
            "cnonce=\"0a4f113b\"");
  Message next = Request(Method::kBye, "sip:bob@biloxi.com");
  client.Authorize(credentials, "0a4f113b", &next);
  EXPECT_THAT(Value(next, "Proxy-Authorization"), HasSubstr("nc=00000002"));
}

TEST(Digest, Sha256IsTakenWhereItIsOffered) {
  DigestClient client;
  const Credentials credentials{.user = "Mufasa", .password = "Circle of Life", .realm = ""};
  ASSERT_TRUE(client.Accept(
      Refusal(401,
              {"Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=MD5",
               "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256",
               "Digest realm=\"r\", nonce=\"n3\", algorithm=SHA-512-256", "Basic realm=\"r\""}),
      credentials));
  Message request = Request(Method::kInvite, "sip:a@b.example");
  client.Authorize(credentials, "c", &request);
  EXPECT_THAT(Value(request, "Authorization"), HasSubstr("algorithm=SHA-256"));
  EXPECT_THAT(
      Value(request, "Authorization"),
      HasSubstr("response=\"99c24e72b8bbd06a0cc97820bf255f8ba8ce260dec654e4fadcb2e0325d99dbd\""));
}

TEST(Digest, OneAnswerAChallengeAndOneMoreWhenTheNonceWasStale) {
  const Credentials credentials{.user = "u", .password = "p", .realm = "r"};
  const std::string first = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\"";
  DigestClient client;
  EXPECT_FALSE(client.challenged());
  EXPECT_TRUE(client.Accept(Refusal(401, {first}), credentials));
  EXPECT_FALSE(client.Accept(Refusal(401, {first}), credentials));
  // A new nonce without stale says that the password is wrong, too.
  EXPECT_FALSE(
      client.Accept(Refusal(401, {"Digest realm=\"r\", nonce=\"2\", qop=\"auth\""}), credentials));
  const std::string stale = "Digest realm=\"r\", nonce=\"3\", qop=\"auth\", stale=TRUE";
  EXPECT_TRUE(client.Accept(Refusal(401, {stale}), credentials));
  Message request = Request(Method::kInvite, "sip:a@b.example");
  client.Authorize(credentials, "c", &request);
  EXPECT_THAT(Value(request, "Authorization"), HasSubstr("nc=00000001"));
  EXPECT_FALSE(client.Accept(Refusal(401, {stale}), credentials));
  client.Served();
  EXPECT_TRUE(client.Accept(Refusal(401, {first}), credentials));
}

TEST(Digest, AnotherRealmIsNotAnswered) {
  const Credentials credentials{.user = "u", .password = "p", .realm = "mine"};
  DigestClient client;
  EXPECT_FALSE(client.Accept(Refusal(401, {"Digest realm=\"theirs\", nonce=\"1\""}), credentials));
  Message request = Request(Method::kInvite, "sip:a@b.example");
  client.Authorize(credentials, "c", &request);
  EXPECT_TRUE(request.others.empty());
}

TEST(Digest, WhatCannotBeAnsweredIsPassedOver) {
  for (const char* text : {"", "Digest", "Digest nonce", "Digest nonce=\"open", "Basic realm=\"x\"",
                           "Digest realm=\"x\", nonce=\"\"",
                           "Digest realm=\"x\", nonce=\"n\", "
                           "qop=\"auth-int\"",
                           "Digest realm=\"x\",nonce=\"n\",algorithm=MD5-sess"}) {
    EXPECT_TRUE(ReadChallenges(Refusal(401, {text})).empty()) << text;
  }
  EXPECT_TRUE(ReadChallenges(Refusal(407, {})).empty());
  Message wrong = Refusal(401, {"Digest realm=\"x\", nonce=\"n\""});
  wrong.status = 407;  // whose header is the other one
  EXPECT_TRUE(ReadChallenges(wrong).empty());
  const auto quoted =
      ReadChallenges(Refusal(401, {"DIGEST Realm=\"a \\\"b\\\", c\" , nonce = n1,,"}));
  ASSERT_EQ(quoted.size(), 1u);
  EXPECT_EQ(quoted[0].realm, "a \"b\", c");
  EXPECT_EQ(quoted[0].nonce, "n1");
}

}  // namespace
}  // namespace sipctl::sip
