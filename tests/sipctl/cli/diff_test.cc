#include "sipctl/cli/diff.h"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "gtest/gtest.h"
#include "sipctl/cli/control.h"

namespace sipctl::cli {
namespace {

// A process that runs by the example.
class DiffTest : public testing::Test {
 protected:
  DiffTest() : loop_(*Loop::Create()) {
    char folder[] = "/tmp/diff_test_XXXXXX";
    folder_ = mkdtemp(folder);
    std::ifstream file(EXAMPLE);
    std::ostringstream text;
    text << file.rdbuf();
    running_ = text.str();
    auto control = Control::Create(loop_.get(), folder_ + "/socket",
                                   [this](std::string_view question, Control::Reply reply) {
                                     EXPECT_EQ(question, "config");
                                     reply("running.yaml\n" + running_);
                                   });
    EXPECT_TRUE(control.ok());
    control_ = *std::move(control);
  }
  ~DiffTest() override { EXPECT_EQ(std::system(("rm -r " + folder_).c_str()), 0); }

  // Compares the example, edited by sed, with what runs.
  int Diff(const std::string& edit) {
    const std::string path = folder_ + "/next.yaml";
    EXPECT_EQ(std::system(("sed '" + edit + "' " EXAMPLE " > " + path).c_str()), 0);
    std::ostringstream out, err;
    std::atomic<int> status = -1;
    std::thread visitor(
        [&] { status = RunDiff({.config = path, .control = folder_ + "/socket"}, out, err); });
    while (status < 0) loop_->Turn(20);
    visitor.join();
    said_ = out.str() + err.str();
    return status;
  }

  std::unique_ptr<Loop> loop_;
  std::string folder_, running_, said_;
  std::unique_ptr<Control> control_;
};

TEST_F(DiffTest, NamesTheChangesOfAFileThatAReloadWouldTake) {
  EXPECT_EQ(Diff(""), 0);
  EXPECT_EQ(said_, "diff: 0 changes against running.yaml\n");
  EXPECT_EQ(Diff("s/calls_per_minute: 200/calls_per_minute: 150/"), 0);
  EXPECT_EQ(said_.rfind("trunk exotel: calls_per_minute: 200 -> 150 (line ", 0), 0u) << said_;
  EXPECT_NE(said_.find("diff: 1 change against running.yaml\n"), std::string::npos);
}

TEST_F(DiffTest, AFileThatAReloadWouldRefuseIsAnError) {
  EXPECT_EQ(Diff("s/    bind: 127.0.0.10:5060/    bind: 127.0.0.10:5070/"), 1);
  EXPECT_NE(said_.find("listener carrier-side: bind: 127.0.0.10:5060 -> 127.0.0.10:5070"),
            std::string::npos)
      << said_;
  EXPECT_NE(said_.find("; needs a restart: the listeners are bound once, at start\n"),
            std::string::npos);
  EXPECT_EQ(Diff("s/^routes:/rotes:/"), 1);
  EXPECT_NE(said_.find("has errors; a reload would be refused\n"), std::string::npos) << said_;
}

TEST_F(DiffTest, AnAnswerThatIsNoConfigurationIsSaid) {
  running_ = "{";
  EXPECT_EQ(Diff(""), 1);
  EXPECT_NE(said_.find("something that is no configuration"), std::string::npos) << said_;
}

}  // namespace
}  // namespace sipctl::cli
