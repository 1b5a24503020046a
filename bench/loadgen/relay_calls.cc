#include "bench/loadgen/relay_calls.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;

constexpr int kAnswerTimeoutMs = 5000;
constexpr size_t kOutstandingMax = 1024;  // commands without an answer; a quarter of the ring

abi::Endpoint FarEndpoint(const sockaddr_in& address) {
  uint8_t b[4];
  std::memcpy(b, &address.sin_addr, sizeof b);
  abi::Endpoint result{};
  result.address = abi::Address::Ipv4(b[0], b[1], b[2], b[3]);
  result.port = ntohs(address.sin_port);
  return result;
}

sockaddr_in NearEndpoint(const abi::LocalAddress& address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  std::memcpy(&result.sin_addr, address.address.bytes.data() + 12, 4);
  return result;
}

abi::LegPlan Plan(abi::LocalEndpoint local, const sockaddr_in& far, uint8_t payload_type,
                  bool rtcp_mux) {
  abi::LegPlan plan{};
  plan.local = local;
  plan.direction = abi::kLegReceives | abi::kLegSends;
  plan.learning = abi::Learning::kSignalled;
  plan.rtcp_mux = rtcp_mux;
  plan.remote_rtp = FarEndpoint(far);
  plan.remote_rtcp = plan.remote_rtp;
  plan.remote_rtcp.port++;
  plan.network_set = abi::kNoNetworkSet;
  plan.format_count = 1;
  const abi::Codec law = payload_type == 8 ? abi::Codec::kPcma : abi::Codec::kPcmu;
  plan.formats[0] = abi::EqualFormat(payload_type, law, 8000);
  plan.transcode = 1;
  std::memcpy(plan.label, "loadgen", 7);
  return plan;
}

abi::SrtpPlan Secured(const PartyMedia& media, size_t call, int side) {
  abi::SrtpPlan plan{};
  if (media.suite == abi::SrtpSuite::kNone) return plan;
  plan.suite = media.suite;
  plan.send_key_count = plan.receive_key_count = 1;
  plan.send = RelayKey(media, call, side);
  plan.receive[0] = FarKey(media, side);
  return plan;
}

abi::Command Make(abi::CommandKind kind, uint64_t session) {
  abi::Command command{};
  command.kind = kind;
  command.length = static_cast<uint32_t>(abi::BodyLength(kind));
  command.session = session;
  return command;
}

}  // namespace

absl::Status RelayCalls::Attach(Options options) {
  options_ = std::move(options);
  const abi::AttachFailure failure =
      relay_.Attach({.path = options_.socket,
                     .owner_cookie = 0x6c6f616467656e00u + static_cast<uint64_t>(getpid()),
                     .name = "loadgen"});
  if (!failure.ok()) {
    return absl::UnavailableError(absl::StrCat(options_.socket, ": ", failure.Text()));
  }
  for (const abi::Lease& lease : relay_.leases()) {
    if (!relay_.addresses()[lease.address].address.IsIpv4()) continue;
    for (uint32_t port = lease.port_first; port < lease.port_last; port += 2) {
      const abi::LocalEndpoint local{lease.address, static_cast<uint16_t>(port)};
      free_[abi::WorkerOf(relay_.placement(), local)].push_back(local);
    }
  }
  counters_at_start_.assign(abi::kCounterCount, 0);
  for (const abi::CounterBlock& block : relay_.counters()) {
    for (uint16_t i = 0; i < abi::kCounterCount; ++i) {
      counters_at_start_[i] += block.Read(static_cast<abi::Counter>(i));
    }
  }
  return absl::OkStatus();
}

bool RelayCalls::TakePorts(std::array<abi::LocalEndpoint, 2>* ports) {
  auto fullest = free_.begin();
  for (auto i = free_.begin(); i != free_.end(); ++i) {
    if (i->second.size() > fullest->second.size()) fullest = i;
  }
  if (fullest == free_.end() || fullest->second.size() < 2) return false;
  for (abi::LocalEndpoint& port : *ports) {
    port = fullest->second.back();
    fullest->second.pop_back();
  }
  return true;
}

absl::StatusOr<const std::vector<Call>*> RelayCalls::Ensure(size_t count) {
  while (calls_.size() < count) {
    if (absl::Status status = Open(calls_.size()); !status.ok()) return status;
  }
  if (absl::Status status = Settle(1); !status.ok()) return status;
  return &calls_;
}

absl::Status RelayCalls::Open(size_t call) {
  std::array<abi::LocalEndpoint, 2> ports;
  if (!TakePorts(&ports)) {
    return absl::ResourceExhaustedError(absl::StrCat("no ports left after ", call, " calls"));
  }
  const uint64_t session = call + 1;
  const std::vector<sockaddr_in>* far[2] = {&options_.far_a, &options_.far_b};
  for (uint8_t leg = 0; leg < 2; ++leg) {
    abi::Command open = Make(abi::CommandKind::kLegOpen, session);
    open.body.leg.leg = leg;
    const PartyMedia& media = options_.media.sides[leg];
    open.body.leg.plan = Plan(ports[leg], (*far[leg])[call % far[leg]->size()], media.payload_type,
                              options_.rtcp_mux);
    open.body.leg.srtp = Secured(media, call, leg);
    if (absl::Status status = Push(open); !status.ok()) return status;
  }
  abi::Command bridge = Make(abi::CommandKind::kBridge, session);
  bridge.body.bridge = {0, 1, 1, {}};
  if (absl::Status status = Push(bridge); !status.ok()) return status;
  calls_.push_back({NearEndpoint(relay_.addresses()[ports[0].address], ports[0].port),
                    NearEndpoint(relay_.addresses()[ports[1].address], ports[1].port)});
  return absl::OkStatus();
}

absl::Status RelayCalls::Push(abi::Command command) {
  command.request = ++request_;
  if (relay_.Push(command) != abi::RingResult::kOk) {
    return absl::InternalError("the command ring is full or broken");
  }
  relay_.Signal();
  return Settle(kOutstandingMax);
}

absl::Status RelayCalls::Settle(size_t outstanding) {
  return SettleUntil([&] { return request_ - answered_ < outstanding; });
}

absl::Status RelayCalls::SettleUntil(const std::function<bool()>& settled) {
  while (true) {
    relay_.ClearSignal();
    abi::Event event;
    while (relay_.Pop(&event) == abi::RingResult::kOk) {
      if (event.kind == abi::EventKind::kCommandDone) {
        ++answered_;
      } else if (event.kind == abi::EventKind::kCommandRefused) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the relay refused a command: ", abi::RefusalSentence(event.body.refused.refusal),
            " (detail ", event.body.refused.detail, ")"));
      } else if (event.kind == abi::EventKind::kLegEnded) {
        const abi::LegStatistics& leg = event.body.statistics;
        ++totals_.legs;
        totals_.received += leg.received_packets;
        totals_.sent += leg.sent_packets;
        totals_.dropped += leg.dropped_packets;
        totals_.lost += leg.lost_packets;
      } else if (event.kind == abi::EventKind::kEventsLost) {
        return absl::DataLossError("the event ring ran over");
      }
    }
    if (settled()) return absl::OkStatus();
    if (relay_.RelayGone()) return absl::UnavailableError("the relay has ended");
    if (!relay_.WaitEvents(kAnswerTimeoutMs)) {
      return absl::DeadlineExceededError(
          "the relay does not answer its commands, or keeps the totals of legs");
    }
  }
}

SpeechKeys RelayCalls::first_keys() const {
  return {RelayKey(options_.media.sides[0], 0, 0), RelayKey(options_.media.sides[1], 0, 1)};
}

absl::Status RelayCalls::Close() {
  for (size_t call = 0; call < calls_.size(); ++call) {
    absl::Status status = Push(Make(abi::CommandKind::kSessionClose, call + 1));
    if (!status.ok()) return status;
  }
  const uint64_t legs = 2 * calls_.size();
  calls_.clear();
  return SettleUntil([&] { return request_ == answered_ && totals_.legs >= legs; });
}

std::map<std::string, uint64_t> RelayCalls::Counters() const {
  std::map<std::string, uint64_t> result;
  for (uint16_t i = 0; i < abi::kCounterCount; ++i) {
    uint64_t value = 0;
    for (const abi::CounterBlock& block : relay_.counters()) {
      value += block.Read(static_cast<abi::Counter>(i));
    }
    if (value != counters_at_start_[i]) {
      result[abi::kCounterTexts[i].name] = value - counters_at_start_[i];
    }
  }
  return result;
}

}  // namespace bench::loadgen
