#include "tests/support/sip_network.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/sip/token.h"

namespace sipctl::sip {
namespace {

constexpr uint16_t kPort = 5060;

SocketAddress AddressOf(uint8_t number) {
  return {relay::abi::Address::Ipv4(10, 0, 0, number), kPort};
}

// What the transport owes to the layer above (RFC 3261 section 18.2.1, RFC 3581 section 4).
void FillVia(Message* message, const Flow& flow) {
  if (!message->is_request || message->via.empty()) return;
  Via& via = message->via.front();
  const auto& b = flow.remote.address.bytes;
  const std::string source = absl::StrCat(b[12], ".", b[13], ".", b[14], ".", b[15]);
  const bool asked = Find(via.parameters, "rport") != nullptr;
  if (via.host != source || asked) Set(&via.parameters, "received", source);
  if (asked) Set(&via.parameters, "rport", absl::StrCat(flow.remote.port));
}

}  // namespace

SipHost::SipHost(SipNetwork* network, uint8_t number)
    : network_(network), address_(AddressOf(number)) {
  const std::string host = absl::StrCat("10.0.0.", number);
  advertised_[kUdp] = {Protocol::kUdp, host, kPort};
  advertised_[kTcp] = {Protocol::kTcp, host, kPort};
}

Flow SipHost::To(uint8_t number, Protocol protocol) {
  return {.protocol = protocol,
          .listener = protocol == Protocol::kUdp ? kUdp : kTcp,
          .connection = 0,
          .remote = AddressOf(number)};
}

absl::StatusOr<Flow> SipHost::Send(const Flow& flow, std::string_view bytes) {
  ++network_->sent_;
  return flow.protocol == Protocol::kUdp ? network_->SendDatagram(this, flow, bytes)
                                         : network_->SendStream(this, flow, bytes);
}

bool SipHost::IsOpen(const Flow& flow) const {
  return flow.protocol == Protocol::kUdp || network_->connections_.contains(flow.connection);
}

Timers* SipHost::timers() {
  return clock_ == nullptr ? network_->timers() : clock_.get();
}

void SipHost::KeepOwnClock() {
  clock_ = std::make_unique<Timers>(network_->now_);
}

void SipHost::Pause(bool keeps_datagrams) {
  assert(clock_ != nullptr);
  paused_ = true;
  keeps_datagrams_ = keeps_datagrams;
}

void SipHost::Resume() {
  paused_ = false;
  clock_->Advance(network_->now_);
  for (const auto& happened : std::exchange(waiting_, {})) happened();
}

void SipHost::Tell(std::function<void()> happened) {
  if (paused_) {
    waiting_.push_back(std::move(happened));
  } else {
    happened();
  }
}

SipNetwork::SipNetwork(uint64_t seed, const SipWeather& weather)
    : timers_(0), dice_(seed), weather_(weather) {}

SipHost* SipNetwork::AddHost() {
  hosts_.push_back(std::make_unique<SipHost>(this, static_cast<uint8_t>(hosts_.size() + 1)));
  return hosts_.back().get();
}

SipHost* SipNetwork::Find(const SocketAddress& address) {
  for (const auto& host : hosts_) {
    if (host->address_ == address) return host.get();
  }
  return nullptr;
}

TimeMs SipNetwork::Delay() {
  const auto spread = static_cast<uint64_t>(weather_.delay_ms_max - weather_.delay_ms_min + 1);
  return weather_.delay_ms_min + static_cast<TimeMs>(dice_.Below(spread));
}

void SipNetwork::After(TimeMs delay, std::function<void()> happen) {
  timers_.After(now_ + delay - timers_.now(), std::move(happen));
}

absl::StatusOr<Flow> SipNetwork::SendDatagram(SipHost* from, const Flow& flow,
                                              std::string_view bytes) {
  if (drop && drop(*from, bytes)) {
    ++lost_;
    return flow;
  }
  SipHost* to = Find(flow.remote);
  const Flow seen{.protocol = Protocol::kUdp,
                  .listener = SipHost::kUdp,
                  .connection = 0,
                  .remote = from->address_};
  const int copies = dice_.Percent(weather_.loss_percent)        ? 0
                     : dice_.Percent(weather_.duplicate_percent) ? 2
                                                                 : 1;
  if (copies == 0 || to == nullptr) ++lost_;
  for (int i = 0; to != nullptr && i < copies; ++i) {
    After(Delay(), [this, to, seen, text = std::string(bytes)] {
      if (to->paused_ && !to->keeps_datagrams_) {
        ++lost_;
      } else {
        to->Tell([this, to, seen, text] { Arrive(to, seen, text); });
      }
    });
  }
  return flow;
}

Flow SipNetwork::FlowAt(uint64_t id, const Connection& connection, int end) const {
  return {.protocol = Protocol::kTcp,
          .listener = SipHost::kTcp,
          .connection = id,
          .remote = {connection.ends[1 - end]->address_.address, connection.ports[1 - end]}};
}

absl::StatusOr<Flow> SipNetwork::SendStream(SipHost* from, const Flow& flow,
                                            std::string_view bytes) {
  auto found = connections_.find(flow.connection);
  if (found == connections_.end()) {
    SipHost* to = Find(flow.remote);
    const uint64_t id = next_connection_++;
    if (to == nullptr || !to->up_) {
      Flow refused = flow;
      refused.connection = id;
      After(Delay(), [from, refused] {
        from->Tell([from, refused] {
          if (from->user_ == nullptr) return;
          from->user_->OnFlowBroken(refused, absl::UnavailableError("refused"));
        });
      });
      return refused;
    }
    if (++next_port_ < 30000) next_port_ = 30000;
    found =
        connections_
            .emplace(
                id, Connection{.ends = {from, to}, .ports = {next_port_, kPort}, .free_at = {0, 0}})
            .first;
  }
  const uint64_t id = found->first;
  Connection& connection = found->second;
  const int end = connection.ends[0] == from ? 0 : 1;
  const Flow used = FlowAt(id, connection, end);
  if (dice_.Below(1000) < weather_.break_per_mille || (drop && drop(*from, bytes))) {
    ++lost_;
    After(Delay(), [this, id] { Break(id); });
    return used;
  }
  SipHost* to = connection.ends[1 - end];
  const TimeMs at = std::max(now_ + Delay(), connection.free_at[end]);
  connection.free_at[end] = at;
  After(at - now_, [this, to, id, end, text = std::string(bytes)] {
    const auto alive = connections_.find(id);
    if (alive == connections_.end()) {  // broke on the way
      ++lost_;
      return;
    }
    const Flow seen = FlowAt(id, alive->second, 1 - end);
    to->Tell([this, to, seen, text] { Arrive(to, seen, text); });
    if (dice_.Below(1000) < weather_.idle_break_per_mille) Break(id);
  });
  return used;
}

void SipNetwork::Arrive(SipHost* to, const Flow& flow, const std::string& bytes) {
  if (!to->up_ || to->user_ == nullptr) {
    ++lost_;
    return;
  }
  digest_ = SipHash({digest_, static_cast<uint64_t>(now_)}, bytes);
  ParseFailure failure;
  std::optional<Message> message = Parse(bytes, &failure);
  if (!message) {
    ++unparsed_;
    return;
  }
  FillVia(&*message, flow);
  if (on_arrival) on_arrival(*to, *message, flow);
  to->user_->OnMessage(*std::move(message), flow);
}

void SipNetwork::Break(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Connection connection = found->second;
  connections_.erase(found);
  for (int end = 0; end < 2; ++end) {
    SipHost* host = connection.ends[end];
    const Flow flow = FlowAt(id, connection, end);
    host->Tell([host, flow] {
      if (host->user_ == nullptr || !host->up_) return;
      host->user_->OnFlowBroken(flow, absl::UnavailableError("reset"));
    });
  }
}

void SipNetwork::BreakAllConnections() {
  while (!connections_.empty()) Break(connections_.begin()->first);
}

std::optional<TimeMs> SipNetwork::Next() const {
  std::optional<TimeMs> next = timers_.Next();
  for (const auto& host : hosts_) {
    if (host->clock_ == nullptr || host->paused_) continue;
    const std::optional<TimeMs> due = host->clock_->Next();
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

// A clock that has not made the step yet is 1 ms behind at most: what it is asked for by another
// one is never late.
void SipNetwork::Step(TimeMs to) {
  for (const TimeMs time : {to - 1, to}) {
    if (time < now_) continue;
    now_ = time;
    for (const auto& host : hosts_) {
      if (host->clock_ != nullptr && !host->paused_) host->clock_->Advance(time);
    }
    timers_.Advance(time);
  }
}

void SipNetwork::Run(TimeMs span) {
  const TimeMs until = now_ + span;
  while (true) {
    const std::optional<TimeMs> next = Next();
    if (!next || *next > until) break;
    Step(std::max(*next, now_));
  }
  Step(until);
}

}  // namespace sipctl::sip
