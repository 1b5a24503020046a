// The client's side against relays that are not ready, not ours, or lie about what they hand over.
#include "relay/abi/attach.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace relay::abi {
namespace {

Descriptor Memfd(size_t size, int seals = kSeals) {
  Descriptor fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

// One answer of a relay, right in every byte until a test bends it.
struct FakeAnswer {
  Welcome welcome{};
  std::vector<Descriptor> descriptors;
  Mapping state;

  explicit FakeAnswer(int seals = kSeals) {
    welcome.magic = kMagic;
    welcome.layout_version = kLayoutVersion;
    welcome.layout_hash = LayoutHash();
    welcome.descriptors = kClientDescriptors;
    welcome.journal_bytes = 64;
    descriptors.push_back(Memfd(sizeof(StateHeader) + 4096, seals));
    descriptors.push_back(Memfd(sizeof(ClientArea)));
    descriptors.push_back(Memfd(sizeof(AnswerArea)));
    descriptors.push_back(Memfd(64));
    descriptors.emplace_back(eventfd(0, EFD_CLOEXEC));
    descriptors.emplace_back(eventfd(0, EFD_CLOEXEC));
    EXPECT_TRUE(
        state.Map(descriptors[0].get(), sizeof(StateHeader) + 4096, PROT_READ | PROT_WRITE));
    StateHeader& header = *state.At<StateHeader>(0);
    header.layout_version = kLayoutVersion;
    header.layout_hash = LayoutHash();
    header.size = sizeof(StateHeader) + 4096;
    header.workers = 1;
    header.counters_offset = header.sessions_offset = header.statistics_offset =
        sizeof(StateHeader);
    header.sessions_max = 1;
    header.legs_max = 2;
    header.magic = kMagic;
  }
  StateHeader& header() { return *state.At<StateHeader>(0); }
};

class AttachTest : public testing::Test {
 protected:
  // Attaches to a relay that gives this answer to any Hello.
  AttachFailure AttachTo(const FakeAnswer& answer, Role role = Role::kClient) {
    const std::string path = testing::TempDir() + "attach-" + std::to_string(getpid()) + ".sock";
    unlink(path.c_str());
    Descriptor listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    std::thread relay([&] { Serve(listener.get(), answer); });
    const AttachFailure failure =
        role == Role::kClient ? client_.Attach({.path = path, .owner_cookie = 1, .name = "test"})
                              : client_.Observe(path);
    relay.join();
    unlink(path.c_str());
    return failure;
  }

  Attachment client_;
  Hello hello_{};

 private:
  void Serve(int listener, const FakeAnswer& answer) {
    Descriptor peer(accept(listener, nullptr, nullptr));
    EXPECT_EQ(recv(peer.get(), &hello_, sizeof hello_, 0), ssize_t{sizeof hello_});
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)]{};
    std::vector<int> fds;
    for (const Descriptor& each : answer.descriptors) fds.push_back(each.get());
    iovec part{const_cast<Welcome*>(&answer.welcome), sizeof answer.welcome};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    EXPECT_EQ(sendmsg(peer.get(), &message, MSG_NOSIGNAL), ssize_t{sizeof answer.welcome});
  }
};

TEST_F(AttachTest, AWholeAnswerIsTaken) {
  EXPECT_TRUE(AttachTo(FakeAnswer()).ok());
  EXPECT_TRUE(client_.attached());
  EXPECT_EQ(client_.journal().size(), 64u);
  EXPECT_EQ(hello_.magic, kMagic);
  EXPECT_EQ(hello_.layout_hash, LayoutHash());
  EXPECT_STREQ(hello_.name, "test");
  EXPECT_EQ(client_.Push(Command{}), RingResult::kOk);
  Event event;
  EXPECT_EQ(client_.Pop(&event), RingResult::kEmpty);
  EXPECT_TRUE(client_.RelayGone());  // this relay hung up at once
}

TEST_F(AttachTest, NobodyThere) {
  const AttachFailure failure = client_.Attach({.path = "/nowhere/relay.sock", .owner_cookie = 1});
  EXPECT_EQ(failure.error, AttachError::kNoRelay);
  EXPECT_TRUE(failure.retry());
  EXPECT_EQ(failure.error_number, ENOENT);
  EXPECT_EQ(client_.Attach({.path = std::string(200, 'x'), .owner_cookie = 1}).error,
            AttachError::kBadPath);
}

TEST_F(AttachTest, NotReadyIsNotBroken) {
  FakeAnswer answer;
  answer.header().magic = 0;
  const AttachFailure failure = AttachTo(answer);
  EXPECT_EQ(failure.error, AttachError::kNotReady);
  EXPECT_TRUE(failure.retry());
  EXPECT_FALSE(client_.attached());
}

TEST_F(AttachTest, AnotherLayoutIsRefused) {
  struct Row {
    const char* what;
    std::function<void(FakeAnswer&)> bend;
  };
  const Row rows[] = {
      {"version in the welcome", [](FakeAnswer& a) { a.welcome.layout_version++; }},
      {"hash in the welcome", [](FakeAnswer& a) { a.welcome.layout_hash++; }},
      {"version in the state", [](FakeAnswer& a) { a.header().layout_version++; }},
      {"hash in the state", [](FakeAnswer& a) { a.header().layout_hash++; }},
      {"magic of the state", [](FakeAnswer& a) { a.header().magic = 1; }},
  };
  for (const Row& row : rows) {
    FakeAnswer answer;
    row.bend(answer);
    const AttachFailure failure = AttachTo(answer);
    EXPECT_EQ(failure.error, AttachError::kLayoutMismatch) << row.what;
    EXPECT_FALSE(failure.retry()) << row.what;
  }
}

TEST_F(AttachTest, ARefusalIsTold) {
  FakeAnswer answer;
  answer.descriptors.clear();
  answer.welcome.status = WelcomeStatus::kNotPermitted;
  const AttachFailure failure = AttachTo(answer);
  EXPECT_EQ(failure.error, AttachError::kRefused);
  EXPECT_EQ(failure.welcome, WelcomeStatus::kNotPermitted);
  EXPECT_EQ(failure.Text(), "the relay does not serve this user");
}

TEST_F(AttachTest, SomebodyElseAnswers) {
  FakeAnswer answer;
  answer.welcome.magic = 0x1234;
  EXPECT_EQ(AttachTo(answer).error, AttachError::kBadWelcome);
}

TEST_F(AttachTest, AnotherUserAnswers) {
  const std::string path = testing::TempDir() + "peer-" + std::to_string(getpid()) + ".sock";
  Descriptor listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  const int64_t stranger = getuid() + 1;
  const AttachFailure failure =
      client_.Attach({.path = path, .owner_cookie = 1, .timeout_ms = 50, .relay_user = stranger});
  unlink(path.c_str());
  // Root may always serve.
  EXPECT_EQ(failure.error, getuid() == 0 ? AttachError::kTimeout : AttachError::kWrongPeer);
}

TEST_F(AttachTest, DescriptorsMissingOrTooMany) {
  FakeAnswer few;
  few.descriptors.pop_back();
  EXPECT_EQ(AttachTo(few).error, AttachError::kBadDescriptors);
  FakeAnswer many;
  many.descriptors.emplace_back(eventfd(0, EFD_CLOEXEC));
  EXPECT_EQ(AttachTo(many).error, AttachError::kBadDescriptors);
  EXPECT_EQ(AttachTo(FakeAnswer(), Role::kObserver).error, AttachError::kBadDescriptors);
}

TEST_F(AttachTest, MemoryThatCouldVanishIsNotMapped) {
  EXPECT_EQ(AttachTo(FakeAnswer(F_SEAL_GROW)).error, AttachError::kNotSealed);
  FakeAnswer answer;
  answer.descriptors[1] = Memfd(sizeof(ClientArea), F_SEAL_SHRINK);
  EXPECT_EQ(AttachTo(answer).error, AttachError::kNotSealed);
}

TEST_F(AttachTest, MemoryThatIsTooSmallIsNotMapped) {
  for (const size_t which : {0, 1, 2, 3}) {
    FakeAnswer answer;
    answer.descriptors[which] = Memfd(which == 3 ? 63 : 4096);
    EXPECT_EQ(AttachTo(answer).error, AttachError::kBadSize) << which;
  }
  FakeAnswer sessions;
  sessions.header().sessions_max = 1u << 30;
  EXPECT_EQ(AttachTo(sessions).error, AttachError::kBadSize);
  FakeAnswer offset;
  offset.header().statistics_offset = ~uint64_t{63};
  EXPECT_EQ(AttachTo(offset).error, AttachError::kBadSize);
}

}  // namespace
}  // namespace relay::abi
