#include "bench/command_line.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace bench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int status;
  std::string out, errors;
};

class CommandLineTest : public testing::Test {
 protected:
  Outcome Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/anywhere/tool");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    const Usage usage{
        .program = "tool",
        .summary = "Measures.",
        .rows = {{"--seconds", "S", "", "How long.", false, RealInto(&seconds_, 0.5, kDayS)}},
        .check = [this] {
          return seconds_ == 13 ? absl::InvalidArgumentError("not 13; give another")
                                : absl::OkStatus();
        }};
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = RunProgram(usage, static_cast<int>(argv.size()), argv.data(), [this] {
      ++runs_;
      return result_;
    });
    return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  }

  double seconds_ = 1;
  int runs_ = 0;
  absl::Status result_;
};

TEST_F(CommandLineTest, RunsWithWhatIsGiven) {
  const Outcome outcome = Run({"--seconds", "2.5"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.errors, "");
  EXPECT_EQ(seconds_, 2.5);
  EXPECT_EQ(runs_, 1);
}

TEST_F(CommandLineTest, AFailedRunIsOne) {
  result_ = absl::UnavailableError("no relay at /run/x");
  const Outcome outcome = Run({});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.errors, "tool: no relay at /run/x\n");
}

TEST_F(CommandLineTest, AWrongCommandLineIsTwoAndRunsNothing) {
  EXPECT_EQ(Run({"--fast"}).errors,
            "tool: argument 1 (--fast): unknown option; `tool --help` lists them all\n");
  EXPECT_EQ(Run({"--seconds", "13"}).errors, "tool: not 13; give another\n");
  for (const char* seconds : {"0.4", "86401", "-1", "nan", "inf", "1s", ""}) {
    const Outcome outcome = Run({"--seconds", seconds});
    EXPECT_EQ(outcome.status, 2) << seconds;
    EXPECT_EQ(outcome.errors, std::string("tool: argument 2 (--seconds): '") + seconds +
                                  "' is not a number from 0.5 to 86400\n");
  }
  EXPECT_EQ(runs_, 0);
}

TEST_F(CommandLineTest, HelpIsPrintedInsteadWhateverTheCheckSays) {
  const Outcome outcome = Run({"--seconds", "13", "--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, AllOf(StartsWith("usage: tool"), HasSubstr("Measures."),
                                 HasSubstr("--seconds S\n"), HasSubstr("--help\n")));
  EXPECT_EQ(outcome.errors, "");
  EXPECT_EQ(runs_, 0);
}

TEST(WriteResult, GoesToTheFileOrStandardOutput) {
  const std::string path = testing::TempDir() + "bench_result." + std::to_string(getpid());
  ASSERT_TRUE(WriteResult(path, "one\n").ok());
  ASSERT_TRUE(WriteResult(path, "two\n").ok());
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "two\n");
  unlink(path.c_str());

  testing::internal::CaptureStdout();
  EXPECT_TRUE(WriteResult("-", "three\n").ok());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "three\n");
}

TEST(WriteResult, WhatIsNotWrittenIsAnError) {
  EXPECT_EQ(WriteResult("/proc/nowhere/result", "x").message(),
            "/proc/nowhere/result: not written: No such file or directory");
  EXPECT_EQ(WriteResult("/dev/full", "x").message(),
            "/dev/full: not written: No space left on device");
}

TEST(PinTo, PinsWhereItIsTold) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int cpu = 0;
  while (!CPU_ISSET(static_cast<size_t>(cpu), &before)) ++cpu;

  EXPECT_TRUE(PinTo(-1).ok());
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));

  EXPECT_TRUE(PinTo(cpu).ok());
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_EQ(CPU_COUNT(&after), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<size_t>(cpu), &after));
  EXPECT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace bench
