// By which rules TLS connections are made, and what becomes of those that are open when a reload
// changes the rules.
#include <sys/stat.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sipctl/sip/socket_transport.h"

namespace sipctl::sip {
namespace {

// Which file this is now: a renewed one is another, and so is one that was written again.
std::string FileMark(const std::string& path) {
  struct stat found {};
  if (path.empty() || stat(path.c_str(), &found) != 0) return path;
  return absl::StrCat(path, " ", found.st_ino, " ", found.st_size, " ", found.st_mtim.tv_sec, ".",
                      found.st_mtim.tv_nsec);
}

// Who connects to us is held to this; our own certificate was of interest to him alone.
std::string RulesOf(const TlsServerOptions& options) {
  return FileMark(options.client_trust);
}

std::string RulesOf(const TlsClientOptions& options) {
  return absl::StrCat(options.name, "\n", options.verify, "\n", FileMark(options.trust), "\n",
                      FileMark(options.identity.certificate), "\n", FileMark(options.identity.key));
}

}  // namespace

absl::Status SocketTransport::ReloadTls() {
  std::vector<std::shared_ptr<TlsContext>> servers(listeners_.size());
  std::vector<std::string> server_rules(listeners_.size());
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i].protocol != Protocol::kTls) continue;
    server_rules[i] = RulesOf(options_.listeners[i].tls);
    auto made = MakeTlsServer(options_.listeners[i].tls);
    if (!made.ok()) return made.status();
    servers[i] = *std::move(made);
  }
  std::vector<std::shared_ptr<TlsContext>> peers(options_.peers.size());
  std::vector<std::string> peer_rules(options_.peers.size());
  for (size_t i = 0; i < peers.size(); ++i) {
    if (!options_.peers[i]) continue;
    peer_rules[i] = RulesOf(*options_.peers[i]);
    auto made = MakeTlsClient(*options_.peers[i]);
    if (!made.ok()) return made.status();
    peers[i] = *std::move(made);
  }
  for (size_t i = 0; i < servers.size(); ++i) listeners_[i].tls = std::move(servers[i]);
  peers_ = std::move(peers);
  std::swap(server_rules_, server_rules);
  std::swap(peer_rules_, peer_rules);
  Retire(server_rules, peer_rules);
  return absl::OkStatus();
}

absl::Status SocketTransport::SetPeers(std::vector<std::optional<TlsClientOptions>> peers) {
  std::swap(options_.peers, peers);
  absl::Status made = ReloadTls();
  if (!made.ok()) std::swap(options_.peers, peers);
  return made;
}

// A dialog finds its connection by the number in its flow, so that it goes on where it began; all
// others look for a road. To one address there may be several connections, of which the newest has
// the road.
void SocketTransport::Retire(const std::vector<std::string>& server_rules_before,
                             const std::vector<std::string>& peer_rules_before) {
  const auto changed = [](const std::vector<std::string>& before,
                          const std::vector<std::string>& now, size_t i) {
    return i >= before.size() || i >= now.size() || before[i] != now[i];
  };
  for (const auto& [id, connection] : connections_) {
    const Flow& flow = connection->flow();
    const bool retires =
        flow.protocol == Protocol::kTls && !retired_.contains(id) &&
        (accepted_.contains(id) ? changed(server_rules_before, server_rules_, flow.listener)
                                : changed(peer_rules_before, peer_rules_, size_t{flow.peer} - 1));
    if (!retires) continue;
    CloseRetired(id, options_.retired_idle_ms);
    const auto road = roads_.find(RoadOf(flow));
    if (road != roads_.end() && road->second == id) roads_.erase(road);
  }
}

// Whether this would begin something on a connection where nothing begins any more; then it has
// been answered. What belongs to something older puts the end of the connection off.
bool SocketTransport::RefusesNew(const Message& message, const Flow& flow) {
  const auto found = retired_.find(flow.connection);
  if (found == retired_.end()) return false;
  Retired& retired = found->second;
  // A CANCEL has no tag of ours, and neither has the ACK of a failure in some clients.
  const bool is_new = message.is_request && message.to.tag().empty() &&
                      message.method != Method::kCancel && message.method != Method::kAck;
  // It begins nothing, and a carrier that gets no answer would take us for dead.
  if (is_new && message.method == Method::kOptions) return false;
  if (!retired.refused) {
    CloseRetired(flow.connection, is_new ? options_.retired_end_ms : options_.retired_idle_ms);
  }
  if (!is_new) return false;
  retired.refused = true;
  ++counters_.refused_retired;
  Answer(message, flow, 503);
  return true;
}

void SocketTransport::CloseRetired(uint64_t connection, TimeMs delay) {
  Timers::Id& end = retired_[connection].end;
  loop_->timers().Cancel(&end);
  end = loop_->timers().After(delay, [this, connection] {
    Retired& retired = retired_.at(connection);
    retired.end = 0;
    connections_.at(connection)
        ->Close(absl::UnavailableError("made by rules that hold no more"),
                /*lost=*/retired.refused);
  });
}

}  // namespace sipctl::sip
