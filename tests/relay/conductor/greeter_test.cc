#include "relay/conductor/greeter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

namespace relay::conductor {
namespace {

class GreeterTest : public testing::Test {
 protected:
  GreeterTest() : path_(testing::TempDir() + "greeter-" + std::to_string(getpid()) + ".sock") {
    unlink(path_.c_str());
  }
  ~GreeterTest() override { unlink(path_.c_str()); }

  abi::Descriptor Knock() {
    abi::Descriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static abi::Hello GoodHello() {
    abi::Hello hello{};
    hello.magic = abi::kMagic;
    hello.layout_version = abi::kLayoutVersion;
    hello.layout_hash = abi::LayoutHash();
    hello.role = abi::Role::kClient;
    hello.owner_cookie = 1;
    return hello;
  }
  // What a Hello of `length` bytes leads to; kOk when it was let in.
  abi::WelcomeStatus Greet(const abi::Hello& hello, size_t length = sizeof(abi::Hello)) {
    Greeter greeter = Greeter::Open({.path = path_, .group = ""}).value();
    const abi::Descriptor peer = Knock();
    const int guest = greeter.Admit(1);
    EXPECT_FALSE(greeter.Read(guest).has_value());  // nothing said yet
    EXPECT_EQ(send(peer.get(), &hello, length, 0), static_cast<ssize_t>(length));
    if (greeter.Read(guest).has_value()) return abi::WelcomeStatus::kOk;
    abi::Welcome welcome{};
    EXPECT_EQ(recv(peer.get(), &welcome, sizeof welcome, 0), ssize_t{sizeof welcome});
    return welcome.status;
  }

  const std::string path_;
};

TEST_F(GreeterTest, HellosAreReadToTheLastByte) {
  EXPECT_EQ(Greet(GoodHello()), abi::WelcomeStatus::kOk);
  abi::Hello hello = GoodHello();
  EXPECT_EQ(Greet(hello, sizeof hello - 1), abi::WelcomeStatus::kBadHello);
  hello.magic++;
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kBadHello);
  hello = GoodHello();
  hello.layout_hash++;
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kLayoutMismatch);
  hello = GoodHello();
  hello.layout_version++;
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kLayoutMismatch);
  hello = GoodHello();
  hello.role = static_cast<abi::Role>(3);
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kBadHello);
  hello = GoodHello();
  hello.owner_cookie = 0;
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kBadHello);
  hello.role = abi::Role::kObserver;
  EXPECT_EQ(Greet(hello), abi::WelcomeStatus::kOk);  // observers own nothing
}

TEST_F(GreeterTest, WhoDoesNotSpeakIsSentHome) {
  Greeter greeter = Greeter::Open({.path = path_, .group = ""}).value();
  const abi::Descriptor peer = Knock();
  const int guest = greeter.Admit(kSecond);
  greeter.Expire(kSecond + kGreetingTimeout - 1);
  char byte;
  EXPECT_EQ(recv(peer.get(), &byte, 1, 0), -1);  // still there
  greeter.Expire(kSecond + kGreetingTimeout);
  EXPECT_EQ(recv(peer.get(), &byte, 1, 0), 0);
  EXPECT_FALSE(greeter.Read(guest).has_value());
}

TEST_F(GreeterTest, GuestsDoNotPileUp) {
  Greeter greeter = Greeter::Open({.path = path_, .group = ""}).value();
  std::vector<abi::Descriptor> peers;
  for (size_t i = 0; i < kGuestsMax + 5; ++i) {
    peers.push_back(Knock());
    EXPECT_GE(greeter.Admit(1), 0);
  }
  char byte;
  EXPECT_EQ(recv(peers.front().get(), &byte, 1, 0), 0);  // the oldest had to go
}

TEST_F(GreeterTest, WhoFindsNoDescriptorIsAdmittedWhenThereIsOne) {
  Greeter greeter = Greeter::Open({.path = path_, .group = ""}).value();
  const abi::Descriptor peer = Knock();
  abi::Descriptor lowest(open("/dev/null", O_RDONLY | O_CLOEXEC));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest.get()), .rlim_max = before.rlim_max};
  lowest.Close();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(greeter.Admit(1), -1);
  EXPECT_TRUE(greeter.someone_waits());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GE(greeter.Admit(1), 0);
  EXPECT_EQ(greeter.Admit(1), -1);
  EXPECT_FALSE(greeter.someone_waits());
}

TEST_F(GreeterTest, AStaleSocketIsReplacedAndALivingOneIsNot) {
  abi::Descriptor dead(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  dead.Close();
  {
    absl::StatusOr<Greeter> greeter = Greeter::Open({.path = path_, .group = ""});
    ASSERT_TRUE(greeter.ok()) << greeter.status();
    const absl::Status second = Greeter::Open({.path = path_, .group = ""}).status();
    EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
    struct stat status;
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_NE(access(path_.c_str(), F_OK), 0);  // removed at the end
}

TEST_F(GreeterTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(Greeter::Open({.path = path_, .group = ""}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(GreeterTest, AnUnknownGroupIsAnError) {
  EXPECT_FALSE(Greeter::Open({.path = path_, .group = "no-such-group-here"}).ok());
}

}  // namespace
}  // namespace relay::conductor
