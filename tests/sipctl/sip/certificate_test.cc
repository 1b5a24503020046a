#include "sipctl/sip/certificate.h"

#include <ctime>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"

namespace sipctl::sip {
namespace {

using ::testing::ElementsAre;

const support::Certificates& Files() {
  static const support::Certificates files(CERTIFICATES_SCRIPT);
  return files;
}

TEST(Certificate, SaysWhoseItIsAndHowLong) {
  const auto facts = ReadCertificate({.certificate = Files()("edge.pem"), .key = ""});
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->names,
              ElementsAre("edge.example.test", "127.0.0.1", "127.0.0.2", "127.0.0.3"));
  const int64_t days = (facts->not_after_unix_s - std::time(nullptr)) / 86'400;
  EXPECT_GE(days, 88);
  EXPECT_LE(days, 90);
  EXPECT_FALSE(facts->chain_complete);  // this machine does not know the laboratory's root
  EXPECT_TRUE(Covers(*facts, "EDGE.example.test"));
  EXPECT_TRUE(Covers(*facts, "127.0.0.2"));
  EXPECT_FALSE(Covers(*facts, "127.0.0.9"));
  EXPECT_FALSE(Covers(*facts, "a.edge.example.test"));
}

TEST(Certificate, AWildcardStandsForOneLabel) {
  const auto facts = ReadCertificate({.certificate = Files()("wildcard.pem"), .key = ""});
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(Covers(*facts, "pop1.example.test"));
  EXPECT_FALSE(Covers(*facts, "a.pop1.example.test"));
  EXPECT_FALSE(Covers(*facts, "example.test"));
  EXPECT_FALSE(Covers(*facts, ".example.test"));
}

TEST(Certificate, OneSignedByItselfNeedsNoChain) {
  const auto facts = ReadCertificate({.certificate = Files()("stranger.pem"), .key = ""});
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(facts->chain_complete);
}

TEST(Certificate, AKeyOfAnotherIsAnError) {
  EXPECT_FALSE(
      ReadCertificate({.certificate = Files()("edge.crt"), .key = Files()("soon.key")}).ok());
  EXPECT_FALSE(ReadCertificate({.certificate = Files()("ca.key"), .key = ""}).ok());
}

}  // namespace
}  // namespace sipctl::sip
