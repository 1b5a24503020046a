#include "sipctl/sip/invite_record.h"

#include <utility>

#include "sipctl/sip/record_bytes.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::sip {
namespace {

constexpr uint8_t kVersion = 1;

// Only what both sides of the transaction are known by.
Message Slim(const Message& invite) {
  Message slim;
  slim.method = Method::kInvite;
  slim.request_uri = invite.request_uri;
  slim.via = invite.via;
  slim.route = invite.route;
  slim.from = invite.from;
  slim.to = invite.to;
  slim.call_id = invite.call_id;
  slim.cseq = invite.cseq;
  return slim;
}

}  // namespace

std::optional<std::string> Write(const InviteRecord& record) {
  RecordWriter writer(kInviteRecordBytesMax);
  writer.Put(kVersion);
  writer.Put(static_cast<uint8_t>(record.sent));
  writer.Put(record.flow);
  writer.Put(std::string_view(Encode(Slim(record.invite))));
  if (writer.too_long()) return std::nullopt;
  return writer.Take();
}

std::optional<InviteRecord> ReadInviteRecord(std::string_view bytes) {
  if (bytes.size() > kInviteRecordBytesMax) return std::nullopt;
  RecordReader reader(bytes);
  if (reader.Get<uint8_t>() != kVersion) return std::nullopt;
  InviteRecord record;
  const auto sent = reader.Get<uint8_t>();
  record.sent = sent != 0;
  record.flow = reader.GetFlow();
  const std::string_view text = reader.GetText();
  if (sent > 1 || !reader.ok() || !reader.at_end()) return std::nullopt;
  ParseFailure failure;
  std::optional<Message> invite = Parse(text, &failure);
  if (!invite || invite->method != Method::kInvite || !invite->is_request || invite->via.empty()) {
    return std::nullopt;
  }
  record.invite = *std::move(invite);
  return record;
}

}  // namespace sipctl::sip
