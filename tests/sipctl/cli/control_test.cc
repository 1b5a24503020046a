#include "sipctl/cli/control.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "sipctl/cli/calls.h"

namespace sipctl::cli {
namespace {

class ControlTest : public testing::Test {
 protected:
  ControlTest() : loop_(*Loop::Create()) {
    char folder[] = "/tmp/control_test_XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = folder_ + "/socket";
  }
  ~ControlTest() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  // Visits from another thread while the loop turns.
  void TurnWhile(const std::function<void()>& visit) {
    std::thread visitor([&] {
      visit();
      loop_->Stop();
    });
    loop_->Run();
    visitor.join();
  }
  absl::StatusOr<std::string> AskWhileTurning(const std::string& question) {
    absl::StatusOr<std::string> answer;
    TurnWhile([&] { answer = Ask(path_, question, 2000); });
    return answer;
  }

  std::unique_ptr<Loop> loop_;
  std::string folder_, path_;
};

TEST_F(ControlTest, AnswersALine) {
  const auto control =
      Control::Create(loop_.get(), path_, [](std::string_view question, Control::Reply reply) {
        reply("<" + std::string(question) + ">");
      });
  ASSERT_TRUE(control.ok());
  EXPECT_EQ(*AskWhileTurning("calls"), "<calls>");
}

TEST_F(ControlTest, AnAnswerIsPrintedAsItIs) {
  const auto control =
      Control::Create(loop_.get(), path_, [](std::string_view question, Control::Reply reply) {
        reply("<" + std::string(question) + ">\n");
      });
  ASSERT_TRUE(control.ok());
  std::ostringstream out, errors;
  int status = -1;
  TurnWhile([&] { status = PrintAnswer(path_, "calls json", out, errors); });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(out.str(), "<calls json>\n");
  EXPECT_EQ(errors.str(), "");
}

TEST_F(ControlTest, ALongAnswerArrivesWhole) {
  const std::string text(5'000'000, 'x');
  const auto control = Control::Create(
      loop_.get(), path_, [&](std::string_view, Control::Reply reply) { reply(text); });
  ASSERT_TRUE(control.ok());
  EXPECT_EQ(AskWhileTurning("calls")->size(), text.size());
}

TEST_F(ControlTest, AnAnswerMayComeLater) {
  Control::Reply later;
  const auto control =
      Control::Create(loop_.get(), path_, [&](std::string_view, Control::Reply reply) {
        later = std::move(reply);
        loop_->timers().After(50, [&] { later("at last"); });
      });
  ASSERT_TRUE(control.ok());
  EXPECT_EQ(*AskWhileTurning("reload"), "at last");
  later("and once more");  // to nobody
}

TEST_F(ControlTest, AReplyAfterTheEndOfTheVisitorOrOfTheSocketIsLost) {
  Control::Reply later;
  auto control = Control::Create(loop_.get(), path_, [&](std::string_view, Control::Reply reply) {
    later = std::move(reply);
    loop_->Stop();
  });
  ASSERT_TRUE(control.ok());
  std::thread visitor([&] { (void)Ask(path_, "reload", 50); });
  loop_->Run();
  visitor.join();
  loop_->Turn(1000);  // its end is seen
  later("too late");
  control->reset();
  later("far too late");
}

TEST_F(ControlTest, AQuestionWithoutEndIsCutOff) {
  const auto control = Control::Create(loop_.get(), path_,
                                       [](std::string_view, Control::Reply reply) { reply("no"); });
  ASSERT_TRUE(control.ok());
  const auto answer = AskWhileTurning(std::string(1000, 'q'));
  EXPECT_TRUE(!answer.ok() || answer->empty()) << "closed, perhaps with a reset";
}

TEST_F(ControlTest, ADeadOwnersSocketIsTakenOverALivingOnesIsNot) {
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
  const auto answer = [](std::string_view, Control::Reply reply) { reply(""); };
  const auto first = Control::Create(loop_.get(), path_, answer);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Control::Create(loop_.get(), path_, answer);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_EQ(access(path_.c_str(), F_OK), 0) << "the file of the living one stays";
}

TEST_F(ControlTest, NobodyAnswers) {
  EXPECT_FALSE(Ask(path_, "calls").ok());
  EXPECT_FALSE(Ask(std::string(200, 'p'), "calls").ok());
}

call::Call::View Talking() {
  return {.number = 42,
          .from = "+1555",
          .to = "+9112",
          .source = "carrier",
          .destination = "pbx",
          .phase = call::Phase::kEstablished,
          .answered = true,
          .age_ms = 70'000,
          .duration_ms = 65'000,
          .codec = "PCMA"};
}

TEST(CallsTest, TableAndJson) {
  media::RelayClient::LegTable media;
  relay::abi::LegStatistics leg{};
  leg.received_packets = 100;
  leg.sent_packets = 99;
  media[42] = {leg, leg};
  const std::string text = CallsText({Talking()}, media);
  for (const char* part :
       {"42", "+1555", "carrier > pbx", "talking", "0:01:05", "PCMA", "100/99", "1 call\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const std::string json = CallsJson({Talking(), Talking()}, media);
  EXPECT_EQ(json.rfind("{\"calls\":[", 0), 0u);
  EXPECT_NE(json.find("\"duration_ms\":65000"), std::string::npos);
  EXPECT_NE(json.find("\"received_packets\":100"), std::string::npos);
  EXPECT_EQ(CallsJson({}, {}), "{\"calls\":[]}\n");
  EXPECT_NE(CallsText({}, {}).find("0 calls"), std::string::npos);
}

TEST(CallsTest, NobodyAnswers) {
  std::ostringstream out, errors;
  EXPECT_EQ(RunCalls({.control = "/nonexistent/socket", .json = true}, out, errors), 1);
  EXPECT_NE(errors.str().find("no sipctl answers there"), std::string::npos);
}

}  // namespace
}  // namespace sipctl::cli
