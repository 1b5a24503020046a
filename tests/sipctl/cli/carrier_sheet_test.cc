#include "sipctl/cli/carrier_sheet.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

TEST(CarrierSheet, HoldsWhatTheCarrierAsksForAndWhatItMustConfirm) {
  std::ostringstream out, err;
  EXPECT_EQ(RunCarrierSheet({"carrier", CARRIER_CONFIG}, out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "to the carrier\n"
            "  account: acme1, in From as acme1.pstn.exotel.com\n"
            "  numbers: +918012345678\n"
            "  our calls come from: 185.12.64.10 over tcp\n"
            "  send calls for us to: 185.12.64.10:5070;transport=tcp\n"
            "  our media: 185.12.64.10 over UDP, RTP without SRTP\n"
            "  codecs: PCMA, PCMU, telephone-event\n"
            "  calls at a time: 1000, new calls a minute: 200\n"
            "for the carrier to confirm\n"
            "  its calls come from: 185.12.65.1/32\n"
            "  it takes calls at: pstn.in2.exotel.com:5070 over tcp\n"
            "  its media: 14.194.10.247/32, 61.246.82.75/32, 182.76.143.61/32, 122.15.8.184/32, "
            "18.142.150.245/32, 122.248.223.73/32 on UDP 10000-40000\n"
            "  profile exotel of 2026-11-21\n");
}

TEST(CarrierSheet, SaysHowMediaIsEncrypted) {
  std::ifstream in(CARRIER_CONFIG);
  const std::string before{std::istreambuf_iterator<char>(in), {}};
  const std::string name = "  - name: carrier\n";
  ASSERT_NE(before.find(name), std::string::npos);
  const struct {
    const char* srtp;
    const char* says;
  } kRows[] = {{"required", " over UDP, SRTP with keys in SDP (RFC 4568): AEAD_AES_128_GCM\n"},
               {"optional", " over UDP, RTP, or SRTP with keys in SDP (RFC 4568): AEAD_AES_128_"}};
  for (const auto& row : kRows) {
    std::string config = before;
    config.insert(config.find(name) + name.size(),
                  std::string("    srtp: ") + row.srtp +
                      "\n    srtp_suites: [AEAD_AES_128_GCM]\n    confirmed: [CV-09]\n");
    const std::string path = testing::TempDir() + "carrier_sheet_srtp.yaml";
    std::ofstream(path) << config;
    std::ostringstream out, err;
    EXPECT_EQ(RunCarrierSheet({"carrier", path}, out, err), 0) << err.str();
    EXPECT_NE(out.str().find(row.says), std::string::npos) << out.str();
  }
}

TEST(CarrierSheet, SaysWhatIsNotConfigured) {
  std::ostringstream out, err;
  EXPECT_EQ(RunCarrierSheet({"pbx", CARRIER_CONFIG}, out, err), 0);
  EXPECT_NE(out.str().find("account: not configured (from_domain)"), std::string::npos);
  EXPECT_NE(out.str().find("numbers: not configured (numbers)"), std::string::npos);
  EXPECT_EQ(RunCarrierSheet({"none", CARRIER_CONFIG}, out, err), 1);
}

}  // namespace
}  // namespace sipctl::cli
