#include "sipctl/cli/run.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/abi/mapping.h"
#include "sipctl/call/call_table.h"
#include "sipctl/cli/calls.h"
#include "sipctl/cli/certificates.h"
#include "sipctl/cli/control.h"
#include "sipctl/cli/reload.h"
#include "sipctl/loop.h"
#include "sipctl/media/unix_connector.h"
#include "sipctl/sdp/crypto.h"
#include "sipctl/sip/socket_transport.h"
#include "sipctl/text.h"
#include "sipctl/trunk/acl.h"
#include "sipctl/trunk/router.h"
#include "sipctl/trunk/succession.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace sipctl::cli {

namespace {

constexpr TimeMs kDrainMsMax = 30 * 60 * kSecondMs;
// How long the control socket waits for a relay: who is answered there may place calls.
constexpr TimeMs kJoinMs = 2 * kSecondMs;
// How often the certificates' ends are looked at.
constexpr TimeMs kCertificatesMs = 12 * 3600 * kSecondMs;

int64_t UnixMs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1'000'000;
}

uint64_t Random() {
  uint64_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}

class Log : public call::CallLog {
 public:
  void OnCallEnded(const call::Cdr& cdr) override { spdlog::info("call {}", call::ToJson(cdr)); }
  void OnNotice(std::string_view sentence) override { spdlog::warn("{}", sentence); }
};

void StartLog(const std::string& level) {
  auto logger = spdlog::stderr_logger_st("sipctl");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(spdlog::level::from_str(level == "warning" ? "warn" : level));
  spdlog::set_default_logger(std::move(logger));
}

sip::Protocol ProtocolOf(trunk::Transport transport) {
  constexpr sip::Protocol kProtocols[] = {sip::Protocol::kUdp, sip::Protocol::kTcp,
                                          sip::Protocol::kTls};
  return kProtocols[static_cast<size_t>(transport)];
}

std::optional<sip::TlsClientOptions> TlsOf(const trunk::Trunk& trunk) {
  if (!trunk.destination || trunk.destination->transport != trunk::Transport::kTls) {
    return std::nullopt;
  }
  const trunk::Tls& tls = trunk.tls;
  return sip::TlsClientOptions{.name = tls.name.empty() ? trunk.destination->host : tls.name,
                               .trust = tls.trust,
                               .identity = {.certificate = tls.certificate, .key = tls.key},
                               .verify = tls.verify};
}

std::vector<std::optional<sip::TlsClientOptions>> PeersOf(const trunk::Config& config) {
  std::vector<std::optional<sip::TlsClientOptions>> peers;
  for (const trunk::Trunk& trunk : config.trunks) peers.push_back(TlsOf(trunk));
  return peers;
}

void SayWhatHasNoAddress(const trunk::Config& config,
                         const std::vector<std::optional<sip::SocketAddress>>& destinations) {
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    const trunk::Trunk& trunk = config.trunks[i];
    if (trunk.retired || !trunk.destination || destinations[i]) continue;
    spdlog::error("trunk {}: {} has no address", trunk.name, trunk.destination->host);
  }
}

// Everything that lives while the process runs, in the order of dependence.
class Server {
 public:
  explicit Server(std::shared_ptr<const trunk::Config> config) : config_(std::move(config)) {}
  ~Server() {
    if (trace_ >= 0) close(trace_);
  }

  absl::Status Start(const RunOptions& options);
  void Run();

 private:
  absl::Status StartTransport(const std::string& trace);
  absl::Status StartCalls();
  absl::Status MapJournal();
  absl::Status StartControl();
  void OnSignal(int number);
  void ReloadCertificates();
  void TellOfCertificates();
  void WatchCertificates();
  void LeaveWhenEmpty();
  void Answer(std::string_view question, const Control::Reply& reply);
  std::string CallsAnswer(bool json) const;
  void Reload(const Control::Reply& reply);
  std::string Adopt(const Reloader::Loaded& loaded);
  std::string Take(const trunk::Config& next, const Reloader::Loaded& loaded,
                   media::MediaTable media);
  uint64_t OwnerCookie() const;

  std::shared_ptr<const trunk::Config> config_;
  Log log_;
  int trace_ = -1;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<trunk::Acl> acl_;
  std::unique_ptr<trunk::Router> router_;
  std::unique_ptr<trunk::Limits> limits_;
  relay::abi::Mapping journal_file_;
  media::Journal journal_;
  call::Context context_;
  std::unique_ptr<sip::SocketTransport> transport_;
  std::unique_ptr<media::UnixConnector> connector_;
  std::unique_ptr<call::CallTable> calls_;
  std::unique_ptr<sip::TransactionLayer> transactions_;
  std::unique_ptr<media::RelayClient> relay_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<Reloader> reloader_;
  TimeMs drain_until_ = 0;
};

// The same after a restart with the same configuration: by it the relay knows our sessions again.
uint64_t Server::OwnerCookie() const {
  std::string name = config_->control_socket;
  for (const trunk::Listener& listener : config_->listeners) {
    if (name.empty()) name = sdp::FormatIpEndpoint(listener.bind);
  }
  const uint64_t cookie = sip::SipHash({.low = 0x74616e64656d, .high = 1}, name);
  return cookie == 0 ? 1 : cookie;
}

absl::Status Server::Start(const RunOptions& options) {
  auto loop = Loop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  if (absl::Status watched =
          loop_->WatchSignals({SIGTERM, SIGINT, SIGHUP}, [this](int number) { OnSignal(number); });
      !watched.ok()) {
    return watched;
  }
  reloader_ = std::make_unique<Reloader>(loop_.get(), options.config);
  acl_ = std::make_unique<trunk::Acl>(*config_);
  router_ = std::make_unique<trunk::Router>(config_);
  limits_ =
      std::make_unique<trunk::Limits>(*config_, static_cast<uint64_t>(loop_->now()) * 1'000'000);
  if (absl::Status started = StartTransport(options.trace); !started.ok()) return started;
  return StartCalls();
}

absl::Status Server::StartTransport(const std::string& trace) {
  sip::SocketTransportOptions options;
  for (const trunk::Listener& listener : config_->listeners) {
    options.listeners.push_back(
        {.protocol = ProtocolOf(listener.transport),
         .bind = {.address = media::ToAbi(listener.bind.address), .port = listener.bind.port},
         .advertised_host = listener.advertise_host,
         .advertised_port = listener.advertise_port,
         .tls = {.identity = {.certificate = listener.certificate, .key = listener.key},
                 .client_trust = listener.client_trust}});
  }
  options.peers = PeersOf(*config_);
  options.peer_of = [this](const sip::SocketAddress& source) {
    const auto trunk = acl_->Find(media::FromAbi(source.address));
    return static_cast<uint16_t>(trunk ? *trunk + 1 : 0);
  };
  options.access = [this](const sip::SocketAddress& source, uint16_t) {
    return acl_->Find(media::FromAbi(source.address)).has_value();
  };
  if (!trace.empty()) {
    trace_ = open(trace.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace_ < 0) return absl::NotFoundError(absl::StrCat(trace, ": ", strerror(errno)));
    options.trace = [this](sip::Direction direction, const sip::Flow& flow,
                           std::string_view message) {
      const std::string head = absl::StrCat(
          "--- ", UnixMs(), direction == sip::Direction::kIn ? " from " : " to ",
          std::string(sip::ProtocolName(flow.protocol)), " ", sip::ToString(flow.remote), "\n");
      const std::string text = head + sdp::HideKeys(message) + "\n";
      [[maybe_unused]] const ssize_t written = write(trace_, text.data(), text.size());
    };
  }
  auto transport = sip::SocketTransport::Create(loop_.get(), std::move(options));
  if (!transport.ok()) return transport.status();
  transport_ = *std::move(transport);
  return absl::OkStatus();
}

absl::Status Server::MapJournal() {
  if (config_->journal.empty()) return absl::OkStatus();
  const size_t size = media::JournalBytes(config_->calls_max);
  const relay::abi::Descriptor file(
      open(config_->journal.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      !journal_file_.Map(file.get(), size, PROT_READ | PROT_WRITE)) {
    return absl::UnavailableError(absl::StrCat(config_->journal, ": ", strerror(errno)));
  }
  context_.journal_memory = {journal_file_.data(), journal_file_.size()};
  return absl::OkStatus();
}

absl::Status Server::StartCalls() {
  auto media = media::MakeMediaTable(*config_);
  if (!media.ok()) return media.status();
  if (absl::Status mapped = MapJournal(); !mapped.ok()) return mapped;
  context_.timers = &loop_->timers();
  context_.transport = transport_.get();
  context_.journal = &journal_;
  context_.limits = limits_.get();
  context_.log = &log_;
  context_.config = config_;
  context_.media = *std::move(media);
  context_.destinations = ResolveDestinations(*config_);
  SayWhatHasNoAddress(*config_, context_.destinations);
  context_.settings.owner_cookie = OwnerCookie();
  context_.settings.unix_offset_ms = UnixMs() - loop_->now();
  context_.tokens = sip::Tokens({.low = Random(), .high = Random()});
  calls_ = std::make_unique<call::CallTable>(&context_, acl_.get(), router_.get());
  sip::TransactionOptions transaction_options;
  transaction_options.branch_prefix = context_.settings.shard;
  transaction_options.key = {.low = Random(), .high = Random()};
  transactions_ = std::make_unique<sip::TransactionLayer>(
      &loop_->timers(), transport_.get(), calls_.get(), std::move(transaction_options));
  transport_->set_user(transactions_.get());
  context_.transactions = transactions_.get();
  connector_ = std::make_unique<media::UnixConnector>(loop_.get(), config_->relay_socket);
  media::RelayClientOptions client;
  client.owner_cookie = context_.settings.owner_cookie;
  if (config_->journal.empty()) {
    client.journal_bytes = static_cast<uint32_t>(media::JournalBytes(config_->calls_max));
  }
  // Seconds since 1970 above, a counter below: no number of an earlier life comes again, as long as
  // there are fewer than 4096 calls a second.
  client.first_session = static_cast<uint64_t>(UnixMs() / 1000) << 12 | 1;
  client.network_sets = context_.media.sets;
  relay_ = std::make_unique<media::RelayClient>(&loop_->timers(), connector_.get(), calls_.get(),
                                                std::move(client));
  context_.relay = relay_.get();
  relay_->Start();
  return absl::OkStatus();
}

std::string Server::CallsAnswer(bool json) const {
  std::vector<call::Call::View> views;
  calls_->ForEach([&](const call::Call::View& view) { views.push_back(view); });
  const auto media = relay_->AllStatistics();
  return json ? CallsJson(views, media) : CallsText(views, media);
}

void Server::Answer(std::string_view question, const Control::Reply& reply) {
  if (question == "reload") return Reload(reply);
  if (question == "config") return reply(config_->file + "\n" + config_->source);
  reply(CallsAnswer(question == "calls json"));
}

void Server::Reload(const Control::Reply& reply) {
  const bool begun =
      reloader_->Begin([this, reply](const Reloader::Loaded& loaded) { reply(Adopt(loaded)); });
  if (!begun) reply(std::string(kNotReloaded) + "a reload is under way\n");
}

// All or nothing: what can fail comes before anything that calls can see.
std::string Server::Adopt(const Reloader::Loaded& loaded) {
  std::string answer;
  for (const trunk::Diagnostic& diagnostic : loaded.result.diagnostics) {
    spdlog::warn("{}", trunk::FormatDiagnostic(diagnostic));
    answer += trunk::FormatDiagnostic(diagnostic) + "\n";
  }
  std::string why_not;
  trunk::Config next;
  absl::StatusOr<media::MediaTable> media;
  if (loaded.result.config == nullptr) {
    why_not = "the configuration has errors";
  } else if (auto reasons = trunk::RestartReasons(*config_, *loaded.result.config);
             !reasons.empty()) {
    why_not = Join(reasons, "; ");
  } else {
    next = trunk::Succeed(*config_, *loaded.result.config,
                          [this](size_t trunk) { return calls_->Uses(trunk); });
    media = media::MakeMediaTable(next, context_.media);
    absl::Status made = media.status();
    if (made.ok()) made = transport_->SetPeers(PeersOf(next));
    if (!made.ok()) why_not = std::string(made.message());
  }
  if (why_not.empty()) return answer + Take(next, loaded, *std::move(media));
  spdlog::error("{}{}; the running configuration stays", kNotReloaded, why_not);
  return Concat(answer, kNotReloaded, why_not, "; the running configuration stays\n");
}

std::string Server::Take(const trunk::Config& next, const Reloader::Loaded& loaded,
                         media::MediaTable media) {
  const std::vector<trunk::Trunk>& read = loaded.result.config->trunks;
  context_.destinations.resize(next.trunks.size());
  for (size_t i = 0; i < next.trunks.size(); ++i) {
    if (next.trunks[i].retired) continue;
    const auto same = std::find_if(read.begin(), read.end(), [&](const trunk::Trunk& each) {
      return each.name == next.trunks[i].name;
    });
    const auto& found = loaded.destinations[static_cast<size_t>(same - read.begin())];
    const bool unchanged =
        i < config_->trunks.size() && config_->trunks[i].destination == next.trunks[i].destination;
    // A name that has no address for the moment had one before.
    if (found || !unchanged) context_.destinations[i] = found;
  }
  config_ = std::make_shared<const trunk::Config>(next);
  context_.config = config_;
  context_.media = std::move(media);
  relay_->SetNetworks(context_.media.sets);
  limits_->Follow(*config_, static_cast<uint64_t>(loop_->now()) * 1'000'000);
  *acl_ = trunk::Acl(*config_);
  *router_ = trunk::Router(config_);
  SayWhatHasNoAddress(*config_, context_.destinations);
  const std::string what = Concat(kReloaded, read.size(), " trunks, ", config_->routes.size(),
                                  " routes; ", calls_->size(), " calls go on as they began");
  spdlog::info("{}", what);
  return what + "\n";
}

absl::Status Server::StartControl() {
  if (config_->control_socket.empty() || control_ != nullptr) return absl::OkStatus();
  auto control = Control::Create(
      loop_.get(), config_->control_socket,
      [this](std::string_view question, const Control::Reply& reply) { Answer(question, reply); });
  if (!control.ok()) return control.status();
  control_ = *std::move(control);
  return absl::OkStatus();
}

void Server::ReloadCertificates() {
  if (const absl::Status reloaded = transport_->ReloadTls(); !reloaded.ok()) {
    spdlog::error("certificates stay as they were: {}", std::string(reloaded.message()));
    return;
  }
  spdlog::info("certificates are read again; open connections keep theirs");
  TellOfCertificates();
}

void Server::TellOfCertificates() {
  for (const trunk::Diagnostic& each : CheckCertificates(*config_, UnixMs() / 1000)) {
    spdlog::warn("{}", trunk::FormatDiagnostic(each));
  }
}

void Server::WatchCertificates() {
  TellOfCertificates();
  loop_->timers().After(kCertificatesMs, [this] { WatchCertificates(); });
}

void Server::OnSignal(int number) {
  if (number == SIGHUP) {
    ReloadCertificates();
    return Reload([](const std::string&) {});
  }
  if (calls_->draining()) {
    spdlog::warn("signal {} again: {} calls are hung up", number, calls_->size());
    drain_until_ = loop_->now();
  } else {
    spdlog::info("signal {}: no new calls; {} are left to end", number, calls_->size());
    calls_->Drain();
    drain_until_ = loop_->now() + kDrainMsMax;
  }
  LeaveWhenEmpty();
}

void Server::LeaveWhenEmpty() {
  if (loop_->now() >= drain_until_) {
    calls_->FinishAll({.status = 503, .text = "sipctl is stopped", .reason = {}});
    drain_until_ = loop_->now() + 2 * kSecondMs;  // for the answers to our BYEs
    if (calls_->size() == 0) loop_->Stop();
  }
  if (calls_->size() == 0) {
    loop_->Stop();
    return;
  }
  loop_->timers().After(100, [this] { LeaveWhenEmpty(); });
}

void Server::Run() {
  for (const trunk::Listener& listener : config_->listeners) {
    spdlog::info("listener {}: {} {}, known as {}:{}", listener.name,
                 trunk::TransportName(listener.transport), sdp::FormatIpEndpoint(listener.bind),
                 listener.advertise_host, listener.advertise_port);
  }
  spdlog::info("{} trunks, {} routes, relay at {}", config_->trunks.size(), config_->routes.size(),
               config_->relay_socket);
  WatchCertificates();
  const TimeMs patience = loop_->now() + kJoinMs;
  while (!relay_->ready() && loop_->now() < patience) loop_->Turn(50);
  if (!relay_->ready()) spdlog::warn("no relay yet: calls are answered 503 until one is there");
  if (absl::Status started = StartControl(); !started.ok()) {
    spdlog::error("{}", std::string(started.message()));
    return;
  }
  loop_->Run();
  spdlog::info("stopped");
}

}  // namespace

int RunServer(const RunOptions& options, std::ostream& errors) {
  const trunk::LoadResult loaded = trunk::LoadConfig(options.config);
  for (const trunk::Diagnostic& diagnostic : loaded.diagnostics) {
    errors << trunk::FormatDiagnostic(diagnostic) << "\n";
  }
  if (loaded.config == nullptr) return 1;
  StartLog(options.log_level);
  Server server(loaded.config);
  if (const absl::Status started = server.Start(options); !started.ok()) {
    errors << "sipctl: " << std::string(started.message()) << "\n";
    return 1;
  }
  server.Run();
  return 0;
}

}  // namespace sipctl::cli
