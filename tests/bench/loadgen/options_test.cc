#include "bench/loadgen/options.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/options_fixture.h"

namespace bench::loadgen {
namespace {

using testing::HasSubstr;

class OptionsTest : public OptionsFixture<Options, UsageOf> {
 protected:
  std::string With(std::vector<const char*> more) {
    more.insert(more.begin(), {"--relay", "/run/tandem/relay.sock"});
    return Read(more);
  }
};

TEST_F(OptionsTest, WhatIsGivenIsSet) {
  EXPECT_EQ(With({"--port", "20000", "--sockets", "8", "--warm", "0", "--seconds", "1.5", "--mode",
                  "srtp", "--json", "-"}),
            "");
  EXPECT_EQ(options_.relay, "/run/tandem/relay.sock");
  EXPECT_EQ(options_.pump.far.port_first, 20000);
  EXPECT_EQ(options_.pump.far.sockets, 8);
  EXPECT_EQ(options_.warm_seconds, 0);
  EXPECT_EQ(options_.seconds, 1.5);
  EXPECT_FALSE(options_.pump.media.plain());
  EXPECT_EQ(options_.json, "-");
  EXPECT_EQ(options_.cpu, -1);
  EXPECT_TRUE(options_.rtcp_mux);
  EXPECT_EQ(With({"--separate-rtcp", "--reflect", "--device", "xdp:v0"}), "");
  EXPECT_FALSE(options_.rtcp_mux);
  EXPECT_TRUE(options_.pump.far.reflect);
}

TEST_F(OptionsTest, AnEqualsSignMayStandInADevicesName) {
  EXPECT_EQ(With({"--device", "dpdk:net_af_xdp0,iface=v0@02:00:00:00:00:01", "--eal",
                  "--no-huge --no-shconf"}),
            "");
  EXPECT_EQ(options_.pump.far.device, "dpdk:net_af_xdp0,iface=v0@02:00:00:00:00:01");
  EXPECT_EQ(options_.pump.far.eal, "--no-huge --no-shconf");
  EXPECT_EQ(options_.pump.far.queues, 1);
  EXPECT_EQ(With({"--queues", "2", "--device", "xdp:v0"}), "");
  EXPECT_EQ(options_.pump.far.queues, 2);
  EXPECT_THAT(With({"--queues", "0"}), HasSubstr("--queues"));
}

TEST_F(OptionsTest, MistakesAreNamed) {
  constexpr const char* kEither =
      "loadgen: give one of --relay and --streams; `loadgen --help` explains them";
  EXPECT_EQ(Read({}), kEither);
  EXPECT_EQ(With({"--streams", "list"}), kEither);
  EXPECT_EQ(With({"--mode", "opus"}),
            "loadgen: argument 4 (--mode): 'opus' is none of plain, transcode, srtp, srtp-both, "
            "gcm");
  EXPECT_EQ(With({"--port", "65536"}),
            "loadgen: argument 4 (--port): '65536' is not a whole number from 1 to 65535");
  EXPECT_EQ(With({"--cpu", "-1"}),
            "loadgen: argument 4 (--cpu): '-1' is not a whole number from 0 to 1023");
  EXPECT_EQ(With({"--calls", "10", "--calls", "20"}),
            "loadgen: argument 5 (--calls): given twice; give it once");
  EXPECT_EQ(With({"--search", "1000", "--pace", "100"}),
            "loadgen: --search changes the number of calls at their own pace; leave out --pace");
  EXPECT_EQ(With({"--reflect", "--mode", "gcm"}),
            "loadgen: --search and --reflect go with --mode plain alone; leave out either");
  EXPECT_EQ(With({"--port", "65530", "--sockets", "4"}),
            "loadgen: ports 65530 to 65545 are not to be had: give an even --port with room for 4 "
            "ports of each of --sockets below 65536");
  EXPECT_EQ(With({"--port", "65520", "--sockets", "4"}), "");
  EXPECT_THAT(With({"--port", "50001"}), HasSubstr("give an even --port"));
  constexpr const char* kFrames =
      "loadgen: --reflect and --queues go with --device xdp:NAME or dpdk:DEVICE@MAC alone";
  EXPECT_EQ(With({"--reflect", "--device", "v0"}), kFrames);
  EXPECT_EQ(With({"--queues", "2"}), kFrames);
}

TEST_F(OptionsTest, HelpNeedsNothingElse) {
  EXPECT_EQ(Read({"--help"}), "");
  EXPECT_THAT(help_, HasSubstr("--calls N\n      Calls; each is two streams"));
}

}  // namespace
}  // namespace bench::loadgen
