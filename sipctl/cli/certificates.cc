#include "sipctl/cli/certificates.h"

#include <string>
#include <string_view>

#include "sipctl/cli/tls_of.h"
#include "sipctl/sip/certificate.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

using trunk::Diagnostic;
using trunk::Severity;

class Examination {
 public:
  Examination(const trunk::Config& config, int64_t now_unix_s)
      : config_(config), now_unix_s_(now_unix_s) {}

  std::vector<Diagnostic> Run() {
    for (const trunk::Listener& listener : config_.listeners) {
      if (listener.transport == trunk::Transport::kTls) Look(listener);
    }
    for (const trunk::Trunk& trunk : config_.trunks) Look(trunk);
    return std::move(diagnostics_);
  }

 private:
  void Report(Severity severity, int line, std::string message, std::string instead) {
    diagnostics_.push_back(
        {severity, config_.file, line, std::move(message), std::move(instead), "CV-17"});
  }

  void Look(const trunk::Listener& listener) {
    const std::string who = Concat("listener '", listener.name, "'");
    const sip::TlsServerOptions options{
        .identity = {.certificate = listener.certificate, .key = listener.key},
        .client_trust = listener.client_trust};
    if (const auto server = sip::MakeTlsServer(options); !server.ok()) {
      return Report(Severity::kError, listener.line,
                    Concat(who, ": ", std::string(server.status().message())),
                    "PEM files that this user may read");
    }
    const auto facts = sip::ReadCertificate(options.identity);
    if (!facts.ok()) return;
    LookAtTime(*facts, who, options.identity.certificate, listener.line);
    if (!sip::Covers(*facts, listener.advertise_host)) {
      Report(Severity::kWarning, listener.line,
             Concat(who, " is known as ", listener.advertise_host, ", but its certificate names ",
                    facts->names.empty() ? std::string("nobody") : Join(facts->names, ", ")),
             "a certificate with that name as subject alternative name");
    }
    if (!facts->chain_complete) {
      Report(Severity::kWarning, listener.line,
             Concat(who, ": ", options.identity.certificate,
                    " ends before a root that this machine knows"),
             "the intermediate certificates behind the first one");
    }
  }

  void Look(const trunk::Trunk& trunk) {
    const auto options = TlsOf(trunk);
    if (!options) return;
    const std::string who = Concat("trunk '", trunk.name, "'");
    if (const auto client = sip::MakeTlsClient(*options); !client.ok()) {
      return Report(Severity::kError, trunk.line,
                    Concat(who, ": ", std::string(client.status().message())),
                    "PEM files that this user may read");
    }
    if (options->identity.certificate.empty()) return;
    const auto facts = sip::ReadCertificate(options->identity);
    if (facts.ok()) LookAtTime(*facts, who, options->identity.certificate, trunk.line);
  }

  void LookAtTime(const sip::CertificateFacts& facts, const std::string& who,
                  const std::string& file, int line) {
    const int64_t left_s = facts.not_after_unix_s - now_unix_s_;
    if (left_s <= 0) {
      Report(Severity::kError, line,
             Concat(who, ": ", file, " ended ", -left_s / kDaySeconds, " days ago"),
             "a new certificate, then SIGHUP");
    } else if (facts.not_before_unix_s > now_unix_s_) {
      Report(Severity::kError, line,
             Concat(who, ": ", file, " begins in ",
                    (facts.not_before_unix_s - now_unix_s_) / kDaySeconds, " days"),
             "the machine's clock, or a certificate that holds now");
    } else if (left_s < kExpiryWarningDays * kDaySeconds) {
      Report(Severity::kWarning, line,
             Concat(who, ": ", file, " ends in ", left_s / kDaySeconds, " days"),
             "a new certificate, then SIGHUP");
    }
  }

  const trunk::Config& config_;
  const int64_t now_unix_s_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

std::vector<Diagnostic> CheckCertificates(const trunk::Config& config, int64_t now_unix_s) {
  return Examination(config, now_unix_s).Run();
}

}  // namespace sipctl::cli
