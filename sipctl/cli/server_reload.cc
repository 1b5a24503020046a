#include <utility>
#include <vector>

#include "sipctl/cli/server.h"
#include "sipctl/text.h"
#include "sipctl/trunk/succession.h"
#include "spdlog/spdlog.h"

namespace sipctl::cli {

void Server::Reload(const Control::Reply& reply) {
  const bool begun =
      reloader_->Begin([this, reply](const trunk::LoadResult& loaded) { reply(Adopt(loaded)); });
  if (!begun) reply(Concat(kNotReloaded, "a reload is under way\n"));
}

// All or nothing: what can fail comes before anything that calls can see.
std::string Server::Adopt(const trunk::LoadResult& loaded) {
  std::string answer;
  for (const trunk::Diagnostic& diagnostic : loaded.diagnostics) {
    spdlog::warn("{}", trunk::FormatDiagnostic(diagnostic));
    answer += trunk::FormatDiagnostic(diagnostic) + "\n";
  }
  std::string why_not;
  trunk::Config next;
  absl::StatusOr<media::MediaTable> media;
  absl::StatusOr<Credentials> credentials;
  absl::StatusOr<std::shared_ptr<const call::Accounts>> accounts;
  if (loaded.config == nullptr) {
    why_not = "the configuration has errors";
  } else if (auto reasons = trunk::RestartReasons(*config_, *loaded.config); !reasons.empty()) {
    why_not = Join(reasons, "; ");
  } else {
    next = trunk::Succeed(*config_, *loaded.config,
                          [this](size_t trunk) { return calls_->Uses(trunk); });
    media = media::MakeMediaTable(next, context_.media);
    absl::Status made = media.status();
    if (made.ok()) {
      credentials = ReadCredentials(next, context_.credentials);
      made = credentials.status();
    }
    if (made.ok()) {
      accounts = ReadAccounts(next);
      made = accounts.status();
    }
    if (made.ok()) made = transport_->SetPeers(TlsPeersOf(next));
    if (!made.ok()) why_not = std::string(made.message());
  }
  if (why_not.empty()) {
    return answer + Take(next, *loaded.config, *std::move(media), *std::move(credentials),
                         *std::move(accounts));
  }
  spdlog::error("{}{}; the running configuration stays", kNotReloaded, why_not);
  return Concat(answer, kNotReloaded, why_not, "; the running configuration stays\n");
}

std::string Server::Take(const trunk::Config& next, const trunk::Config& read,
                         media::MediaTable media, Credentials credentials,
                         std::shared_ptr<const call::Accounts> accounts) {
  config_ = std::make_shared<const trunk::Config>(next);
  context_.config = config_;
  context_.media = std::move(media);
  context_.credentials = std::move(credentials);
  const auto accounts_before = std::exchange(context_.accounts, std::move(accounts));
  relay_->SetNetworks(context_.media.sets);
  limits_->Follow(*config_, static_cast<uint64_t>(loop_->now()) * 1'000'000);
  *acl_ = trunk::Acl(*config_);
  KeepStrangersAway();
  *router_ = trunk::Router(config_);
  destinations_->Follow(*config_);
  health_->Follow();
  registrar_->Follow(*accounts_before);
  LookUpAgain();
  const std::string what =
      Concat(kReloaded, read.trunks.size(), " trunks, ", config_->routes.size(), " routes; ",
             calls_->size(), " calls go on as they began");
  spdlog::info("{}", what);
  return what + "\n";
}

// /etc/resolv.conf may have changed too.
void Server::LookUpAgain() {
  if (const absl::Status reloaded = resolver_->Reload(); !reloaded.ok()) {
    spdlog::warn("the name servers stay as they were: {}", std::string(reloaded.message()));
  }
  locator_->Refresh();
}

}  // namespace sipctl::cli
