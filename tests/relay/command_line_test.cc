#include "relay/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace relay {
namespace {

class CommandLineTest : public testing::Test {
 protected:
  std::string Parse(std::vector<const char*> arguments) {
    const CommandLine line(
        "tool", "Does things.",
        {{"--number", "N", "5", "A number, 1 to 9.", false, NumberInto(&number_, 1, 9)},
         {"--name", "A|B", "", "Names.", true,
          [this](std::string_view text) {
            names_.emplace_back(text);
            return absl::OkStatus();
          }},
         {"--path", "PATH", "", "A path.", false, TextInto(&path_)},
         {"--kind", "one|two", "", "A kind.", false, OneOf<int>(&kind_, {{"one", 1}, {"two", 2}})},
         {"--flag", "", "", "A switch.", false, SwitchInto(&flag_)},
         {"--no-rest", "", "", "A switch off.", false, SwitchInto(&rest_, false)}});
    markdown_ = line.Markdown();
    help_ = line.Help();
    return std::string(line.Parse(arguments).message());
  }

  int number_ = 5;
  std::vector<std::string> names_;
  std::string path_;
  int kind_ = 0;
  bool flag_ = false, rest_ = true;
  std::string markdown_, help_;
};

TEST_F(CommandLineTest, BothSpellingsAndRepetition) {
  EXPECT_EQ(Parse({"--number", "7", "--name=a", "--name", "b", "--flag"}), "");
  EXPECT_EQ(number_, 7);
  EXPECT_EQ(names_, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(flag_);
}

TEST_F(CommandLineTest, SettersOfTextsNamesAndSwitches) {
  EXPECT_EQ(Parse({"--path", "--flag", "--kind=two", "--no-rest"}), "");
  EXPECT_EQ(path_, "--flag");
  EXPECT_EQ(kind_, 2);
  EXPECT_FALSE(flag_);
  EXPECT_FALSE(rest_);
  EXPECT_EQ(Parse({"--path="}), "tool: argument 1 (--path): '' is empty");
  EXPECT_EQ(Parse({"--kind", "three"}), "tool: argument 2 (--kind): 'three' is none of one, two");
}

TEST_F(CommandLineTest, ErrorsSayWhatWhereAndWhatToDo) {
  EXPECT_EQ(Parse({"--flag", "--nubmer", "7"}),
            "tool: argument 2 (--nubmer): unknown option; `tool --help` lists them all");
  EXPECT_EQ(Parse({"--number", "1", "--number", "2"}),
            "tool: argument 3 (--number): given twice; give it once");
  EXPECT_EQ(Parse({"--number"}), "tool: argument 1 (--number): needs a value; write --number N");
  EXPECT_EQ(Parse({"--flag=1"}),
            "tool: argument 1 (--flag): takes no value; leave out everything from '='");
  EXPECT_EQ(Parse({"--number", "10"}),
            "tool: argument 2 (--number): '10' is not a whole number from 1 to 9");
  EXPECT_EQ(Parse({"--number=-1"}),
            "tool: argument 1 (--number): '-1' is not a whole number from 1 to 9");
}

TEST_F(CommandLineTest, EveryRowIsInBothLists) {
  Parse({});
  EXPECT_NE(markdown_.find("| `--number` | `N` | `5` | A number, 1 to 9. |"), std::string::npos);
  EXPECT_NE(markdown_.find("| `--name` | `A\\|B` |  | Names. Repeatable. |"), std::string::npos);
  EXPECT_NE(help_.find("--number N\n      A number, 1 to 9. Default: 5."), std::string::npos);
}

}  // namespace
}  // namespace relay
