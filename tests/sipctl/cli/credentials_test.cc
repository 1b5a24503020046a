#include "sipctl/cli/credentials.h"

#include <cstdlib>
#include <fstream>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    char folder[] = "/tmp/credentials_test_XXXXXX";
    folder_ = mkdtemp(folder);
    config_.trunks.resize(3);
    for (size_t i = 0; i < 3; ++i) config_.trunks[i].name = "trunk" + std::to_string(i);
  }
  ~CredentialsTest() override { EXPECT_EQ(std::system(("rm -r " + folder_).c_str()), 0); }

  std::string File(const std::string& text) {
    const std::string path = folder_ + "/password";
    std::ofstream(path) << text;
    return path;
  }

  std::string folder_;
  trunk::Config config_;
};

TEST_F(CredentialsTest, APasswordComesFromAFileOrFromTheEnvironment) {
  config_.trunks[0].login = trunk::Login{
      .user = "me", .realm = "r", .password_file = File("secret\n"), .password_environment = {}};
  setenv("CREDENTIALS_TEST", "another", 1);
  config_.trunks[2].login = trunk::Login{
      .user = "you", .realm = {}, .password_file = {}, .password_environment = "CREDENTIALS_TEST"};
  const auto read = ReadCredentials(config_);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ((*read)[0]->user, "me");
  EXPECT_EQ((*read)[0]->realm, "r");
  EXPECT_EQ((*read)[0]->password, "secret");
  EXPECT_EQ((*read)[1], nullptr);
  EXPECT_EQ((*read)[2]->password, "another");
}

TEST_F(CredentialsTest, WhatIsMissingIsNamed) {
  config_.trunks[1].login = trunk::Login{
      .user = "me", .realm = {}, .password_file = File(""), .password_environment = {}};
  EXPECT_EQ(ReadCredentials(config_).status().message(),
            "trunk trunk1: " + folder_ + "/password has no password");
  unsetenv("CREDENTIALS_TEST");
  config_.trunks[1].login->password_environment = "CREDENTIALS_TEST";
  EXPECT_EQ(ReadCredentials(config_).status().message(),
            "trunk trunk1: the environment has no CREDENTIALS_TEST");
}

TEST_F(CredentialsTest, ATrunkThatRetiredKeepsWhatItHad) {
  config_.trunks[0].login = trunk::Login{
      .user = "me", .realm = {}, .password_file = File("secret"), .password_environment = {}};
  const auto before = ReadCredentials(config_);
  ASSERT_TRUE(before.ok());
  config_.trunks[0].retired = true;
  config_.trunks[0].login->password_file = folder_ + "/none";
  const auto after = ReadCredentials(config_, *before);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ((*after)[0], (*before)[0]);
}

TEST_F(CredentialsTest, WhoMayLogIn) {
  config_.trunks[1].users = {
      {.user = "a", .realm = {}, .password_file = File("secret\n"), .password_environment = {}},
      {.user = "b", .realm = {}, .password_file = {}, .password_environment = "CREDENTIALS_TEST"}};
  config_.trunks[2].users = config_.trunks[1].users;
  config_.trunks[2].users[0].user = "old";
  config_.trunks[2].retired = true;
  setenv("CREDENTIALS_TEST", "another", 1);
  const auto accounts = ReadAccounts(config_);
  ASSERT_TRUE(accounts.ok()) << accounts.status();
  ASSERT_EQ((*accounts)->size(), 2u);
  EXPECT_EQ((*accounts)->at("a").trunk, 1u);
  EXPECT_EQ((*accounts)->at("a").password, "secret");
  EXPECT_EQ((*accounts)->at("b").password, "another");
  unsetenv("CREDENTIALS_TEST");
  EXPECT_EQ(ReadAccounts(config_).status().message(),
            "trunk trunk1, user b: the environment has no CREDENTIALS_TEST");
}

}  // namespace
}  // namespace sipctl::cli
