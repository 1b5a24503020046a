#include "sipctl/call/reason.h"

#include "gtest/gtest.h"
#include "sipctl/call/status.h"

namespace sipctl::call {
namespace {

std::string Carried(std::initializer_list<const char*> values) {
  sip::Message message;
  for (const char* value : values) message.others.push_back({"Reason", value});
  return CarriedReasons(message);
}

TEST(ReasonTest, SipAndQ850AreCarriedAndNothingElse) {
  const struct {
    const char* written;
    const char* carried;
  } kRows[] = {
      {"Q.850;cause=16", "Q.850;cause=16"},
      {"q.850 ; Cause=16 ; text=\"Normal; call, clearing\"",
       "Q.850;cause=16;text=\"Normal; call, clearing\""},
      {"SIP;cause=486;text=\"Busy\\\" Here\"", "SIP;cause=486;text=\"Busy\\\" Here\""},
      {"Q.850;cause=16,SIP;cause=200;text=\"a, b\"", "Q.850;cause=16, SIP;cause=200;text=\"a, b\""},
      {"X.internal;cause=3;host=10.0.0.9", ""},
      {"Q.850;cause=16;location=10.0.0.9", "Q.850;cause=16"},
      {"Q.850;text=\"no number\"", ""},
      {"Q.850;cause=sixteen", ""},
      {"Q.850;cause=16;text=\"open", "Q.850;cause=16"},
      {"", ""},
      {",,;=;\"", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(Carried({row.written}), row.carried) << row.written;
  EXPECT_EQ(Carried({"SIP;cause=480", "Q.850;cause=20"}), "SIP;cause=480, Q.850;cause=20");
  EXPECT_EQ(Carried({"SIP;cause=1,SIP;cause=2,SIP;cause=3,SIP;cause=4,SIP;cause=5"}),
            "SIP;cause=1, SIP;cause=2, SIP;cause=3, SIP;cause=4");
}

TEST(ReasonTest, ASipStatusHasItsCause) {
  EXPECT_EQ(Q850CauseOf(486), 17);
  EXPECT_EQ(Q850CauseOf(404), 1);
  EXPECT_EQ(Q850CauseOf(603), 21);
  EXPECT_EQ(Q850CauseOf(487), 0);
  EXPECT_EQ(BothReasons(486, "Busy Here"), "SIP;cause=486;text=\"Busy Here\", Q.850;cause=17");
  EXPECT_EQ(BothReasons(487, "x"), "SIP;cause=487;text=\"x\"");
}

}  // namespace
}  // namespace sipctl::call
