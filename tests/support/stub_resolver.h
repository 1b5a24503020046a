// A name system from a table, on a virtual clock: answers come some milliseconds later, or never.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sipctl/sip/resolver.h"
#include "sipctl/sip/transport.h"
#include "sipctl/timers.h"

namespace support {

class StubResolver : public sipctl::sip::Resolver {
 public:
  explicit StubResolver(sipctl::Timers* timers) : timers_(timers) {}

  void Ask(const std::string& name, sipctl::sip::DnsType type, Answered answered) override {
    asked.push_back(name + " " + std::string(sipctl::sip::DnsTypeName(type)));
    timers_->After(delay_ms, [this, name, type, answered = std::move(answered)] {
      sipctl::sip::DnsAnswer answer;
      if (!failing && !failing_types.contains(type) && !failing_names.contains(name)) {
        const auto found = table_.find({name, type});
        answer.outcome = found == table_.end() ? sipctl::sip::DnsAnswer::Outcome::kNothing
                                               : sipctl::sip::DnsAnswer::Outcome::kFound;
        if (found != table_.end()) answer = found->second;
      }
      answered(answer);
    });
  }

  // Each replaces what was there.
  void Addresses(const std::string& name, uint32_t ttl_s, const std::vector<std::string>& all) {
    sipctl::sip::DnsAnswer v4 = Found(ttl_s), v6 = Found(ttl_s);
    for (const std::string& text : all) {
      const auto address = *sipctl::sip::ParseAddress(text);
      (address.IsIpv4() ? v4 : v6).addresses.push_back(address);
    }
    Put(name, sipctl::sip::DnsType::kA, v4, !v4.addresses.empty());
    Put(name, sipctl::sip::DnsType::kAaaa, v6, !v6.addresses.empty());
  }
  // What is there already is found by way of another name.
  void Alias(const std::string& name, const std::string& target) {
    for (auto& [asked_for, answer] : table_) {
      if (asked_for.first == name) answer.alias = target;
    }
  }
  void Srv(const std::string& name, uint32_t ttl_s, std::vector<sipctl::sip::SrvRecord> records) {
    sipctl::sip::DnsAnswer answer = Found(ttl_s);
    answer.srv = std::move(records);
    Put(name, sipctl::sip::DnsType::kSrv, answer, true);
  }
  void Naptr(const std::string& name, uint32_t ttl_s,
             std::vector<sipctl::sip::NaptrRecord> records) {
    sipctl::sip::DnsAnswer answer = Found(ttl_s);
    answer.naptr = std::move(records);
    Put(name, sipctl::sip::DnsType::kNaptr, answer, true);
  }

  bool failing = false;  // everything
  std::set<sipctl::sip::DnsType> failing_types;
  std::set<std::string> failing_names;
  sipctl::TimeMs delay_ms = 2;
  std::vector<std::string> asked;

 private:
  static sipctl::sip::DnsAnswer Found(uint32_t ttl_s) {
    sipctl::sip::DnsAnswer answer;
    answer.outcome = sipctl::sip::DnsAnswer::Outcome::kFound;
    answer.ttl_s = ttl_s;
    return answer;
  }
  void Put(const std::string& name, sipctl::sip::DnsType type, const sipctl::sip::DnsAnswer& answer,
           bool there) {
    if (there) {
      table_[{name, type}] = answer;
    } else {
      table_.erase({name, type});
    }
  }

  sipctl::Timers* const timers_;
  std::map<std::pair<std::string, sipctl::sip::DnsType>, sipctl::sip::DnsAnswer> table_;
};

}  // namespace support
