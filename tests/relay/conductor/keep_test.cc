// The file descriptor store, with a service manager that the test plays itself.
#include "relay/conductor/keep.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "relay/conductor/segment.h"

namespace relay::conductor {
namespace {

struct Notice {
  std::string text;
  abi::Descriptor fd;
};

class Systemd {
 public:
  Systemd() : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    path_ = testing::TempDir() + "notify-" + std::to_string(getpid());
    unlink(path_.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Systemd() { unlink(path_.c_str()); }

  Notice Take() {
    char text[256];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{text, sizeof text};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    Notice notice{.text = got < 0 ? "" : std::string(text, static_cast<size_t>(got)), .fd = {}};
    const cmsghdr* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (header != nullptr) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      notice.fd = abi::Descriptor(fd);
    }
    return notice;
  }

 private:
  abi::Descriptor socket_;
  std::string path_;
};

TEST(KeepTest, NothingIsKeptAndNothingFailsWithoutASystemd) {
  unsetenv("NOTIFY_SOCKET");
  Keeper keeper = Keeper::FromEnvironment();
  EXPECT_TRUE(keeper.Keep("state", 0).ok());
  EXPECT_TRUE(keeper.Notify("READY=1").ok());
  EXPECT_FALSE(keeper.Kept("state").has_value());
}

TEST(KeepTest, ADescriptorIsHandedOverByName) {
  Systemd manager;
  Keeper keeper = Keeper::FromEnvironment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);  // children must not speak for us
  const abi::Descriptor memory = MakeSealedMemfd("test", 4096).value();
  ASSERT_TRUE(keeper.Keep("journal-0", memory.get()).ok());
  const Notice notice = manager.Take();
  EXPECT_EQ(notice.text, "FDSTORE=1\nFDNAME=journal-0");
  abi::Mapping ours;
  abi::Mapping theirs;
  ASSERT_TRUE(ours.Map(memory.get(), 4096, PROT_READ | PROT_WRITE));
  ASSERT_TRUE(theirs.Map(notice.fd.get(), 4096, PROT_READ));
  ours.data()[7] = 42;
  EXPECT_EQ(theirs.data()[7], 42);
}

TEST(KeepTest, NamesThatWouldBreakTheProtocolAreRefused) {
  Systemd manager;
  Keeper keeper = Keeper::FromEnvironment();
  for (const char* name : {"", "a:b", "a\nFDSTORE=1", "a b"}) {
    EXPECT_FALSE(keeper.Keep(name, 0).ok()) << name;
    EXPECT_FALSE(keeper.Forget(name).ok()) << name;
  }
  EXPECT_EQ(manager.Take().text, "");
}

TEST(KeepTest, WhatAnEarlierLifeKeptIsForAnotherProcess) {
  setenv("LISTEN_PID", "1", 1);  // not us: the variables are leftovers of a parent
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_FDNAMES", "state", 1);
  Keeper keeper = Keeper::FromEnvironment();
  EXPECT_FALSE(keeper.Kept("state").has_value());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

// Descriptors come from number 3 on, so this needs a process of its own.
TEST(KeepDeathTest, WhatAnEarlierLifeKeptIsFoundByName) {
  EXPECT_EXIT(
      {
        int made = memfd_create("kept", 0);
        if (write(made, "x", 1) != 1) _exit(2);
        dup2(made, 3);
        dup2(made, 4);
        setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", "legs:state", 1);
        Keeper keeper = Keeper::FromEnvironment();
        const bool right = keeper.Kept("state")->get() == 4 && keeper.Kept("legs")->get() == 3 &&
                           !keeper.Kept("legs").has_value();
        _exit(right ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace relay::conductor
