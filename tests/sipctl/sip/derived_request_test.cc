#include "sipctl/sip/derived_request.h"

#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

Message Invite() {
  Message invite;
  invite.method = Method::kInvite;
  invite.request_uri = *Uri::Parse("sip:+911@10.0.0.2");
  invite.via.resize(2);
  Set(&invite.via[0].parameters, "branch", "z9hG4bKtop");
  invite.route.push_back(
      {.display_name = {}, .uri = *Uri::Parse("sip:10.0.0.9;lr"), .parameters = {}});
  invite.from.set_tag("f");
  invite.call_id = "c";
  invite.cseq = {7, Method::kInvite};
  invite.supported = {"timer"};
  invite.body = "v=0";
  return invite;
}

// RFC 3261 section 9.1: the same transaction, so the same branch, URI, route and numbers.
TEST(DerivedRequestTest, ACancelNamesItsInvite) {
  const Message invite = Invite();
  const Message cancel = MakeCancel(invite, "SIP;cause=200");
  EXPECT_EQ(cancel.request_uri, invite.request_uri);
  ASSERT_EQ(cancel.via.size(), 1u);
  EXPECT_EQ(cancel.via[0].branch(), "z9hG4bKtop");
  EXPECT_EQ(cancel.route, invite.route);
  EXPECT_EQ(cancel.from, invite.from);
  EXPECT_EQ(cancel.to, invite.to);
  EXPECT_EQ(cancel.cseq, (CSeq{7, Method::kCancel}));
  EXPECT_TRUE(cancel.body.empty() && cancel.supported.empty());
  EXPECT_EQ(*cancel.Other("Reason"), "SIP;cause=200");
  EXPECT_EQ(MakeCancel(invite, {}).Other("Reason"), nullptr);
}

// Section 17.1.1.3: the To is that of the answer.
TEST(DerivedRequestTest, TheAckOfAFailureHasTheAnswersTag) {
  const Message invite = Invite();
  const Message ack = MakeFailureAck(invite, MakeResponse(invite, 486, "theirs"));
  EXPECT_EQ(ack.to.tag(), "theirs");
  EXPECT_EQ(ack.cseq, (CSeq{7, Method::kAck}));
  EXPECT_EQ(ack.via.at(0).branch(), "z9hG4bKtop");
  EXPECT_EQ(ack.route, invite.route);
}

}  // namespace
}  // namespace sipctl::sip
