#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/cli/server.h"
#include "sipctl/cli/tls_of.h"
#include "sipctl/sdp/crypto.h"
#include "sipctl/text.h"
#include "spdlog/spdlog.h"

namespace sipctl::cli {

namespace {

uint64_t Random() {
  uint64_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}

}  // namespace

int64_t UnixMs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1'000'000;
}

std::vector<std::optional<sip::TlsClientOptions>> TlsPeersOf(const trunk::Config& config) {
  std::vector<std::optional<sip::TlsClientOptions>> peers;
  for (const trunk::Trunk& trunk : config.trunks) peers.push_back(TlsOf(trunk));
  return peers;
}

Server::~Server() {
  if (trace_ >= 0) close(trace_);
}

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
        {.protocol = call::ProtocolOf(listener.transport),
         .bind = {.address = media::ToAbi(listener.bind.address), .port = listener.bind.port},
         .advertised_host = listener.advertise_host,
         .advertised_port = listener.advertise_port,
         .tls = {.identity = {.certificate = listener.certificate, .key = listener.key},
                 .client_trust = listener.client_trust},
         .access = listener.role == trunk::Role::kAccess});
  }
  options.peers = TlsPeersOf(*config_);
  options.name_of = [this](const sip::Flow& flow) { return TlsNameOf(flow); };
  options.peer_of = [this](const sip::SocketAddress& source) {
    const auto trunk = acl_->Find(media::FromAbi(source.address));
    return static_cast<uint16_t>(trunk ? *trunk + 1 : 0);
  };
  options.access = [this](const sip::SocketAddress& source, uint16_t listener) {
    if (context_.IsAccess(listener)) return doorkeeper_->MayKnock(source);
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
  KeepStrangersAway();
  return absl::OkStatus();
}

void Server::KeepStrangersAway() {
  std::vector<sip::Network> networks;
  for (const trunk::Trunk& trunk : config_->trunks) {
    if (trunk.retired) continue;
    for (const sdp::IpNetwork& source : trunk.sources) {
      networks.push_back({media::ToAbi(source.address), source.prefix_length});
    }
  }
  const absl::Status permitted = transport_->Permit(networks);
  if (permitted.ok()) return;
  spdlog::warn("{}: strangers are dropped by sipctl itself", std::string(permitted.message()));
}

// A destination's certificate carries its own name, where the trunk names none for all.
std::string Server::TlsNameOf(const sip::Flow& flow) {
  const size_t index = flow.peer - size_t{1};
  if (flow.peer == 0 || index >= config_->trunks.size()) return {};
  const trunk::Trunk& trunk = config_->trunks[index];
  if (!trunk.tls.name.empty()) return {};
  const auto destination = destinations_->Find(index, flow.remote);
  return destination ? trunk.destinations[*destination].host : std::string();
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

absl::Status Server::StartLocating() {
  context_.tokens = sip::Tokens({.low = Random(), .high = Random()});
  auto resolver = sip::AresResolver::Create(loop_.get(), Join(config_->name_servers, ","));
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  sip::Families families{.ipv4 = false, .ipv6 = false};
  for (const trunk::Listener& listener : config_->listeners) {
    (listener.bind.address.IsIpv4() ? families.ipv4 : families.ipv6) = true;
  }
  locator_ = std::make_unique<sip::Locator>(
      &loop_->timers(), resolver_.get(), &context_.tokens,
      [](std::string_view sentence) { spdlog::info("{}", sentence); }, families);
  destinations_ = std::make_unique<call::Destinations>(*config_, &loop_->timers(), locator_.get(),
                                                       &context_.tokens);
  context_.destinations = destinations_.get();
  auto credentials = ReadCredentials(*config_);
  if (!credentials.ok()) return credentials.status();
  context_.credentials = *std::move(credentials);
  auto accounts = ReadAccounts(*config_);
  if (!accounts.ok()) return accounts.status();
  context_.accounts = *std::move(accounts);
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
  if (absl::Status located = StartLocating(); !located.ok()) return located;
  context_.settings.owner_cookie = OwnerCookie();
  context_.settings.unix_offset_ms = UnixMs() - loop_->now();
  calls_ = std::make_unique<call::CallTable>(&context_, acl_.get(), router_.get());
  sip::TransactionOptions transaction_options;
  transaction_options.branch_prefix = context_.settings.shard;
  transaction_options.key = {.low = Random(), .high = Random()};
  transactions_ = std::make_unique<sip::TransactionLayer>(
      &loop_->timers(), transport_.get(), calls_.get(), std::move(transaction_options));
  context_.transactions = transactions_.get();
  spare_memory_ = std::make_unique<SpareMemory>(
      &loop_->timers(), [this] { return transactions_->size(); }, GiveBackFreePages);
  StartDoor();
  health_ = std::make_unique<call::HealthWatch>(&context_);
  context_.health = health_.get();
  StartRelay();
  return absl::OkStatus();
}

void Server::StartDoor() {
  registrar_ = std::make_unique<call::Registrar>(&context_);
  context_.registrar = registrar_.get();
  context_.settings.key = {.low = Random(), .high = Random()};
  call::DoorkeeperOptions options;
  for (size_t i = 0; i < options.digest.key.size(); i += sizeof(uint64_t)) {
    const uint64_t random = Random();
    std::memcpy(&options.digest.key[i], &random, sizeof random);
  }
  options.trust = [this](const sip::Flow& flow) { transport_->Trust(flow); };
  doorkeeper_ = std::make_unique<call::Doorkeeper>(&context_, transport_.get(), std::move(options));
  transport_->set_user(doorkeeper_.get());
}

void Server::StartRelay() {
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
}

}  // namespace sipctl::cli
