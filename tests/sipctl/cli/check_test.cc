#include "sipctl/cli/check.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

struct Printed {
  int status;
  std::string out;
};

Printed Check(const CheckOptions& options) {
  std::ostringstream out;
  const int status = RunCheck(options, out);
  return {status, out.str()};
}

std::string Golden(const char* name) {
  return std::string(GOLDEN_FOLDER) + "/" + name;
}

TEST(Check, TheExampleIsSummarisedInThreeParts) {
  const Printed run = Check({.config = EXAMPLE});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "outbound\n"
            "  exotel: to 127.0.0.20:5060/udp as 127.0.0.10:5060, calls: pbx +91, pbx 0, at most "
            "200 a minute\n"
            "  pbx: to 127.0.0.30:5060/udp as 127.0.0.11:5060, calls: exotel *\n"
            "inbound\n"
            "  exotel: from 127.0.0.20/32 to 127.0.0.10:5060/udp, 127.0.0.11:5060/udp\n"
            "  pbx: from 127.0.0.30/32 to 127.0.0.10:5060/udp, 127.0.0.11:5060/udp\n"
            "media\n"
            "  exotel: PCMA, PCMU, telephone-event on 127.0.0.10, far side 127.0.0.20/32\n"
            "  pbx: PCMA, PCMU, telephone-event on 127.0.0.11, far side 127.0.0.30/32, only from "
            "the signalled address\n"
            "check: 0 errors, 0 warnings\n");
}

TEST(Check, ErrorsCarryFileAndLine) {
  const Printed run = Check({.config = Golden("repeated_key.yaml")});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.out, Golden("repeated_key.yaml") +
                         ":13: error: the key 'name' stands twice in the trunk; write it once\n"
                         "check: 1 error, 0 warnings\n");
}

TEST(Check, WarningsAloneAreNoFailure) {
  const Printed run = Check({.config = Golden("warnings.yaml")});
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.out.find("check: 0 errors, 5 warnings\n"), std::string::npos);
}

TEST(Check, JsonSaysTheSame) {
  const Printed bad = Check({.config = Golden("repeated_key.yaml"), .json = true});
  EXPECT_EQ(bad.status, 1);
  const auto json = nlohmann::json::parse(bad.out);
  EXPECT_FALSE(json["ok"]);
  EXPECT_EQ(json["diagnostics"][0]["line"], 13);
  EXPECT_EQ(json["diagnostics"][0]["severity"], "error");
  const Printed good = Check({.config = EXAMPLE, .json = true});
  EXPECT_EQ(good.status, 0);
  EXPECT_EQ(nlohmann::json::parse(good.out)["media"].size(), 2u);
}

TEST(Check, SaysWhoLogsInAndWhere) {
  const auto json =
      nlohmann::json::parse(Check({.config = Golden("access_fine.yaml"), .json = true}).out);
  EXPECT_EQ(json["inbound"][0], "carrier: from 185.12.65.1/32 to 185.12.64.10:5070/tcp");
  EXPECT_EQ(json["inbound"][1],
            "pbx: from anywhere as pbx1 or +918012345678 to 185.12.64.10:5080/udp, "
            "185.12.64.10:5061/tls");
  EXPECT_EQ(json["inbound"][2], "desk: from anywhere as desk to 185.12.64.10:5061/tls");
  EXPECT_EQ(json["outbound"][2],
            "desk: to where desk logged in as sbc.example.com:5061, calls: carrier *");
}

TEST(Check, AMissingFileIsAnError) {
  const Printed run = Check({.config = "/nonexistent/a.yaml"});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.out,
            "/nonexistent/a.yaml: error: the file cannot be read\ncheck: 1 error, 0 warnings\n");
}

// docs/configuration.md is prose around what the program prints.
TEST(Check, TheManualHoldsEveryKeyAsPrinted) {
  std::ifstream file(MANUAL);
  std::ostringstream manual;
  manual << file.rdbuf();
  const Printed run = Check({.print_keys_markdown = true});
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(manual.str().find("\n" + run.out), std::string::npos)
      << "put this into docs/configuration.md (sipctl check --print-keys-markdown):\n"
      << run.out;
}

}  // namespace
}  // namespace sipctl::cli
