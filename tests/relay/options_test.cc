#include "relay/options.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace relay {
namespace {

std::string ErrorOf(std::vector<const char*> arguments) {
  return std::string(ParseOptions(arguments).status().message());
}

TEST(OptionsTest, TheDefaults) {
  const Options options = ParseOptions({}).value();
  ASSERT_EQ(options.listen.size(), 1u);
  EXPECT_EQ(options.listen[0].address, abi::Address::Ipv4(127, 0, 0, 1));
  EXPECT_EQ(options.listen[0].port_first, 10000);
  EXPECT_EQ(options.listen[0].port_last, 39999);
  EXPECT_EQ(options.ports, std::vector<PortChoice>{{.kind = PortKind::kUring}});
  EXPECT_EQ(options.workers, 1);
}

TEST(OptionsTest, InterfacesAreNumberedInTheOrderOfTheirNames) {
  const std::vector<const char*> arguments = {"--listen",      "192.0.2.1@lan", "--listen",
                                              "192.0.2.2@wan", "--listen",      "192.0.2.3@lan"};
  const Options options = ParseOptions(arguments).value();
  EXPECT_EQ(options.listen[0].interface, 0);
  EXPECT_EQ(options.listen[1].interface, 1);
  EXPECT_EQ(options.listen[2].interface, 0);
  EXPECT_STREQ(options.listen[1].interface_name, "wan");
}

TEST(OptionsTest, Cpus) {
  const std::vector<const char*> arguments = {"--workers", "4", "--cpus", "2,4-6"};
  EXPECT_EQ(ParseOptions(arguments).value().cpus, (std::vector<uint16_t>{2, 4, 5, 6}));
  EXPECT_NE(ErrorOf({"--workers", "2", "--cpus", "1"}), "");
  EXPECT_NE(ErrorOf({"--cpus", "3-1"}), "");
}

TEST(OptionsTest, WrongAddresses) {
  for (const char* text :
       {"example.com", "192.0.2.1:10001-10009", "192.0.2.1:10000-10008", "192.0.2.1:10010-10001",
        "192.0.2.1:10000", "[2001:db8::1", "192.0.2.1@", "192.0.2.1@abcdefghijklmnop", "0.0.0.0",
        "192.0.2.1:80-99", "[::]", "192.0.2.1x", "[fe80::1]", "[febf::1]:10000-10099"}) {
    EXPECT_NE(ErrorOf({"--listen", text}), "") << text;
  }
}

TEST(OptionsTest, ALinkLocalAddressComesWithItsInterface) {
  EXPECT_EQ(ErrorOf({"--listen", "[fe80::1]@eth0:10000-10099"}), "");
}

TEST(OptionsTest, RangesMustNotOverlap) {
  EXPECT_NE(ErrorOf({"--listen", "192.0.2.1:10000-10099", "--listen", "192.0.2.1:10098-10199"}),
            "");
  EXPECT_EQ(ErrorOf({"--listen", "192.0.2.1:10000-10099", "--listen", "192.0.2.1:10100-10199"}),
            "");
}

TEST(OptionsTest, EachSlotNeedsAPortPair) {
  EXPECT_NE(ErrorOf({"--listen", "192.0.2.1:10000-10005", "--client-slots", "4"}), "");
}

TEST(OptionsTest, ChoicesAreNamedInTheError) {
  EXPECT_EQ(ErrorOf({"--port", "dpdk"}),
            "relay: argument 2 (--port): 'dpdk' must be uring, xdp:DEVICE, dpdk:DEVICE or memory");
  EXPECT_EQ(ErrorOf({"--xdp-mode", "best"}),
            "relay: argument 2 (--xdp-mode): 'best' is none of auto, native, zero-copy, generic");
}

TEST(OptionsTest, PortsOfSeveralKinds) {
  const char* const both[] = {"--port", "xdp:eth0", "--port", "uring", "--listen", "192.0.2.1"};
  const Options several = ParseOptions(both).value();
  EXPECT_EQ(several.ports,
            (std::vector<PortChoice>{{.kind = PortKind::kXdp, .device = "eth0"}, {}}));
  EXPECT_STREQ(several.listen[0].interface_name, "");
  // The only device needs no second naming.
  const char* const one[] = {"--port", "xdp:eth0", "--listen", "192.0.2.1"};
  EXPECT_STREQ(ParseOptions(one).value().listen[0].interface_name, "eth0");
  EXPECT_FALSE(ParseOptions(one).value().xdp_dispatcher);
  const char* const beside[] = {"--port", "xdp:eth0", "--xdp-dispatcher", "--listen", "192.0.2.1"};
  EXPECT_TRUE(ParseOptions(beside).value().xdp_dispatcher);
  EXPECT_NE(ErrorOf({"--port", "xdp:"}), "");
  EXPECT_NE(ErrorOf({"--port", "uring", "--port", "uring"}), "");
  EXPECT_NE(ErrorOf({"--port", "uring", "--port", "memory"}), "");
}

TEST(OptionsTest, DpdkDevicesAreInterfacesInTheirOrder) {
  const char* const two[] = {"--port",   "dpdk:0000:01:00.0@wan0",
                             "--port",   "dpdk:net_memif0,role=server@02:00:00:00:00:02",
                             "--port",   "uring",
                             "--eal",    "--no-huge",
                             "--listen", "192.0.2.1",
                             "--listen", "192.0.2.2@net_memif0",
                             "--listen", "192.0.2.3@wan0"};
  const Options options = ParseOptions(two).value();
  EXPECT_EQ(options.eal, "--no-huge");
  EXPECT_EQ(options.listen[0].interface, 2);
  EXPECT_EQ(options.listen[1].interface, 1);
  EXPECT_EQ(options.listen[2].interface, 0);
  const char* const one[] = {"--port", "dpdk:net_memif0,role=server@02:00:00:00:00:02"};
  EXPECT_STREQ(ParseOptions(one).value().listen[0].interface_name, "net_memif0");
  EXPECT_NE(ErrorOf({"--port", "dpdk:"}), "");
  EXPECT_NE(ErrorOf({"--port", "dpdk:net_null0", "--port", "xdp:eth0"}), "");
  EXPECT_NE(ErrorOf({"--eal", "--no-huge"}), "");
}

// docs/options.md holds what the program prints.
TEST(OptionsTest, TheDocumentIsUpToDate) {
  std::ifstream file(OPTIONS_MD);
  std::stringstream document;
  document << file.rdbuf();
  Options options;
  EXPECT_NE(document.str().find(OptionsTable(&options).Markdown()), std::string::npos)
      << "put the output of `relay --print-options-markdown` into docs/options.md";
}

}  // namespace
}  // namespace relay
