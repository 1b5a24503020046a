// How records of dialogs and transactions are written for another process: numbers little-endian,
// texts a length (16 bits) and bytes. A reader may be given any bytes at all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sipctl/sip/transport.h"

namespace sipctl::sip {

class RecordWriter {
 public:
  // At most 65,535.
  explicit RecordWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  template <typename Number>
  void Put(Number value) {
    for (size_t i = 0; i < sizeof value; ++i) {
      bytes_.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
    }
  }
  void Put(std::string_view text) {
    if (text.size() > bytes_max_) {
      too_long_ = true;
      return;
    }
    Put(static_cast<uint16_t>(text.size()));
    bytes_.append(text);
  }
  void Put(const relay::abi::Address& address) {
    for (uint8_t byte : address.bytes) bytes_.push_back(static_cast<char>(byte));
  }
  void Put(const Flow& flow) {
    Put(static_cast<uint8_t>(flow.protocol));
    Put(flow.listener);
    Put(flow.connection);
    Put(flow.remote.address);
    Put(flow.remote.port);
  }
  bool too_long() const { return too_long_ || bytes_.size() > bytes_max_; }
  std::string Take() { return std::move(bytes_); }

 private:
  const size_t bytes_max_;
  std::string bytes_;
  bool too_long_ = false;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename Number>
  Number Get() {
    const std::string_view part = Cut(sizeof(Number));
    uint64_t value = 0;
    for (size_t i = 0; i < part.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(part[i])) << (8 * i);
    }
    return static_cast<Number>(value);
  }
  std::string_view GetText() { return Cut(Get<uint16_t>()); }
  relay::abi::Address GetAddress() {
    relay::abi::Address address{};
    const std::string_view part = Cut(address.bytes.size());
    std::copy(part.begin(), part.end(), address.bytes.begin());
    return address;
  }
  Flow GetFlow() {
    Flow flow;
    const auto protocol = Get<uint8_t>();
    flow.protocol = static_cast<Protocol>(protocol);
    flow.listener = Get<uint16_t>();
    flow.connection = Get<uint64_t>();
    flow.remote.address = GetAddress();
    flow.remote.port = Get<uint16_t>();
    ok_ = ok_ && protocol <= static_cast<uint8_t>(Protocol::kTls);
    return flow;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view Cut(size_t count) {
    if (!ok_ || bytes_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view part = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return part;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace sipctl::sip
