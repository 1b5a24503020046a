#include "relay/log.h"

#include <gtest/gtest.h>

#include <string>

namespace relay::log {
namespace {

TEST(LogTest, LinesBelowTheLevelAreNotWritten) {
  Start("warn");
  testing::internal::CaptureStderr();
  Info("listen {}", "192.0.2.1");
  Warn("slot {}: {} sessions", 3, 15000);
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(out.find("listen"), std::string::npos);
  EXPECT_NE(out.find(" warning slot 3: 15000 sessions\n"), std::string::npos) << out;
}

}  // namespace
}  // namespace relay::log
