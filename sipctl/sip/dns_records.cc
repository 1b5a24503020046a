#include "sipctl/sip/dns_records.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kAlias = 5;  // CNAME
constexpr uint16_t kInternet = 1;
constexpr size_t kNameBytesMax = 255;
constexpr int kJumpsMax = 32;  // of compressed names
constexpr int kRecordsMax = 64;

// Reads forward and says so when the end is passed.
class Cursor {
 public:
  Cursor(std::string_view message, size_t at) : message_(message), at_(at) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  uint32_t Number(size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | Byte();
    return value;
  }
  std::string_view Bytes(size_t count) {
    if (!ok_ || message_.size() - at_ < count) {
      ok_ = false;
      return {};
    }
    return message_.substr(std::exchange(at_, at_ + count), count);
  }
  std::string CharacterString() { return std::string(Bytes(Byte())); }
  // A name with its jumps (RFC 1035 section 4.1.4), in lower case or not as it was sent.
  std::string Name() {
    std::string name;
    size_t end = 0;  // behind the first jump
    for (int jumps = 0; ok_;) {
      const uint8_t length = Byte();
      if (!ok_ || length == 0) break;
      if ((length & 0xc0) == 0xc0) {
        const size_t target = static_cast<size_t>(length & 0x3f) << 8 | Byte();
        if (jumps == 0) end = at_;
        if (++jumps > kJumpsMax || target >= message_.size()) return Fail();
        at_ = target;
        continue;
      }
      if ((length & 0xc0) != 0) return Fail();
      if (!name.empty()) name += '.';
      name += Bytes(length);
      if (name.size() > kNameBytesMax) return Fail();
    }
    if (end != 0) at_ = end;
    return ok_ ? name : std::string();
  }

 private:
  uint8_t Byte() {
    if (!ok_ || at_ >= message_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<uint8_t>(message_[at_++]);
  }
  std::string Fail() {
    ok_ = false;
    return {};
  }

  std::string_view message_;
  size_t at_;
  bool ok_ = true;
};

struct Record {
  std::string name;
  uint16_t type = 0;
  uint32_t ttl_s = 0;
  size_t data_at = 0;
  size_t data_bytes = 0;
};

std::optional<std::vector<Record>> ReadRecords(std::string_view reply, std::string* question) {
  Cursor cursor(reply, 4);
  const uint32_t questions = cursor.Number(2);
  const uint32_t answers = cursor.Number(2);
  cursor.Bytes(kHeaderBytes - 8);
  if (questions != 1) return std::nullopt;
  *question = cursor.Name();
  cursor.Number(4);  // type and class
  std::vector<Record> records;
  for (uint32_t i = 0; i < answers && i < kRecordsMax; ++i) {
    Record record;
    record.name = cursor.Name();
    record.type = static_cast<uint16_t>(cursor.Number(2));
    const uint32_t network = cursor.Number(2);
    record.ttl_s = cursor.Number(4);
    if (record.ttl_s > INT32_MAX) record.ttl_s = 0;  // RFC 2181 section 8
    record.data_bytes = cursor.Number(2);
    record.data_at = cursor.at();
    cursor.Bytes(record.data_bytes);
    if (!cursor.ok()) return std::nullopt;
    if (network == kInternet) records.push_back(std::move(record));
  }
  return records;
}

// One record of the type that was asked for; false when it is damaged.
bool Take(std::string_view reply, const Record& record, DnsAnswer* answer) {
  Cursor cursor(reply, record.data_at);
  switch (static_cast<DnsType>(record.type)) {
    case DnsType::kA:
    case DnsType::kAaaa: {
      const size_t bytes = record.type == static_cast<uint16_t>(DnsType::kA) ? 4 : 16;
      if (record.data_bytes != bytes) return false;
      answer->addresses.push_back(AddressOfBytes(cursor.Bytes(bytes)));
      return true;
    }
    case DnsType::kSrv: {
      SrvRecord srv;
      srv.priority = static_cast<uint16_t>(cursor.Number(2));
      srv.weight = static_cast<uint16_t>(cursor.Number(2));
      srv.port = static_cast<uint16_t>(cursor.Number(2));
      srv.target = cursor.Name();
      // "." as target says that there is no such service (RFC 2782).
      if (cursor.ok() && !srv.target.empty()) answer->srv.push_back(std::move(srv));
      return cursor.ok();
    }
    case DnsType::kNaptr: {
      NaptrRecord naptr;
      naptr.order = static_cast<uint16_t>(cursor.Number(2));
      naptr.preference = static_cast<uint16_t>(cursor.Number(2));
      naptr.flags = cursor.CharacterString();
      naptr.service = cursor.CharacterString();
      cursor.CharacterString();  // a regular expression, which SIP does not use
      naptr.replacement = cursor.Name();
      if (cursor.ok()) answer->naptr.push_back(std::move(naptr));
      return cursor.ok();
    }
  }
  return false;
}

}  // namespace

std::string_view DnsTypeName(DnsType type) {
  switch (type) {
    case DnsType::kA:
      return "A";
    case DnsType::kAaaa:
      return "AAAA";
    case DnsType::kSrv:
      return "SRV";
    case DnsType::kNaptr:
      return "NAPTR";
  }
  return "?";
}

relay::abi::Address AddressOfBytes(std::string_view bytes) {
  const auto* b = reinterpret_cast<const uint8_t*>(bytes.data());
  if (bytes.size() == 4) return relay::abi::Address::Ipv4(b[0], b[1], b[2], b[3]);
  relay::abi::Address address{};
  std::copy_n(b, 16, address.bytes.begin());
  return address;
}

DnsAnswer ReadDnsReply(std::string_view reply, DnsType type) {
  DnsAnswer answer;
  if (reply.size() < kHeaderBytes) return answer;
  const int code = reply[3] & 0x0f;
  constexpr int kNameError = 3;
  // Some small servers know A and AAAA alone: they have nothing of the others.
  constexpr int kNotImplemented = 4;
  if (code == kNotImplemented) answer.outcome = DnsAnswer::Outcome::kNothing;
  if (code != 0 && code != kNameError) return answer;
  std::string name;
  const auto records = ReadRecords(reply, &name);
  if (!records) return answer;
  answer.outcome = DnsAnswer::Outcome::kNothing;
  answer.ttl_s = INT32_MAX;
  // The aliases stand in their order in every reply that a resolver gives.
  for (const Record& record : *records) {
    if (!EqualsIgnoreCase(record.name, name)) continue;
    if (record.type == kAlias) {
      Cursor cursor(reply, record.data_at);
      name = cursor.Name();
      if (answer.alias.empty()) answer.alias = name;
      answer.ttl_s = std::min(answer.ttl_s, record.ttl_s);
    } else if (record.type == static_cast<uint16_t>(type) && Take(reply, record, &answer)) {
      answer.ttl_s = std::min(answer.ttl_s, record.ttl_s);
      answer.outcome = DnsAnswer::Outcome::kFound;
    }
  }
  return answer;
}

}  // namespace sipctl::sip
