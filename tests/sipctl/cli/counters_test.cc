#include "sipctl/cli/counters.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace sipctl::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Counted Some() {
  Counted counted{.calls = 7,
                  .connections = 2,
                  .transactions = 31,
                  .transport = {},
                  .transaction = {},
                  .overload = {}};
  counted.transport.kernel_drops = 12;
  counted.transaction.no_ack = 3;
  counted.overload.shed = 5;
  return counted;
}

TEST(Counters, AreNamedWithTheirSentences) {
  const std::string text = CountersText(Some(), false);
  EXPECT_THAT(text, HasSubstr("  kernel_drops                         12  datagrams the kernel"));
  EXPECT_THAT(text, HasSubstr("  no_ack                                3  final answers whose"));
  EXPECT_THAT(text, HasSubstr("  calls                                 7  calls that are not"));
  EXPECT_THAT(text, HasSubstr("  shed                                  5  new calls answered 503"));
}

TEST(Counters, AtZeroAreShownWhenAskedFor) {
  EXPECT_THAT(CountersText(Some(), false), Not(HasSubstr("broken_streams")));
  EXPECT_THAT(CountersText(Some(), true), HasSubstr("  broken_streams                        0"));
}

TEST(Counters, AreAllInJson) {
  const nlohmann::json json = nlohmann::json::parse(CountersJson(Some()));
  EXPECT_EQ(json["now"]["connections"], 2);
  EXPECT_EQ(json["now"]["transactions"], 31);
  EXPECT_EQ(json["transport"]["kernel_drops"], 12);
  EXPECT_EQ(json["transport"]["messages_in"], 0);
  EXPECT_EQ(json["transactions"]["no_ack"], 3);
  EXPECT_EQ(json["overload"]["shed"], 5);
  size_t transport = 0, transaction = 0, overload = 0;
  Some().transport.ForEach([&](auto...) { ++transport; });
  Some().transaction.ForEach([&](auto...) { ++transaction; });
  Some().overload.ForEach([&](auto...) { ++overload; });
  EXPECT_EQ(json["transport"].size(), transport);
  EXPECT_EQ(json["transactions"].size(), transaction);
  EXPECT_EQ(json["overload"].size(), overload);
}

TEST(Counters, WithoutAProcessAreAnError) {
  std::ostringstream out, errors;
  EXPECT_EQ(RunCounters({.control = "/nonexistent/sipctl.sock"}, out, errors), 1);
  EXPECT_THAT(errors.str(), HasSubstr("no sipctl answers there"));
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace sipctl::cli
