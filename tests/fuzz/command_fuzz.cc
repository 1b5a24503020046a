// A hostile client: a program of command records, taken by the real conductor and obeyed by a real
// worker over the memory port. Also records that change between being read and being judged: the
// relay must have made its one copy by then.
//
// Input: steps of one byte what, then its data.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "relay/abi/attach.h"
#include "relay/conductor/assembly.h"
#include "relay/options.h"
#include "relay/port/memory.h"

namespace {

using relay::abi::ClientArea;
using relay::abi::Command;
using relay::abi::CommandKind;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t Byte() {
    uint8_t byte = 0;
    Bytes(&byte, 1);
    return byte;
  }
  void Bytes(void* to, size_t count) {
    const size_t got = count < size_ ? count : size_;
    std::memcpy(to, data_, got);
    data_ += got;
    size_ -= got;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

// One relay for all runs; each run is one client's life.
class Target {
 public:
  Target() {
    if (freopen("/dev/null", "w", stdout) == nullptr) abort();  // the conductor's log
    relay::conductor::AssemblyConfig config;
    config.addresses = {relay::ParseListen("192.0.2.1:10000-10255").value()};
    path_ = "/tmp/command-fuzz-" + std::to_string(getpid()) + ".sock";
    config.door.path = path_;
    config.sessions_max = 8;
    assembly_ = relay::conductor::Assembly::Make(
                    std::move(config), 1,
                    [](relay::abi::CounterBlock* counters) {
                      return absl::StatusOr<std::unique_ptr<relay::port::Port>>(
                          std::make_unique<relay::port::MemoryPort>(relay::port::MemoryOptions{
                              .buffers = 64, .handles_max = 256, .counters = counters}));
                    })
                    .value();
    if (!assembly_->Attach().ok()) abort();
    atexit([] { unlink(path_.c_str()); });
  }

  void Live(Input input) {
    relay::abi::Attachment client = Attach();
    auto* area = const_cast<ClientArea*>(client.client_area());
    while (!input.empty() && !client.RelayGone()) {
      switch (input.Byte() % 8) {
        case 0: {  // any record
          Command command{};
          input.Bytes(&command, sizeof command);
          client.Push(command);
          break;
        }
        case 1:  // a record that is right but for what the input bends
        case 2:
        case 3:
          client.Push(Bent(input));
          break;
        case 4: {  // the slot is changed after it was published
          const uint64_t at = input.Byte() % relay::abi::kCommandRingCapacity;
          input.Bytes(&area->commands[at], 32);
          break;
        }
        case 5:
          Step(input.Byte());
          break;
        case 6: {
          relay::abi::Event event;
          while (client.Pop(&event) == relay::abi::RingResult::kOk) {
          }
          break;
        }
        case 7: {
          if (input.Byte() < 250) break;
          uint64_t lie = 0;
          input.Bytes(&lie, sizeof lie);
          (lie % 2 == 0 ? area->commands_produced : area->events_consumed).value.store(lie);
          break;
        }
      }
    }
    client.Detach();
    // Whatever it did, its calls can be ended and nothing is left.
    Step(3);
    CloseAll();
    if (assembly_->conductor().live_sessions() != 0) abort();
    if (static_cast<relay::port::MemoryPort*>(assembly_->port(0))->bound() != 0) abort();
  }

 private:
  relay::abi::Attachment Attach() {
    relay::abi::Attachment client;
    bool attached = false;
    std::atomic<bool> done{false};
    std::thread knocking([&] {
      attached = client.Attach({.path = path_, .owner_cookie = 1, .timeout_ms = 10'000}).ok();
      done.store(true, std::memory_order_release);
    });
    while (!done.load(std::memory_order_acquire)) Step(1);
    knocking.join();
    if (!attached) abort();
    return client;
  }

  void Step(int turns) {
    for (int i = 0; i < turns; ++i) {
      now_ += relay::kMillisecond;
      assembly_->Step(now_);
    }
  }

  void CloseAll() {
    relay::abi::Attachment client = Attach();
    for (uint32_t i = 0; i < client.state().sessions_max; ++i) {
      relay::abi::SessionRecord record;
      if (!client.ReadSession(i, &record)) continue;
      Command close{};
      close.kind = CommandKind::kSessionClose;
      close.session = record.session;
      client.Push(close);
    }
    client.Detach();
    Step(5);
  }

  static Command Bent(Input& input) {
    Command command{};
    command.kind = static_cast<CommandKind>(1 + input.Byte() % 7);
    command.length = static_cast<uint32_t>(relay::abi::BodyLength(command.kind));
    const bool session_free = command.kind == CommandKind::kNetworkSet;
    command.session = session_free ? 0 : 1 + input.Byte() % 4;
    uint8_t* body = command.body.bytes;
    body[0] = input.Byte() % 9;
    if (command.kind == CommandKind::kBridge || command.kind == CommandKind::kUnbridge) {
      body[1] = input.Byte() % 9;
    }
    if (command.kind == CommandKind::kLegOpen || command.kind == CommandKind::kLegUpdate) {
      relay::abi::LegPlan& plan = command.body.leg.plan;
      plan.local.port = static_cast<uint16_t>(10000 + 2 * (input.Byte() % 130));
      plan.direction = input.Byte() % 4;
      plan.learning = static_cast<relay::abi::Learning>(input.Byte() % 3);
      plan.rtcp_mux = input.Byte() % 2;
      plan.remote_rtp.address = relay::abi::Address::Ipv4(198, 51, 100, 1);
      plan.remote_rtp.port = input.Byte();
      plan.remote_rtcp = plan.remote_rtp;
      plan.network_set = relay::abi::kNoNetworkSet;
      plan.session_length_ms = input.Byte();
      plan.format_count = 1;
      plan.formats[0] = relay::abi::EqualFormat(8, relay::abi::Codec::kPcma, 8000);
    }
    const uint16_t at = static_cast<uint16_t>(input.Byte() << 8 | input.Byte());
    const uint8_t with = input.Byte();
    const bool leg =
        command.kind == CommandKind::kLegOpen || command.kind == CommandKind::kLegUpdate;
    if (leg && (at & 0x8000) != 0) {  // with SRTP, right as it stands
      relay::abi::SrtpPlan& srtp = command.body.leg.srtp;
      srtp.suite = static_cast<relay::abi::SrtpSuite>(1 + with % 6);
      srtp.send_key_count = srtp.receive_key_count = 1;
      srtp.send.key[0] = static_cast<uint8_t>(1 + with % 16);
      srtp.receive[0].key[1] = 1;
      srtp.overlap_ms = with;
    }
    if (at < sizeof command) reinterpret_cast<uint8_t*>(&command)[at] ^= with;
    return command;
  }

  inline static std::string path_;
  std::unique_ptr<relay::conductor::Assembly> assembly_;
  relay::TimeNs now_ = relay::kSecond;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Target target;
  target.Live(Input(data, size));
  return 0;
}
