#include "sipctl/cli/exotel_plan.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The script is run by a real shell, with a curl that only says what it was asked.
class ExotelPlan : public testing::Test {
 protected:
  ExotelPlan() {
    char folder[] = "/tmp/exotel_plan_test_XXXXXX";
    folder_ = mkdtemp(folder);
    std::ofstream curl(folder_ + "/curl");
    curl << "#!/bin/bash\nprintf '%s\\n' \"$*\"\n[[ \" $* \" == *' @- '* ]] && cat && echo\nexit "
            "0\n";
    curl.close();
    EXPECT_EQ(std::system(("chmod +x " + folder_ + "/curl").c_str()), 0);
  }
  ~ExotelPlan() override { EXPECT_EQ(std::system(("rm -r " + folder_).c_str()), 0); }

  // `edit` is a sed expression over the fine configuration.
  int Plan(const std::string& edit, const std::string& trunk = "carrier") {
    const std::string config = folder_ + "/config.yaml";
    EXPECT_EQ(std::system(("sed '" + edit + "' " CARRIER_CONFIG " > " + config).c_str()), 0);
    std::ostringstream out, err;
    const int status = RunExotelPlan({.trunk = trunk, .config = config}, out, err);
    script_ = out.str();
    error_ = err.str();
    return status;
  }
  std::string RunScript(const std::string& environment) {
    std::ofstream(folder_ + "/plan.sh") << script_;
    const std::string run = "cd " + folder_ + " && PATH=.:$PATH " + environment +
                            " bash plan.sh > said 2>&1; echo status $? >> said";
    EXPECT_EQ(std::system(run.c_str()), 0);
    return ReadFile(folder_ + "/said");
  }

  std::string folder_, script_, error_;
};

TEST_F(ExotelPlan, SetsUpTrunkNumbersAllowListAndDestination) {
  ASSERT_EQ(Plan(""), 0) << error_;
  EXPECT_EQ(
      RunScript("EXOTEL_API_KEY=key EXOTEL_API_TOKEN=token TRUNK_SID=tr1"),
      "-sS -u key:token -X POST -H Content-Type: application/json --data "
      R"({"trunk_name":"carrier","nso_code":"ANY-ANY","domain_name":"acme1.pstn.exotel.com"})"
      " https://api.in.exotel.com/v2/accounts/acme1/trunks\n"
      "-sS -u key:token -X POST -H Content-Type: application/json --data "
      R"({"phone_number":"+918012345678","mode":"pstn"})"
      " https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/phone-numbers\n"
      "-sS -u key:token -X POST -H Content-Type: application/json --data "
      R"({"ip":"185.12.64.10","mask":32})"
      " https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/whitelisted-ips\n"
      "-sS -u key:token -X POST -H Content-Type: application/json --data "
      R"({"destinations":[{"destination":"185.12.64.10:5070;transport=tcp"}]})"
      " https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/destination-uris\n"
      "-sS -u key:token https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/phone-numbers\n"
      "-sS -u key:token "
      "https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/whitelisted-ips\n"
      "-sS -u key:token "
      "https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/destination-uris\n"
      "status 0\n");
}

TEST_F(ExotelPlan, HoldsNoSecretAndStopsWithoutOne) {
  ASSERT_EQ(Plan(""), 0);
  EXPECT_NE(script_.find("sipctl has executed nothing"), std::string::npos);
  const std::string said = RunScript("EXOTEL_API_KEY=key");
  EXPECT_NE(said.find("EXOTEL_API_TOKEN"), std::string::npos) << said;
  EXPECT_EQ(said.find("curl"), std::string::npos);
  EXPECT_EQ(said.find("status 0"), std::string::npos);
}

TEST_F(ExotelPlan, CredentialsComeFromTheEnvironmentAndAreInNoArgument) {
  ASSERT_EQ(Plan(""), 0);
  const std::string said = RunScript(
      "EXOTEL_API_KEY=k EXOTEL_API_TOKEN=t TRUNK_SID=tr1 EXOTEL_SIP_USER=u EXOTEL_SIP_PASSWORD=p");
  EXPECT_NE(
      said.find("--data @- https://api.in.exotel.com/v2/accounts/acme1/trunks/tr1/credentials\n"
                R"({"user_name": "u", "password": "p", "friendly_name": "carrier"})"),
      std::string::npos)
      << said;
}

TEST_F(ExotelPlan, WhoHasANameOnlyIsCalledThroughTheInterface) {
  ASSERT_EQ(Plan("s/185.12.64.10:5070/sbc.example.com:5070/; s/    pop: mumbai/&\\n"
                 "    confirmed: [CV-22]/"),
            0)
      << error_;
  const std::string said = RunScript(
      "EXOTEL_API_KEY=k EXOTEL_API_TOKEN=t TRUNK_SID=tr1 FLOW_ID=926 CALLEE=+919876543210");
  EXPECT_EQ(said.find("whitelisted-ips --data"), std::string::npos);
  EXPECT_NE(said.find("sbc.example.com:5070;transport=tcp"), std::string::npos);
  EXPECT_NE(said.find("-X POST https://api.in.exotel.com/v1/Accounts/acme1/Calls/connect "
                      "--data-urlencode From=+919876543210 --data-urlencode CallerId=+918012345678 "
                      "--data-urlencode Url=http://my.exotel.com/acme1/exoml/start_voice/926"),
            std::string::npos)
      << said;
}

TEST_F(ExotelPlan, NumbersOfFlowsAreMappedSoAndNamesAreMadeToFit) {
  ASSERT_EQ(Plan("s/carrier/carrier-of-the-south/", "carrier-of-the-south"), 0) << error_;
  EXPECT_NE(script_.find(R"("trunk_name":"carrier_of_the_s")"), std::string::npos) << script_;
  EXPECT_NE(script_.find("it is called carrier_of_the_s"), std::string::npos);
  ASSERT_EQ(Plan("s/to: carrier}/to: carrier, mode: flow}/"), 0) << error_;
  EXPECT_NE(script_.find(R"("mode":"flow")"), std::string::npos);
}

TEST_F(ExotelPlan, ATrunkWithoutTheInterfaceIsAnError) {
  std::ostringstream out, err;
  EXPECT_EQ(RunExotelPlan({.trunk = "pbx", .config = CARRIER_CONFIG}, out, err), 1);
  EXPECT_EQ(
      err.str(),
      "trunk 'pbx' has no profile with an interface for trunks; write profile: exotel in it\n");
}

}  // namespace
}  // namespace sipctl::cli
