#include "sipctl/sip/stream_framing.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sipctl/sip/message_grammar.h"
#include "sipctl/sip/message_lines.h"

namespace sipctl::sip {

void StreamFraming::Feed(std::string_view bytes) {
  if (kept_.empty()) {
    view_ = bytes;
  } else {
    kept_.append(bytes);
    view_ = kept_;
  }
}

StreamFraming::Cut StreamFraming::Break(std::string_view reason) {
  reason_ = reason;
  view_ = {};
  std::string().swap(kept_);
  return Cut::kBroken;
}

StreamFraming::Cut StreamFraming::SkipEmptyLines() {
  constexpr std::string_view kPing = "\r\n\r\n";
  while (!view_.empty() && (view_.front() == '\r' || view_.front() == '\n')) {
    const char c = view_.front();
    view_.remove_prefix(1);
    const bool continues = c == kPing[static_cast<size_t>(empty_line_bytes_)];
    empty_line_bytes_ = continues ? empty_line_bytes_ + 1 : (c == '\r' ? 1 : 0);
    if (empty_line_bytes_ == 1) told_pong_ = false;
    if (empty_line_bytes_ == static_cast<int>(kPing.size())) {
      empty_line_bytes_ = 0;
      return Cut::kPing;
    }
  }
  const bool pong = empty_line_bytes_ == 2 && !std::exchange(told_pong_, true);
  if (!view_.empty()) empty_line_bytes_ = 0;
  return pong ? Cut::kPong : Cut::kNothing;
}

// Lines are split exactly as Parse will split them. Equal lengths written twice still tell where
// the message ends (Parse refuses it); different ones do not.
bool StreamFraming::ReadLength(std::string_view head) {
  MessageLines lines;
  SplitLines(head, &lines);
  std::optional<uint64_t> length;
  for (const FieldLine& line : lines.fields) {
    if (line.field != Field::kContentLength) continue;
    const auto value = ParseNumber(line.value, kMessageBytesMax);
    if (!value) return Break("Content-Length is not a number up to 65536"), false;
    if (length && *length != *value) return Break("two Content-Length that differ"), false;
    length = value;
  }
  if (!length) return Break("no Content-Length on a stream"), false;
  message_bytes_ = head.size() + *length;
  if (message_bytes_ > kMessageBytesMax) return Break("message over 64 KiB"), false;
  return true;
}

void StreamFraming::Keep() {
  if (view_.empty()) {
    std::string().swap(kept_);  // an idle connection holds no buffer
  } else if (kept_.empty()) {
    kept_ = view_;
  } else {
    kept_.erase(0, kept_.size() - view_.size());
  }
  view_ = {};
}

StreamFraming::Cut StreamFraming::Next(std::string_view* message) {
  if (!reason_.empty()) return Cut::kBroken;
  if (message_bytes_ == 0) {
    if (scanned_ == 0) {
      const Cut empty_lines = SkipEmptyLines();
      if (empty_lines != Cut::kNothing) return empty_lines;
    }
    if (view_.empty()) return Keep(), Cut::kNothing;
    if (!grammar::kToken[static_cast<uint8_t>(view_.front())]) return Break("this is not SIP");
    const size_t head_size = HeadSize(view_, scanned_);
    if (std::min(head_size, view_.size()) > kHeadBytesMax) return Break("head over 32 KiB");
    if (head_size == std::string_view::npos) {
      // The line end may be cut apart: LF and CR are looked at again.
      scanned_ = view_.size() - std::min<size_t>(view_.size(), 2);
      return Keep(), Cut::kNothing;
    }
    if (!ReadLength(view_.substr(0, head_size))) return Cut::kBroken;
  }
  if (view_.size() < message_bytes_) return Keep(), Cut::kNothing;
  *message = view_.substr(0, message_bytes_);
  view_.remove_prefix(message_bytes_);
  message_bytes_ = scanned_ = 0;
  return Cut::kMessage;
}

}  // namespace sipctl::sip
