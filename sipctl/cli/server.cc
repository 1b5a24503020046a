#include "sipctl/cli/server.h"

#include <csignal>
#include <utility>

#include "sipctl/cli/calls.h"
#include "sipctl/cli/certificates.h"
#include "sipctl/cli/registrations.h"
#include "sipctl/sdp/address.h"
#include "spdlog/spdlog.h"

namespace sipctl::cli {

namespace {

constexpr TimeMs kDrainMsMax = 30 * 60 * kSecondMs;
// How long the control socket waits for a relay: who is answered there may place calls.
constexpr TimeMs kJoinMs = 2 * kSecondMs;
// How often the certificates' ends are looked at.
constexpr TimeMs kCertificatesMs = 12 * 3600 * kSecondMs;

}  // namespace

void Log::OnCallEnded(const call::Cdr& cdr) {
  spdlog::info("call {}", call::ToJson(cdr));
}

void Log::OnNotice(std::string_view sentence) {
  spdlog::warn("{}", sentence);
}

std::string Server::CallsAnswer(bool json) const {
  std::vector<call::Call::View> views;
  calls_->ForEach([&](const call::Call::View& view) { views.push_back(view); });
  const auto media = relay_->AllStatistics();
  return json ? CallsJson(views, media) : CallsText(views, media);
}

Counted Server::Counters() const {
  return {.calls = calls_->size(),
          .connections = transport_->connections(),
          .transactions = transactions_->size(),
          .transport = transport_->counters(),
          .transaction = transactions_->counters(),
          .overload = doorkeeper_->overload_counters()};
}

std::string Server::RegistrationsAnswer(bool json) const {
  std::vector<call::Registrar::View> views;
  registrar_->ForEach([&](const call::Registrar::View& view) { views.push_back(view); });
  return json ? RegistrationsJson(views, doorkeeper_->counters())
              : RegistrationsText(views, doorkeeper_->counters());
}

void Server::Answer(std::string_view question, const Control::Reply& reply) {
  if (question == "reload") return ReloadAll(reply);
  if (question == "config") return reply(config_->file + "\n" + config_->source);
  if (question == "counters json") return reply(CountersJson(Counters()));
  if (question.starts_with("counters")) {
    return reply(CountersText(Counters(), question == "counters all"));
  }
  if (question.starts_with("registrations")) {
    return reply(RegistrationsAnswer(question == "registrations json"));
  }
  reply(CallsAnswer(question == "calls json"));
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

void Server::ReloadAll(const Control::Reply& reply) {
  ReloadCertificates();
  Reload(reply);
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
  if (number == SIGHUP) return ReloadAll([](const std::string&) {});
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

// Whether each trunk that is called has an address.
bool Server::Located() {
  for (size_t i = 0; i < config_->trunks.size(); ++i) {
    if (!config_->trunks[i].destinations.empty() && destinations_->All(i).empty()) return false;
  }
  return true;
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
  while (!(relay_->ready() && Located()) && loop_->now() < patience) loop_->Turn(50);
  if (!relay_->ready()) spdlog::warn("no relay yet: calls are answered 503 until one is there");
  if (absl::Status started = StartControl(); !started.ok()) {
    spdlog::error("{}", std::string(started.message()));
    return;
  }
  loop_->Run();
  spdlog::info("stopped");
}

}  // namespace sipctl::cli
