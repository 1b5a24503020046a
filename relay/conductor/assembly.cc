#include "relay/conductor/assembly.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <string>
#include <utility>

#include "relay/capabilities.h"

namespace relay::conductor {
namespace {

constexpr uint32_t kLegsPerSession = 2;  // on average; what the leg memory is taken for

uint64_t Random() {
  uint64_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return number;
}

// Wall clock since 1970 less CLOCK_MONOTONIC.
int64_t WallOffset() {
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  const TimeNs now = static_cast<TimeNs>(wall.tv_sec) * kSecond + static_cast<TimeNs>(wall.tv_nsec);
  return static_cast<int64_t>(now) - static_cast<int64_t>(MonotonicNow());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Assembly>> Assembly::Make(AssemblyConfig config, uint16_t workers,
                                                         const MakePort& make_port) {
  const MakePorts make_ports = [&make_port](uint16_t, abi::CounterBlock* counters) {
    absl::StatusOr<std::unique_ptr<port::Port>> port = make_port(counters);
    if (!port.ok()) return absl::StatusOr<Ports>(port.status());
    Ports ports;
    ports.push_back(*std::move(port));
    return absl::StatusOr<Ports>(std::move(ports));
  };
  return Make(std::move(config), workers, make_ports);
}

absl::StatusOr<std::unique_ptr<Assembly>> Assembly::Make(AssemblyConfig config, uint16_t workers,
                                                         const MakePorts& make_ports) {
  std::unique_ptr<Assembly> assembly(new Assembly);
  assembly->config_ = std::move(config);
  absl::Status status = assembly->MakeMemory(workers);
  if (status.ok()) status = assembly->MakeWorkers(workers, make_ports);
  if (status.ok()) status = assembly->MakeConductor();
  if (!status.ok()) return status;
  return assembly;
}

Assembly::~Assembly() {
  Stop();
}

absl::Status Assembly::MakeMemory(uint16_t workers) {
  legs_per_worker_ = (config_.sessions_max * kLegsPerSession + workers - 1) / workers;
  const uint32_t legs_max = legs_per_worker_ * workers;
  absl::StatusOr<StateSegment> state =
      StateSegment::Create({.addresses = config_.addresses,
                            .placement = abi::EvenPlacement(config_.placement, workers),
                            .workers = workers,
                            .client_slots = config_.client_slots,
                            .sessions_max = config_.sessions_max,
                            .legs_max = legs_max,
                            .instance = Random(),
                            .started_ns = MonotonicNow()});
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  absl::StatusOr<abi::Descriptor> legs =
      MakeSealedMemfd("tandem-legs", legs_max * sizeof(session::Leg));
  if (!legs.ok()) return legs.status();
  legs_fd_ = *std::move(legs);
  if (!legs_.Map(legs_fd_.get(), legs_max * sizeof(session::Leg), PROT_READ | PROT_WRITE)) {
    return absl::ErrnoToStatus(errno, "mapping the legs");
  }
  if (absl::Status made = MakeKeyMemory(legs_max); !made.ok()) return made;
  report_fd_ = abi::Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!report_fd_.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  if (absl::Status kept = config_.keeper.Keep("state", state_.fd()); !kept.ok()) return kept;
  return config_.keeper.Keep("legs", legs_fd_.get());
}

// In no core dump. Taken page by page, as legs come that have SRTP.
absl::Status Assembly::MakeKeyMemory(uint32_t legs_max) {
  if (config_.srtp_engine == stage::SrtpEngineKind::kNone) return absl::OkStatus();
  const size_t bytes = legs_max * sizeof(session::SrtpLeg);
  absl::StatusOr<abi::Descriptor> fd = MakeSealedMemfd("tandem-srtp", bytes);
  if (!fd.ok()) return fd.status();
  srtp_fd_ = *std::move(fd);
  if (!srtp_.Map(srtp_fd_.get(), bytes, PROT_READ | PROT_WRITE) ||
      madvise(srtp_.At<std::byte>(0), bytes, MADV_DONTDUMP) != 0) {
    return absl::ErrnoToStatus(errno, "mapping the legs' keys");
  }
  return config_.keeper.Keep("srtp", srtp_fd_.get());
}

absl::Status Assembly::MakeWorkers(uint16_t workers, const MakePorts& make_ports) {
  for (const abi::LocalAddress& address : config_.addresses) {
    ranges_.push_back({.first = address.port_first, .last = address.port_last});
  }
  for (uint16_t i = 0; i < workers; ++i) {
    absl::StatusOr<Ports> ports = make_ports(i, state_.counters(i));
    if (!ports.ok()) return ports.status();
    ports_.push_back(*std::move(ports));
    std::vector<port::Port*>& pointers = port_pointers_.emplace_back();
    for (const auto& port : ports_.back()) pointers.push_back(port.get());
  }
  if (config_.placement == abi::PlacementKind::kHandOver && workers > 1) {
    hand_over_ = std::make_unique<worker::HandOver>(workers, state_.header().placement);
  }
  for (uint16_t i = 0; i < workers; ++i) {
    const uint32_t first_leg = i * legs_per_worker_;
    links_.push_back(std::make_unique<WorkerLink>(port_pointers_[i], first_leg, legs_per_worker_,
                                                  state_.own_counters()));
    worker::WorkerConfig config;
    config.index = i;
    config.cpu = config_.cpus.empty() ? -1 : config_.cpus[i];
    config.ports = port_pointers_[i];
    config.ranges = ranges_;
    config.legs = {legs_.At<session::Leg>(0) + first_leg, legs_per_worker_};
    if (srtp_fd_.valid()) {
      config.srtp = {srtp_.At<session::SrtpLeg>(0) + first_leg, legs_per_worker_};
    }
    config.srtp_engine = config_.srtp_engine;
    config.counters = state_.counters(i);
    config.statistics = state_.statistics();
    config.orders = links_[i]->orders();
    config.reports = links_[i]->reports();
    config.hand_over = hand_over_.get();
    config.report_fd = report_fd_.get();
    config.g711 = &kernels::G711For(config_.isa);
    config.seed = Random();
    config.wall_offset_ns = WallOffset();
    workers_.push_back(std::make_unique<worker::Worker>(config));
    if (hand_over_ != nullptr) {
      hand_over_->SetWake(i, [worker = workers_.back().get()] { worker->Wake(); });
    }
    links_[i]->set_wake([worker = workers_.back().get()] { worker->Wake(); });
  }
  return absl::OkStatus();
}

absl::Status Assembly::MakeConductor() {
  absl::StatusOr<Greeter> greeter = Greeter::Open(config_.door);
  if (!greeter.ok()) return greeter.status();
  conductor_ =
      std::make_unique<Conductor>(ConductorConfig{.state = &state_,
                                                  .keeper = &config_.keeper,
                                                  .workers = links_,
                                                  .upkeeps = config_.upkeeps,
                                                  .port_of_address = config_.port_of_address,
                                                  .report_fd = report_fd_.get(),
                                                  .signal_fd = config_.signal_fd,
                                                  .journal_bytes_max = config_.journal_bytes_max,
                                                  .latch_window_ms = config_.latch_window_ms,
                                                  .drain_timeout_s = config_.drain_timeout_s,
                                                  .srtp = srtp_fd_.valid()},
                                  *std::move(greeter));
  return conductor_->Start();
}

absl::Status Assembly::Attach() {
  for (const auto& worker : workers_) {
    if (absl::Status status = worker->Attach(); !status.ok()) return status;
  }
  state_.Publish();
  return absl::OkStatus();
}

absl::Status Assembly::Start() {
  std::vector<std::future<absl::Status>> attached;
  for (size_t i = 0; i < workers_.size(); ++i) {
    std::promise<absl::Status> promise;
    attached.push_back(promise.get_future());
    threads_.emplace_back([this, i, done = std::move(promise)]() mutable {
      pthread_setname_np(pthread_self(), ("worker-" + std::to_string(i)).c_str());
      absl::Status status = workers_[i]->Attach();
      status.Update(KeepCapabilities(0));  // it has its ports
      done.set_value(status);
      if (status.ok()) workers_[i]->Run(stop_);
    });
  }
  absl::Status all;
  for (auto& each : attached) all.Update(each.get());
  if (!all.ok()) return all;
  state_.Publish();
  return config_.keeper.Notify("READY=1");
}

void Assembly::Stop() {
  stop_.store(true, std::memory_order_release);
  for (size_t i = 0; i < threads_.size(); ++i) workers_[i]->Wake();
  threads_.clear();
}

bool Assembly::Step(TimeNs now) {
  const bool alive = conductor_->Turn(now);
  for (const auto& worker : workers_) worker->RunOnce(now);
  return alive;
}

}  // namespace relay::conductor
