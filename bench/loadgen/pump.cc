#include "bench/loadgen/pump.h"

#include <cstring>

#include "bench/loadgen/senders.h"
#include "bench/loadgen/timetable.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

constexpr uint64_t kProgressInterval = relay::kSecond / 4;

}  // namespace

// Stream 2i goes from party A of call i to party B, stream 2i + 1 back.
struct Pump::Pass {
  const std::vector<Call>* calls;
  uint32_t id;
  std::vector<Stream> streams;
  Measurement result;
  // Without marks:
  std::unique_ptr<Senders> senders = nullptr;
  std::vector<SendTimes> times = {};
};

absl::StatusOr<std::unique_ptr<Pump>> Pump::Open(const PumpOptions& options) {
  auto wire = Wire::Open(options.far);
  if (!wire.ok()) return wire.status();
  return std::unique_ptr<Pump>(new Pump(options, *std::move(wire)));
}

absl::Status Pump::Prepare(const std::vector<Call>& calls, const SpeechKeys& first_keys) {
  if (!options_.media.plain() && speech_ == nullptr) {
    speech_ = std::make_unique<Speech>(options_.media, first_keys);
  }
  return wire_->Prepare(calls);
}

Measurement Pump::Run(const std::vector<Call>& calls, size_t count, double seconds) {
  Pass pass{&calls, ++runs_, {}, {}};
  if (speech_ != nullptr) {
    pass.senders = std::make_unique<Senders>(std::span(calls).first(count));
    pass.times.resize(2 * count);
  }
  pass.result.calls = count;
  pass.result.seconds = seconds;
  const uint64_t streams = 2 * count;
  for (uint32_t i = 0; i < streams; ++i) pass.streams.emplace_back(pass.id, i);

  // Packet n of the whole run belongs to stream n % streams and is due at n / rate: every stream
  // has its pace, naturally one packet in 20 ms, and the streams are spread evenly over them.
  const auto packets =
      static_cast<uint64_t>(seconds * static_cast<double>(options_.pace * streams));
  const uint64_t begin = relay::MonotonicNow();
  Timetable timetable(options_.pace * streams, packets, begin);
  uint64_t told = begin;
  while (!timetable.IsOver()) {
    const uint64_t now = relay::MonotonicNow();
    if (options_.progress && now - told >= kProgressInterval) {
      options_.progress(static_cast<double>(timetable.sent()) / static_cast<double>(packets));
      told = now;
    }
    uint64_t packet = timetable.sent();
    for (const uint64_t until = packet + timetable.Take(now); packet < until; ++packet) {
      Send(&pass, static_cast<uint32_t>(packet % streams), now);
    }
    Flush(&pass);
    Receive(&pass);
  }
  pass.result.late_ns_max = timetable.late_ns_max();
  uint64_t quiet_since = relay::MonotonicNow();
  pass.result.took = static_cast<double>(quiet_since - begin) / 1e9;
  while (relay::MonotonicNow() - quiet_since < options_.drain_ns) {
    const uint64_t before = pass.result.latency.count();
    Receive(&pass);
    if (pass.result.latency.count() != before) quiet_since = relay::MonotonicNow();
  }
  said_ += (packets + streams - 1) / streams;
  for (const Stream& stream : pass.streams) {
    pass.result.totals.Add(stream.totals());
    pass.result.streams_broken += stream.totals().lost() > 0;
  }
  return pass.result;
}

void Pump::Send(Pass* pass, uint32_t stream, uint64_t now_ns) {
  const size_t call = stream / 2;
  const int side = stream % 2;
  const Call& target = (*pass->calls)[call];
  const sockaddr_in& to = side == 0 ? target.a : target.b;
  const size_t socket = call % options_.far.sockets;
  Stream& one = pass->streams[stream];
  if (speech_ == nullptr) {
    one.Write(wire_->Next(side, socket, to, stream, kPacket).first<kPacket>(), now_ns);
    return;
  }
  const uint64_t count = one.totals().sent;
  const std::span<const uint8_t> packet = speech_->Packet(side, said_ + count);
  std::memcpy(wire_->Next(side, socket, to, stream, packet.size()).data(), packet.data(),
              packet.size());
  one.SentUnmarked();
  pass->times[stream].Note(count, now_ns);
}

void Pump::Flush(Pass* pass) {
  wire_->Flush();
  for (const uint32_t stream : wire_->TakeRefused()) pass->streams[stream].Refused();
}

void Pump::Receive(Pass* pass) {
  if (speech_ == nullptr) {
    wire_->Receive([this, pass](const Wire::Heard& heard) { Hear(pass, heard); });
  } else {
    wire_->Receive([this, pass](const Wire::Heard& heard) { HearUnmarked(pass, heard); });
  }
}

void Pump::Hear(Pass* pass, const Wire::Heard& heard) {
  const auto mark = ReadMark(heard.packet);
  if (!mark || mark->run != pass->id || mark->stream >= pass->streams.size()) {
    ++pass->result.strangers;
  } else if (static_cast<int>(mark->stream % 2) == heard.side) {
    ++pass->result.wrong_side;
  } else {
    pass->streams[mark->stream].Received(*mark, heard.packet);
    pass->result.latency.Add(heard.now_ns - mark->sent_ns);
  }
}

void Pump::HearUnmarked(Pass* pass, const Wire::Heard& heard) {
  const auto stream = pass->senders->StreamFrom(heard.from);
  const auto number = speech_->Read(heard.side, heard.packet);
  if (!stream || !number) {
    ++pass->result.strangers;
    return;
  }
  if (static_cast<int>(*stream % 2) == heard.side) {
    ++pass->result.wrong_side;
    return;
  }
  const auto low_bits = static_cast<uint16_t>(*number - said_);
  const std::optional<uint64_t> count = pass->streams[*stream].ReceivedUnmarked(low_bits);
  if (!count) {
    ++pass->result.strangers;
    return;
  }
  if (*stream < 2 && speech_->IsSecured(heard.side)) {
    pass->result.not_authentic += !speech_->IsAuthentic(heard.side, heard.packet);
  }
  pass->result.latency.Add(heard.now_ns - pass->times[*stream].Of(*count));
}

}  // namespace bench::loadgen
