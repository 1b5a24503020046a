// Questions to the domain name system, asked without waiting. AresResolver does it with c-ares,
// which resolver.cc alone sees; tests have one that answers from a table.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sipctl/loop.h"
#include "sipctl/sip/dns_records.h"

namespace sipctl::sip {

class Resolver {
 public:
  // Called once, never from inside Ask, and not after the resolver is gone.
  using Answered = std::function<void(const DnsAnswer& answer)>;

  virtual ~Resolver() = default;
  virtual void Ask(const std::string& name, DnsType type, Answered answered) = 0;
};

class AresResolver : public Resolver {
 public:
  // `servers`: "192.0.2.53,192.0.2.54:5353"; empty: those of /etc/resolv.conf. `loop` must outlive
  // the resolver. A name that stands in /etc/hosts is what that file says, and has no services.
  static absl::StatusOr<std::unique_ptr<AresResolver>> Create(Loop* loop, std::string servers);
  ~AresResolver() override;

  void Ask(const std::string& name, DnsType type, Answered answered) override;
  // Reads /etc/resolv.conf again; questions under way fail.
  absl::Status Reload();

 private:
  struct Channel;
  AresResolver(Loop* loop, std::string servers);

  Loop* const loop_;
  const std::string servers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Channel> channel_;
};

}  // namespace sipctl::sip
