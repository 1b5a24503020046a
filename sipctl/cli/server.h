// The running process: everything that lives while it takes calls, in the order of dependence.
// Files: server_start.cc (making it), server.cc (running and ending), server_reload.cc (another
// configuration).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "relay/abi/mapping.h"
#include "sipctl/call/call_table.h"
#include "sipctl/call/destinations.h"
#include "sipctl/call/doorkeeper.h"
#include "sipctl/call/health.h"
#include "sipctl/call/registrar.h"
#include "sipctl/cli/control.h"
#include "sipctl/cli/counters.h"
#include "sipctl/cli/credentials.h"
#include "sipctl/cli/reload.h"
#include "sipctl/cli/spare_memory.h"
#include "sipctl/loop.h"
#include "sipctl/media/unix_connector.h"
#include "sipctl/options.h"
#include "sipctl/sip/locator.h"
#include "sipctl/sip/resolver.h"
#include "sipctl/sip/socket_transport.h"
#include "sipctl/trunk/acl.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/router.h"

namespace sipctl::cli {

// Calls and sentences go to the log.
class Log : public call::CallLog {
 public:
  void OnCallEnded(const call::Cdr& cdr) override;
  void OnNotice(std::string_view sentence) override;
};

class Server {
 public:
  explicit Server(std::shared_ptr<const trunk::Config> config) : config_(std::move(config)) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  absl::Status Start(const RunOptions& options);
  // Until a signal has ended it.
  void Run();

 private:
  // server_start.cc
  absl::Status StartTransport(const std::string& trace);
  absl::Status StartLocating();
  absl::Status StartCalls();
  void StartDoor();
  void StartRelay();
  absl::Status MapJournal();
  uint64_t OwnerCookie() const;
  std::string TlsNameOf(const sip::Flow& flow);
  // Tells the kernel whose packets are of no interest; as the access list says.
  void KeepStrangersAway();

  // server.cc
  absl::Status StartControl();
  bool Located();
  void OnSignal(int number);
  // SIGHUP and `sipctl reload`: certificates and configuration.
  void ReloadAll(const Control::Reply& reply);
  void ReloadCertificates();
  void TellOfCertificates();
  void WatchCertificates();
  void LeaveWhenEmpty();
  void Answer(std::string_view question, const Control::Reply& reply);
  std::string CallsAnswer(bool json) const;
  Counted Counters() const;
  std::string RegistrationsAnswer(bool json) const;

  // server_reload.cc
  void Reload(const Control::Reply& reply);
  std::string Adopt(const trunk::LoadResult& loaded);
  std::string Take(const trunk::Config& next, const trunk::Config& read, media::MediaTable media,
                   Credentials credentials, std::shared_ptr<const call::Accounts> accounts);
  void LookUpAgain();

  std::shared_ptr<const trunk::Config> config_;
  Log log_;
  int trace_ = -1;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<trunk::Acl> acl_;
  std::unique_ptr<trunk::Router> router_;
  std::unique_ptr<trunk::Limits> limits_;
  relay::abi::Mapping journal_file_;
  media::Journal journal_;
  std::unique_ptr<sip::AresResolver> resolver_;
  std::unique_ptr<sip::Locator> locator_;
  std::unique_ptr<call::Destinations> destinations_;
  call::Context context_;
  std::unique_ptr<sip::SocketTransport> transport_;
  std::unique_ptr<media::UnixConnector> connector_;
  std::unique_ptr<call::CallTable> calls_;
  std::unique_ptr<sip::TransactionLayer> transactions_;
  std::unique_ptr<call::HealthWatch> health_;
  std::unique_ptr<call::Registrar> registrar_;
  std::unique_ptr<call::Doorkeeper> doorkeeper_;
  std::unique_ptr<media::RelayClient> relay_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<SpareMemory> spare_memory_;
  TimeMs drain_until_ = 0;
};

// How each trunk's TLS is made; nothing where it has none.
std::vector<std::optional<sip::TlsClientOptions>> TlsPeersOf(const trunk::Config& config);
// The wall clock.
int64_t UnixMs();

}  // namespace sipctl::cli
