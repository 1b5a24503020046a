// The journal's form of a dialog. URIs are written in their parts, so that what comes back equals
// what went in.
//
//   version 1 | role, state, secure, flags | local_cseq remote_cseq local_rseq remote_rseq
//   | flow: protocol, listener, connection, address, port | call_id local remote target contact
//   | count, route_set
#include <algorithm>
#include <utility>

#include "sipctl/sip/dialog.h"
#include "sipctl/sip/record_bytes.h"

namespace sipctl::sip {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kHasRemoteCSeq = 1;
constexpr uint8_t kHasRemoteRSeq = 2;
constexpr uint8_t kIsSecure = 4;
constexpr uint8_t kFlagsKnown = 7;

void PutParameters(RecordWriter* writer, const Parameters& parameters) {
  writer->Put(static_cast<uint8_t>(std::min<size_t>(parameters.size(), UINT8_MAX)));
  for (const Parameter& parameter : parameters) {
    writer->Put(static_cast<uint8_t>(parameter.has_value));
    writer->Put(std::string_view(parameter.name));
    if (parameter.has_value) writer->Put(std::string_view(parameter.value));
  }
}

Parameters GetParameters(RecordReader* reader) {
  Parameters parameters;
  for (int count = reader->Get<uint8_t>(); count > 0 && reader->ok(); --count) {
    Parameter parameter;
    parameter.has_value = reader->Get<uint8_t>() != 0;
    parameter.name = reader->GetText();
    if (parameter.has_value) parameter.value = reader->GetText();
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

void PutUri(RecordWriter* writer, const Uri& uri) {
  writer->Put(std::string_view(uri.scheme));
  writer->Put(std::string_view(uri.user));
  writer->Put(std::string_view(uri.host));
  writer->Put(uri.port);
  PutParameters(writer, uri.parameters);
  writer->Put(std::string_view(uri.headers));
}

Uri GetUri(RecordReader* reader) {
  Uri uri;
  uri.scheme = reader->GetText();
  uri.user = reader->GetText();
  uri.host = reader->GetText();
  uri.port = reader->Get<uint16_t>();
  uri.parameters = GetParameters(reader);
  uri.headers = reader->GetText();
  return uri;
}

void PutNameAddr(RecordWriter* writer, const NameAddr& name) {
  writer->Put(std::string_view(name.display_name));
  PutUri(writer, name.uri);
  PutParameters(writer, name.parameters);
}

NameAddr GetNameAddr(RecordReader* reader) {
  NameAddr name;
  name.display_name = reader->GetText();
  name.uri = GetUri(reader);
  name.parameters = GetParameters(reader);
  return name;
}

}  // namespace

absl::StatusOr<std::string> Dialog::Serialize() const {
  RecordWriter writer(kDialogBytesMax);
  writer.Put(kVersion);
  writer.Put(static_cast<uint8_t>(role));
  writer.Put(static_cast<uint8_t>(state));
  writer.Put(static_cast<uint8_t>((remote_cseq ? kHasRemoteCSeq : 0) |
                                  (remote_rseq ? kHasRemoteRSeq : 0) | (secure ? kIsSecure : 0)));
  writer.Put(local_cseq);
  writer.Put(remote_cseq.value_or(0));
  writer.Put(local_rseq);
  writer.Put(remote_rseq.value_or(0));
  writer.Put(flow);
  writer.Put(std::string_view(call_id));
  PutNameAddr(&writer, local);
  PutNameAddr(&writer, remote);
  PutUri(&writer, remote_target);
  PutNameAddr(&writer, local_contact);
  if (route_set.size() > UINT8_MAX) {
    return absl::ResourceExhaustedError("dialog record: more than 255 routes");
  }
  writer.Put(static_cast<uint8_t>(route_set.size()));
  for (const NameAddr& route : route_set) PutNameAddr(&writer, route);
  if (writer.too_long()) {
    return absl::ResourceExhaustedError("dialog record: longer than 1536 bytes");
  }
  return writer.Take();
}

absl::StatusOr<Dialog> Dialog::Parse(std::string_view bytes) {
  RecordReader reader(bytes);
  if (bytes.size() > kDialogBytesMax) {
    return absl::InvalidArgumentError("dialog record: longer than 1536 bytes");
  }
  if (reader.Get<uint8_t>() != kVersion) {
    return absl::InvalidArgumentError("dialog record: unknown version");
  }
  Dialog dialog;
  const auto role = reader.Get<uint8_t>();
  const auto state = reader.Get<uint8_t>();
  const auto flags = reader.Get<uint8_t>();
  dialog.role = static_cast<DialogRole>(role);
  dialog.state = static_cast<DialogState>(state);
  dialog.secure = (flags & kIsSecure) != 0;
  dialog.local_cseq = reader.Get<uint32_t>();
  const auto remote_cseq = reader.Get<uint32_t>();
  if ((flags & kHasRemoteCSeq) != 0) dialog.remote_cseq = remote_cseq;
  dialog.local_rseq = reader.Get<uint32_t>();
  const auto remote_rseq = reader.Get<uint32_t>();
  if ((flags & kHasRemoteRSeq) != 0) dialog.remote_rseq = remote_rseq;
  dialog.flow = reader.GetFlow();
  dialog.call_id = reader.GetText();
  dialog.local = GetNameAddr(&reader);
  dialog.remote = GetNameAddr(&reader);
  dialog.remote_target = GetUri(&reader);
  dialog.local_contact = GetNameAddr(&reader);
  for (int count = reader.Get<uint8_t>(); count > 0 && reader.ok(); --count) {
    dialog.route_set.push_back(GetNameAddr(&reader));
  }
  if (!reader.ok() || !reader.at_end()) {
    return absl::InvalidArgumentError("dialog record: its length is wrong");
  }
  if (role > 1 || state > 2 || (flags & ~kFlagsKnown) != 0) {
    return absl::InvalidArgumentError("dialog record: a value is out of range");
  }
  return dialog;
}

}  // namespace sipctl::sip
