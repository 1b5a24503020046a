// A probe's questions to the name system: asked as `sipctl run` asks them, but waited for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/loop.h"
#include "sipctl/sip/locator.h"
#include "sipctl/sip/resolver.h"

namespace sipctl::cli {

class ProbeNames {
 public:
  using MakeResolver = std::function<absl::StatusOr<std::unique_ptr<sip::Resolver>>(Loop* loop)>;

  static absl::StatusOr<std::unique_ptr<ProbeNames>> Create(const MakeResolver& make_resolver,
                                                            TimeMs wait_ms);

  // Where a place is, in the order in which one call would try it (RFC 3263). Unavailable: what
  // could not be found out, in a sentence.
  absl::StatusOr<std::vector<sip::Target>> Locate(const sip::Place& place);
  // The addresses of a name, IPv4 first, with the alias that leads there.
  sip::DnsAnswer Addresses(const std::string& name);

 private:
  ProbeNames(std::unique_ptr<Loop> loop, std::unique_ptr<sip::Resolver> resolver, TimeMs wait_ms);
  // Turns the loop until `done`, or until the wait is over.
  void Until(const std::function<bool()>& done);

  const TimeMs wait_ms_;  // for one question
  const std::unique_ptr<Loop> loop_;
  const std::unique_ptr<sip::Resolver> resolver_;
  sip::Tokens tokens_;
  std::string notice_;  // the locator's last sentence
  sip::Locator locator_;
};

}  // namespace sipctl::cli
