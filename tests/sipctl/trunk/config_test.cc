// Each file under golden/ is a configuration; the comments `# expect: LINE: ...` in it are the
// complaints that it must give, all of them and no other.
#include "sipctl/trunk/config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "gtest/gtest.h"
#include "sipctl/text.h"
#include "sipctl/trunk/rules.h"

namespace sipctl::trunk {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Expected(const std::string& text) {
  constexpr std::string_view kMark = "# expect: ";
  std::vector<std::string> expected;
  for (const std::string_view line : Split(text, '\n')) {
    if (line.starts_with(kMark)) expected.emplace_back(line.substr(kMark.size()));
  }
  return expected;
}

TEST(Config, EveryGoldenFileGivesItsComplaints) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_FOLDER)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  ASSERT_GE(paths.size(), 10u);
  for (const std::filesystem::path& path : paths) {
    const std::string text = ReadFile(path);
    const LoadResult result = ParseConfig(text, "");
    std::vector<std::string> got;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      got.push_back(FormatDiagnostic(diagnostic).substr(1));  // without the ':' after no name
    }
    std::string block;
    for (const std::string& line : got) block += "# expect: " + line + "\n";
    EXPECT_EQ(got, Expected(text)) << path << " now gives:\n" << block;
    EXPECT_EQ(result.config == nullptr, HasError(result.diagnostics)) << path;
  }
}

// A golden file cv_NN_*.yaml is carrier_fine.yaml, which every rule finds in order, with one thing
// wrong.
TEST(Config, EveryRuleIsBrokenByOneFileAndKeptByAnother) {
  EXPECT_TRUE(Expected(ReadFile(std::string(GOLDEN_FOLDER) + "/carrier_fine.yaml")).empty());
  // What no configuration shows by itself: their pairs are in tests/sipctl/cli.
  const std::map<std::string_view, std::string_view> elsewhere = {
      {"CV-06", "probe_test.cc: where the carrier's name leads"},
      {"CV-15", "dynamic_url_test.cc: custom headers of an answer"},
      {"CV-17", "certificates_test.cc: certificates on disk"},
      {"CV-18", "probe_test.cc: where our name leads"},
  };
  std::set<std::string> broken;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_FOLDER)) {
    for (const std::string& line : Expected(ReadFile(entry.path()))) {
      const size_t at = line.find(": CV-");
      if (at != line.npos) broken.insert(line.substr(at + 2, 5));
    }
  }
  for (const Rule& rule : Rules()) {
    EXPECT_NE(broken.contains(std::string(rule.id)), elsewhere.contains(rule.id)) << rule.id;
  }
}

TEST(Config, TheExampleIsFine) {
  const LoadResult result = LoadConfig(EXAMPLE);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    ADD_FAILURE() << FormatDiagnostic(diagnostic);
  }
  ASSERT_NE(result.config, nullptr);
  const Config& config = *result.config;
  ASSERT_EQ(config.trunks.size(), 2u);
  const Trunk& exotel = config.trunks[0];
  EXPECT_EQ(exotel.name, "exotel");
  EXPECT_EQ(exotel.destinations.front().host, "127.0.0.20");
  EXPECT_EQ(exotel.destinations.front().port, 5060);
  EXPECT_EQ(config.listeners[exotel.listener].name, "carrier-side");
  EXPECT_EQ(exotel.calls_per_minute, 200u);
  EXPECT_EQ(exotel.ring_timeout_ns, 90'000'000'000u);
  EXPECT_TRUE(exotel.media.allow_loopback);
  EXPECT_EQ(exotel.media.codecs, (std::vector<sdp::Codec>{sdp::Codec::kPcma, sdp::Codec::kPcmu,
                                                          sdp::Codec::kTelephoneEvent}));
  EXPECT_EQ(exotel.media.networks, exotel.networks);
  EXPECT_EQ(config.trunks[1].learning, Learning::kSignalled);
  EXPECT_EQ(config.routes.size(), 3u);
  EXPECT_EQ(config.routes[1].add, "+91");
}

TEST(Config, UsersAndTheListenersWhereTheyLogIn) {
  const LoadResult result = LoadConfig(std::string(GOLDEN_FOLDER) + "/access_fine.yaml");
  ASSERT_NE(result.config, nullptr);
  const Config& config = *result.config;
  EXPECT_EQ(config.listeners[0].role, Role::kTrunk);
  EXPECT_TRUE(config.listeners[0].digest.empty());
  const Listener& phones = config.listeners[1];
  EXPECT_EQ(phones.role, Role::kAccess);
  EXPECT_EQ(phones.realm, "acme");
  EXPECT_EQ(phones.digest, std::vector{DigestHash::kMd5});
  EXPECT_EQ(phones.expires_max_ns, 120'000'000'000u);
  const Listener& secure = config.listeners[2];
  EXPECT_EQ(secure.realm, "sbc.example.com");
  EXPECT_EQ(secure.digest, (std::vector{DigestHash::kSha256, DigestHash::kMd5}));
  EXPECT_EQ(secure.expires_max_ns, 3'600'000'000'000u);
  const Trunk& pbx = config.trunks[1];
  ASSERT_EQ(pbx.users.size(), 2u);
  EXPECT_EQ(pbx.users[0].user, "pbx1");
  EXPECT_EQ(pbx.users[0].password_file, "/etc/tandem/pbx1");
  EXPECT_EQ(pbx.users[1].user, "+918012345678");
  EXPECT_EQ(pbx.users[1].password_environment, "PBX2");
  EXPECT_EQ(pbx.way, Way::kBidirectional);
  EXPECT_EQ(pbx.listener, 1u);
  EXPECT_TRUE(pbx.any_access_listener);
  EXPECT_EQ(pbx.learning, Learning::kLatch);
  EXPECT_TRUE(pbx.networks.empty());
  const Trunk& desk = config.trunks[2];
  EXPECT_EQ(desk.listener, 2u);
  EXPECT_FALSE(desk.any_access_listener);
  EXPECT_EQ(desk.learning, Learning::kSignalled);
}

TEST(Config, EveryValueReachesItsPlace) {
  const LoadResult result = LoadConfig(std::string(GOLDEN_FOLDER) + "/every_key.yaml");
  ASSERT_NE(result.config, nullptr);
  const Config& config = *result.config;
  EXPECT_EQ(config.user_agent, "");
  EXPECT_EQ(config.control_socket, "");
  EXPECT_EQ(config.journal, "/var/lib/tandem/journal");
  EXPECT_EQ(config.calls_max, 77u);
  EXPECT_EQ(config.shed_from_ns, 150'000'000u);
  EXPECT_EQ(config.shed_all_ns, 1'000'000'000u);
  EXPECT_EQ(config.relay_socket, "/run/r.sock");
  EXPECT_EQ(config.listeners[1].advertise_host, "sbc.example.com");
  EXPECT_EQ(config.listeners[1].advertise_port, 5070);
  EXPECT_EQ(config.listeners[1].transport, Transport::kTcp);
  const Trunk& trunk = config.trunks[0];
  EXPECT_EQ(trunk.destinations.front().transport, Transport::kTcp);
  EXPECT_EQ(trunk.destinations.front().host, "pstn.example.com");
  EXPECT_EQ(trunk.listener, 1u);
  EXPECT_EQ(trunk.from_domain, "account.example.com");
  EXPECT_EQ(trunk.response_timeout_ns, 5'000'000'000u);
  EXPECT_EQ(trunk.ring_timeout_ns, 60'000'000'000u);
  EXPECT_EQ(trunk.session_expires_ns, 600'000'000'000u);
  EXPECT_EQ(trunk.call_length_max_ns, 0u);
  EXPECT_EQ(trunk.media.codecs,
            (std::vector<sdp::Codec>{sdp::Codec::kPcma, sdp::Codec::kTelephoneEvent,
                                     sdp::Codec::kComfortNoise}));
  EXPECT_EQ(trunk.media.telephone_event_payload_type, 96);
  EXPECT_EQ(trunk.media.ptime_ms, 30);
  EXPECT_TRUE(trunk.media.rtcp_mux_offer);
  EXPECT_FALSE(trunk.media.allow_loopback);
  EXPECT_TRUE(trunk.media.learn_remote);
  EXPECT_EQ(trunk.learning, Learning::kLatch);
  EXPECT_EQ(trunk.roll_over, RollOver::kRestarts);
  EXPECT_EQ(config.trunks[1].roll_over, RollOver::kEither);
  EXPECT_EQ(sdp::FormatIpAddress(trunk.addresses[0].advertise), "203.0.113.5");
  EXPECT_EQ(trunk.dscp, 34);
  EXPECT_EQ(trunk.media_timeout_ns, 90'000'000'000u);
  EXPECT_EQ(trunk.calls_max, 5u);
  EXPECT_EQ(trunk.calls_per_minute, 6u);
  EXPECT_EQ(trunk.call_burst, 7u);
  EXPECT_EQ(trunk.headers_from, (std::vector<std::string>{"X-Tenant", "Subject"}));
  EXPECT_EQ(trunk.headers_to, std::vector<std::string>{"X-*"});
  EXPECT_EQ(trunk.headers_read, std::vector<std::string>{"X-Call"});
  EXPECT_TRUE(trunk.trusts_identity);
  EXPECT_EQ(trunk.identity, Identity::kRemoteParty);
  EXPECT_EQ(trunk.called_from, "X-DID");
  EXPECT_EQ(trunk.number_plan, (NumberPlan{.country = "91", .digits = 9}));
  EXPECT_EQ(trunk.number_form, NumberForm::kPlain);
  EXPECT_FALSE(Sends(trunk, "PRACK"));
  EXPECT_TRUE(Sends(trunk, "UPDATE"));
  EXPECT_EQ(config.trunks[1].number_plan, NumberPlan{});
  EXPECT_EQ(config.trunks[1].media.codecs, std::vector<sdp::Codec>{sdp::Codec::kPcma});
  EXPECT_EQ(config.routes[0].strip, 2u);
}

TEST(Config, AProfileSaysWhatItsCarrierIsNotAsked) {
  std::string text = ReadFile(std::string(GOLDEN_FOLDER) + "/carrier_fine.yaml");
  const auto first = [&] { return ParseConfig(text, "").config->trunks.at(0); };
  ASSERT_EQ(first().carrier->name, "exotel");
  EXPECT_FALSE(Sends(first(), "UPDATE"));
  EXPECT_FALSE(Sends(first(), "PRACK"));
  EXPECT_TRUE(Sends(first(), "INFO"));
  constexpr std::string_view kProfile = "profile: exotel\n";
  text.insert(text.find(kProfile) + kProfile.size(), "    methods_not_sent: []\n");
  EXPECT_TRUE(Sends(first(), "UPDATE"));
}

TEST(Config, DestinationsAndLogin) {
  const LoadResult result = LoadConfig(std::string(GOLDEN_FOLDER) + "/destinations_fine.yaml");
  ASSERT_NE(result.config, nullptr);
  const Config& config = *result.config;
  EXPECT_EQ(config.name_servers,
            (std::vector<std::string>{"192.0.2.53:53", "[2001:db8::53]:5353"}));
  EXPECT_EQ(config.listeners[1].bind.port, 5061);
  EXPECT_EQ(config.listeners[1].client_trust, "/etc/ca.pem");
  const Trunk& platform = config.trunks[0];
  EXPECT_EQ(platform.listener, 1u);
  EXPECT_EQ(platform.destinations.front().user, "proj_x");
  EXPECT_EQ(platform.destinations.front().host, "voice.example.com");
  EXPECT_EQ(platform.destinations.front().transport, Transport::kTls);
  EXPECT_TRUE(platform.destinations.front().by_srv);
  EXPECT_EQ(platform.login->user, "me");
  EXPECT_EQ(platform.login->realm, "voice");
  EXPECT_EQ(platform.login->password_file, "/etc/password");
  EXPECT_EQ(platform.tls.certificate, "/etc/client.pem");
  EXPECT_FALSE(platform.media.refuse_private);
  const Trunk& carrier = config.trunks[1];
  ASSERT_EQ(carrier.destinations.size(), 2u);
  EXPECT_EQ(carrier.destinations[0].port, 5070);
  EXPECT_FALSE(carrier.destinations[0].by_srv);
  EXPECT_EQ(carrier.destinations[0].weight, 70);
  EXPECT_TRUE(carrier.destinations[1].by_srv);
  EXPECT_EQ(carrier.destinations[1].priority, 2);
  EXPECT_EQ(carrier.health_ns, 30'000'000'000u);
  EXPECT_EQ(carrier.response_timeout_ns, 3'000'000'000u);
  EXPECT_EQ(carrier.media.own, std::vector<sdp::IpAddress>{*sdp::ParseIpAddress("192.0.2.1")});
  EXPECT_EQ(carrier.media.private_networks, carrier.sources);
}

TEST(Config, AProfileFillsInWhatIsNotGiven) {
  const LoadResult result = LoadConfig(std::string(GOLDEN_FOLDER) + "/carrier_fine.yaml");
  ASSERT_NE(result.config, nullptr);
  const Trunk& trunk = result.config->trunks[0];
  EXPECT_EQ(trunk.carrier, FindProfile("exotel"));
  EXPECT_TRUE(trunk.media.refuse_private);
  EXPECT_EQ(trunk.destinations.front().host, "pstn.in2.exotel.com");
  EXPECT_EQ(trunk.destinations.front().port, 5070);
  EXPECT_EQ(trunk.destinations.front().transport, Transport::kTcp);
  EXPECT_EQ(trunk.networks, FindProfile("exotel")->AllMedia());
  EXPECT_EQ(trunk.calls_per_minute, 200u);
  EXPECT_EQ(trunk.numbers, std::vector<std::string>{"+918012345678"});
  EXPECT_EQ(result.config->trunks[1].carrier, nullptr);
}

TEST(Config, BytesThatAreNoUtf8AreNamedByTheirLine) {
  const LoadResult result = ParseConfig("user_agent: a\n# caf\xe9\n", "f");
  EXPECT_EQ(result.config, nullptr);
  EXPECT_EQ(FormatDiagnostic(result.diagnostics.at(0)),
            "f:2: error: these bytes are not UTF-8; write the file in UTF-8");
  EXPECT_EQ(AsciiSafe("caf\xc3\xa9\n"), "caf\\xc3\\xa9\\x0a");
}

TEST(Config, WhatIsNoConfigurationIsRefused) {
  for (const char* text :
       {"", "# nothing\n", "a", "- a\n", "{", "\"", "a: &x [*x]\n", "? {a: b}\n: c",
        "listeners: 3\nrelay: []\ntrunks: {a: b}\nroutes: x\n", "\t", "%YAML 9"}) {
    const LoadResult result = ParseConfig(text, "f");
    EXPECT_EQ(result.config, nullptr) << text;
    EXPECT_TRUE(HasError(result.diagnostics)) << text;
  }
  EXPECT_EQ(ParseConfig(std::string(kConfigBytesMax + 1, '#'), "f").config, nullptr);
  EXPECT_EQ(FormatDiagnostic(LoadConfig("/nonexistent/x.yaml").diagnostics[0]),
            "/nonexistent/x.yaml: error: the file cannot be read");
}

}  // namespace
}  // namespace sipctl::trunk
