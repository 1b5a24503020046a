#include "sipctl/cli/reload.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "sipctl/cli/control.h"

namespace sipctl::cli {
namespace {

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() : loop_(*Loop::Create()) {
    char folder[] = "/tmp/reload_test_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~ReloadTest() override { EXPECT_EQ(std::system(("rm -r " + folder_).c_str()), 0); }

  std::unique_ptr<Loop> loop_;
  std::string folder_;
};

TEST_F(ReloadTest, AFileIsReadBesideTheLoop) {
  Reloader reloader(loop_.get(), EXAMPLE);
  int done = 0;
  ASSERT_TRUE(reloader.Begin([&](const trunk::LoadResult& loaded) {
    ++done;
    ASSERT_NE(loaded.config, nullptr);
    EXPECT_EQ(loaded.config->trunks.size(), 2u);
    loop_->Stop();
  }));
  EXPECT_FALSE(reloader.Begin([&](const trunk::LoadResult&) { ++done; })) << "one at a time";
  loop_->Run();
  EXPECT_EQ(done, 1);
  // And again, from another file's state: what is wrong comes as it is.
  Reloader broken(loop_.get(), folder_ + "/none.yaml");
  ASSERT_TRUE(broken.Begin([&](const trunk::LoadResult& loaded) {
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(loaded.diagnostics.size(), 1u);
    ++done;
  }));
  while (done < 2) loop_->Turn(100);
}

TEST_F(ReloadTest, AReaderThatIsAtWorkWhenTheProcessEndsIsWaitedFor) {
  Reloader reloader(loop_.get(), EXAMPLE);
  ASSERT_TRUE(reloader.Begin([](const trunk::LoadResult&) { FAIL() << "nobody turns the loop"; }));
}

TEST_F(ReloadTest, TheExitStatusSaysWhichConfigurationRuns) {
  std::string answer;
  const auto control = Control::Create(loop_.get(), folder_ + "/socket",
                                       [&](std::string_view question, Control::Reply reply) {
                                         EXPECT_EQ(question, "reload");
                                         reply(answer);
                                       });
  ASSERT_TRUE(control.ok());
  const auto ask = [&](std::string text, std::ostream& out) {
    answer = std::move(text);
    int status = -1;
    std::thread visitor([&] {
      std::ostringstream err;
      status = RunReload({.control = folder_ + "/socket"}, out, err);
      loop_->Post([this] { loop_->Stop(); });
    });
    while (status < 0) loop_->Turn(20);
    visitor.join();
    return status;
  };
  std::ostringstream out;
  EXPECT_EQ(ask("f:1: warning: x\nreloaded: 2 trunks\n", out), 0);
  EXPECT_EQ(out.str(), "f:1: warning: x\nreloaded: 2 trunks\n");
  EXPECT_EQ(ask("reloaded: 2 trunks\n", out), 0);
  EXPECT_EQ(ask("f:1: error: x\nnot reloaded: errors\n", out), 1);
  std::ostringstream err;
  EXPECT_EQ(RunReload({.control = folder_ + "/nobody"}, out, err), 1);
  EXPECT_NE(err.str().find("no sipctl answers there"), std::string::npos);
}

}  // namespace
}  // namespace sipctl::cli
