#include "sipctl/cli/certificates.h"

#include <ctime>

#include "gtest/gtest.h"
#include "tests/support/certificates.h"

namespace sipctl::cli {
namespace {

const support::Certificates& Files() {
  static const support::Certificates files(CERTIFICATES_SCRIPT);
  return files;
}

trunk::Config Config(const std::string& certificate, const std::string& advertise) {
  trunk::Config config;
  config.file = "a.yaml";
  trunk::Listener listener;
  listener.name = "tls";
  listener.transport = trunk::Transport::kTls;
  listener.advertise_host = advertise;
  listener.certificate = Files()(certificate);
  listener.line = 4;
  config.listeners.push_back(listener);
  return config;
}

std::string Messages(const trunk::Config& config, int64_t days_from_now = 0) {
  std::string all;
  for (const auto& each : CheckCertificates(config, std::time(nullptr) + days_from_now * 86'400)) {
    all += trunk::FormatDiagnostic(each) + "\n";
  }
  return all;
}

TEST(CertificateCheck, NamesWhatDoesNotFit) {
  const std::string good = Messages(Config("stranger.pem", "edge.example.test"));
  EXPECT_EQ(good, "");
  const std::string name = Messages(Config("stranger.pem", "other.example.test"));
  EXPECT_NE(name.find("a.yaml:4: warning: CV-17: listener 'tls' is known as other.example.test, "
                      "but its certificate names edge.example.test, 127.0.0.1"),
            std::string::npos)
      << name;
  const std::string chain = Messages(Config("edge.pem", "127.0.0.1"));
  EXPECT_NE(chain.find("ends before a root that this machine knows"), std::string::npos) << chain;
}

TEST(CertificateCheck, TellsOfTheEndBeforeIt) {
  EXPECT_NE(Messages(Config("soon.pem", "127.0.0.1")).find("warning: CV-17: listener 'tls': "),
            std::string::npos);
  EXPECT_NE(Messages(Config("soon.pem", "127.0.0.1")).find(" ends in "), std::string::npos);
  EXPECT_NE(Messages(Config("soon.pem", "127.0.0.1"), 10).find("ended 5 days ago"),
            std::string::npos);
  EXPECT_NE(Messages(Config("soon.pem", "127.0.0.1"), -10).find("begins in "), std::string::npos);
  EXPECT_EQ(Messages(Config("edge.pem", "127.0.0.1")).find(" days"), std::string::npos);
}

TEST(CertificateCheck, FilesThatCannotBeReadAreErrors) {
  const std::string text = Messages(Config("nothing.pem", "127.0.0.1"));
  EXPECT_NE(text.find("a.yaml:4: error: CV-17: listener 'tls': "), std::string::npos) << text;
  trunk::Config config;
  trunk::Trunk trunk;
  trunk.name = "carrier";
  trunk.destinations.resize(1);
  trunk.destinations[0] = trunk::Destination{
      .host = "edge.example.test", .port = 5061, .transport = trunk::Transport::kTls};
  trunk.tls.trust = Files()("nothing.pem");
  config.trunks.push_back(trunk);
  EXPECT_NE(Messages(config).find("error: CV-17: trunk 'carrier': "), std::string::npos);
  config.trunks[0].tls.trust = Files()("ca.pem");
  config.trunks[0].tls.certificate = Files()("soon.pem");
  EXPECT_NE(Messages(config).find("trunk 'carrier': "), std::string::npos);
}

}  // namespace
}  // namespace sipctl::cli
