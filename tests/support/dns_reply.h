// Writes a reply of a name server, byte for byte; names are compressed where they can be.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "sipctl/sip/dns_records.h"
#include "sipctl/sip/transport.h"

namespace support {

class DnsReply {
 public:
  DnsReply(const std::string& question, uint16_t type, uint8_t code = 0) {
    out_ = std::string("\x12\x34\x81", 3) + static_cast<char>(0x80 | code);
    Number(1);
    for (int i = 0; i < 3; ++i) Number(0);
    Name(question);
    Number(type);
    Number(1);
  }

  DnsReply& Address(const std::string& name, uint32_t ttl, std::array<uint8_t, 4> address) {
    Begin(name, 1, ttl);
    Number(4);
    out_.append(address.begin(), address.end());
    return *this;
  }
  DnsReply& Address6(const std::string& name, uint32_t ttl, const std::string& address) {
    Begin(name, 28, ttl);
    Number(16);
    const auto bytes = sipctl::sip::ParseAddress(address)->bytes;
    out_.append(bytes.begin(), bytes.end());
    return *this;
  }
  DnsReply& Alias(const std::string& name, uint32_t ttl, const std::string& to) {
    Begin(name, 5, ttl);
    return Sized([&] { Name(to); });
  }
  DnsReply& Srv(const std::string& name, uint32_t ttl, const sipctl::sip::SrvRecord& record) {
    Begin(name, 33, ttl);
    return Sized([&] {
      Number(record.priority);
      Number(record.weight);
      Number(record.port);
      Name(record.target);
    });
  }
  DnsReply& Naptr(const std::string& name, uint32_t ttl, const sipctl::sip::NaptrRecord& record) {
    Begin(name, 35, ttl);
    return Sized([&] {
      Number(record.order);
      Number(record.preference);
      for (const std::string& text : {record.flags, record.service, std::string()}) {
        out_ += static_cast<char>(text.size());
        out_ += text;
      }
      Name(record.replacement);
    });
  }

  std::string bytes() const { return out_; }

 private:
  void Begin(const std::string& name, uint16_t type, uint32_t ttl) {
    ++out_[7];  // answers
    Name(name);
    Number(type);
    Number(1);
    Number(static_cast<uint16_t>(ttl >> 16));
    Number(static_cast<uint16_t>(ttl));
  }
  template <typename Write>
  DnsReply& Sized(Write write) {
    const size_t at = out_.size();
    Number(0);
    write();
    const size_t size = out_.size() - at - 2;
    out_[at] = static_cast<char>(size >> 8);
    out_[at + 1] = static_cast<char>(size);
    return *this;
  }
  void Number(uint16_t value) {
    out_ += static_cast<char>(value >> 8);
    out_ += static_cast<char>(value);
  }
  void Name(const std::string& name) {
    if (name.empty()) {
      out_ += '\0';
    } else if (const auto known = places_.find(name); known != places_.end()) {
      Number(static_cast<uint16_t>(0xc000 | known->second));
    } else {
      places_[name] = out_.size();
      const size_t dot = name.find('.');
      const std::string label = name.substr(0, dot);
      out_ += static_cast<char>(label.size());
      out_ += label;
      Name(dot == name.npos ? "" : name.substr(dot + 1));
    }
  }

  std::string out_;
  std::map<std::string, size_t> places_;
};

}  // namespace support
