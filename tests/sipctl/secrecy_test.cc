#include "sipctl/secrecy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace sipctl {
namespace {

TEST(Secrecy, NoCoreOfThisProcess) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{};
    const bool refused = RefuseCores() && getrlimit(RLIMIT_CORE, &limit) == 0;
    _exit(refused && limit.rlim_cur == 1 && limit.rlim_max == 1 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Bytes at an address that may belong to nobody.
std::string Peek(uintptr_t address, size_t bytes) {
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::string seen(bytes, '\0');
  const ssize_t got = pread(memory, seen.data(), bytes, static_cast<off_t>(address));
  close(memory);
  seen.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return seen;
}

constexpr size_t kBytes = 200;
constexpr size_t kAllocators = 32;  // bytes at the beginning that malloc(3) writes to itself

void ExpectWiped(uintptr_t address) {
  EXPECT_EQ(Peek(address, kBytes).find("KKKKKKKK", kAllocators), std::string::npos);
}

TEST(Secrecy, WhatIsGivenBackIsOverwritten) {
  auto text = std::make_unique<std::string>(kBytes, 'K');
  const auto of_text = reinterpret_cast<uintptr_t>(text->data());
  ASSERT_NE(Peek(of_text, kBytes).find("KKKKKKKK", kAllocators), std::string::npos);
  text.reset();
  ExpectWiped(of_text);

  auto array = std::make_unique<char[]>(kBytes);
  std::fill_n(array.get(), kBytes, 'K');
  const auto of_array = reinterpret_cast<uintptr_t>(array.get());
  array.reset();
  ExpectWiped(of_array);

  // One that did not say its size.
  void* const block = ::operator new(kBytes);
  std::memset(block, 'K', kBytes);
  const auto of_block = reinterpret_cast<uintptr_t>(block);
  ::operator delete(block);
  ExpectWiped(of_block);
}

TEST(Secrecy, AStringThatGrowsLeavesNothingBehind) {
  std::string text(kBytes, 'K');
  const auto before = reinterpret_cast<uintptr_t>(text.data());
  text.append(10 * kBytes, 'K');
  ASSERT_NE(reinterpret_cast<uintptr_t>(text.data()), before);
  ExpectWiped(before);
}

}  // namespace
}  // namespace sipctl
