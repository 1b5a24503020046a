#include "sipctl/sip/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

TEST(PlainStream, SaysWhatTheSocketSays) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const auto stream = MakePlainStream(ends[0]);
  EXPECT_EQ(stream->Handshake().outcome, Stream::Outcome::kDone);
  char buffer[8];
  EXPECT_EQ(stream->Read(buffer, sizeof buffer).outcome, Stream::Outcome::kWantRead);
  EXPECT_EQ(stream->Write("abc").bytes, 3u);
  EXPECT_EQ(read(ends[1], buffer, sizeof buffer), 3);
  ASSERT_EQ(write(ends[1], "xy", 2), 2);
  EXPECT_EQ(stream->Read(buffer, sizeof buffer).bytes, 2u);
  const std::string big(1 << 20, 'x');
  while (stream->Write(big).outcome == Stream::Outcome::kDone) {
  }
  EXPECT_EQ(stream->Write(big).outcome, Stream::Outcome::kWantWrite);
  close(ends[1]);
  EXPECT_EQ(stream->Write("abc").outcome, Stream::Outcome::kFailed);
  EXPECT_EQ(stream->error(), "Broken pipe");
  close(ends[0]);
}

}  // namespace
}  // namespace sipctl::sip
