#include "sipctl/trunk/header_names.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

TEST(HeaderNames, WhatMayPass) {
  for (const char* name : {"X-Tenant", "x-tenant", "Subject", "session-id", "User-to-User"}) {
    EXPECT_TRUE(IsPassable(name)) << name;
    EXPECT_TRUE(IsPassablePattern(name)) << name;
  }
  for (const char* name : {"Via", "Route", "Authorization", "P-Asserted-Identity", "Diversion",
                           "History-Info", "Reason", "User-Agent", "X-", "X", ""}) {
    EXPECT_FALSE(IsPassable(name)) << name;
    EXPECT_FALSE(IsPassablePattern(name)) << name;
  }
}

TEST(HeaderNames, PatternsAreOfXHeadersAlone) {
  EXPECT_TRUE(IsPassablePattern("X-*"));
  EXPECT_TRUE(IsPassablePattern("X-Tenant-*"));
  for (const char* pattern : {"*", "X*", "P-*", "S*", "X-*-A", "X-A B", "X-A:"}) {
    EXPECT_FALSE(IsPassablePattern(pattern)) << pattern;
  }
}

}  // namespace
}  // namespace sipctl::trunk
