#include "bench/loadgen/pump.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

constexpr int kSocketBuffer = 64 << 20;
// Packets sent before the sockets are looked at again.
constexpr uint64_t kSendMax = 256;

}  // namespace

// Stream 2i goes from party A of call i to party B, stream 2i + 1 back.
struct Pump::Pass {
  const std::vector<Call>* calls;
  uint32_t id;
  std::vector<Stream> streams;
  Measurement result;
};

absl::StatusOr<std::unique_ptr<Pump>> Pump::Open(const PumpOptions& options) {
  std::unique_ptr<Pump> pump(new Pump(options));
  for (int side = 0; side < 2; ++side) {
    for (uint16_t i = 0; i < options.sockets; ++i) {
      if (absl::Status status = pump->OpenSocket(side, i); !status.ok()) return status;
    }
  }
  return pump;
}

Pump::~Pump() {
  for (const std::vector<int>& side : sockets_) {
    for (const int fd : side) close(fd);
  }
}

absl::Status Pump::OpenSocket(int side, uint16_t index) {
  // Even ports only: the odd one above would be RTCP's.
  const uint16_t port =
      static_cast<uint16_t>(options_.port_first + 2 * (side * options_.sockets + index));
  auto address = Ipv4Endpoint(options_.far, port);
  if (!address.ok()) return address.status();
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  sockets_[side].push_back(fd);
  out_[side].push_back(std::make_unique<Batch>());
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
  }
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  }
  if (bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("bind ", options_.far, ":", port));
  }
  return absl::OkStatus();
}

std::vector<sockaddr_in> Pump::Endpoints(int side) const {
  std::vector<sockaddr_in> result;
  for (const int fd : sockets_[side]) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    result.push_back(address);
  }
  return result;
}

Measurement Pump::Run(const std::vector<Call>& calls, size_t count, double seconds) {
  Pass pass{&calls, ++runs_, {}, {}};
  pass.result.calls = count;
  pass.result.seconds = seconds;
  const uint64_t streams = 2 * count;
  for (uint32_t i = 0; i < streams; ++i) pass.streams.emplace_back(pass.id, i);

  // Packet n of the whole run belongs to stream n % streams and is due at n / rate: every stream
  // has its natural 20 ms, and the streams are spread evenly over them.
  const uint64_t packets =
      static_cast<uint64_t>(seconds * static_cast<double>(kPacketsPerSecond * streams));
  const uint64_t spacing_ps = 1'000'000'000'000 / (kPacketsPerSecond * streams);
  const uint64_t begin = relay::MonotonicNow();
  uint64_t sent = 0;
  while (sent < packets) {
    const uint64_t now = relay::MonotonicNow();
    const uint64_t due = (now - begin) * 1000 / spacing_ps + 1;
    const uint64_t until = std::min({packets, due, sent + kSendMax});
    if (due > sent + 1) {
      const uint64_t late = now - begin - sent * spacing_ps / 1000;
      if (late > pass.result.late_ns_max) pass.result.late_ns_max = late;
    }
    for (; sent < until; ++sent) Queue(&pass, static_cast<uint32_t>(sent % streams), now);
    for (int side = 0; side < 2; ++side) {
      for (size_t i = 0; i < sockets_[side].size(); ++i) {
        Flush(&pass, out_[side][i].get(), sockets_[side][i]);
      }
    }
    Receive(&pass);
  }
  uint64_t quiet_since = relay::MonotonicNow();
  while (relay::MonotonicNow() - quiet_since < options_.drain_ns) {
    const uint64_t before = pass.result.latency.count();
    Receive(&pass);
    if (pass.result.latency.count() != before) quiet_since = relay::MonotonicNow();
  }
  for (const Stream& stream : pass.streams) {
    pass.result.totals.Add(stream.totals());
    pass.result.streams_broken += stream.totals().lost() > 0;
  }
  return pass.result;
}

void Pump::Queue(Pass* pass, uint32_t stream, uint64_t now_ns) {
  const size_t call = stream / 2;
  const int side = stream % 2;
  const size_t socket = call % sockets_[side].size();
  Batch* batch = out_[side][socket].get();
  const size_t slot = batch->size++;
  pass->streams[stream].Write(batch->packets[slot], now_ns);
  const Call& target = (*pass->calls)[call];
  const sockaddr_in* to = side == 0 ? &target.a : &target.b;
  batch->streams[slot] = stream;
  batch->parts[slot] = {batch->packets[slot].data(), kPacket};
  batch->messages[slot] = {};
  batch->messages[slot].msg_hdr.msg_name = const_cast<sockaddr_in*>(to);
  batch->messages[slot].msg_hdr.msg_namelen = sizeof *to;
  batch->messages[slot].msg_hdr.msg_iov = &batch->parts[slot];
  batch->messages[slot].msg_hdr.msg_iovlen = 1;
  if (batch->size == kBatch) Flush(pass, batch, sockets_[side][socket]);
}

void Pump::Flush(Pass* pass, Batch* batch, int fd) {
  size_t done = 0;
  while (done < batch->size) {
    const int sent = sendmmsg(fd, &batch->messages[done], static_cast<unsigned>(batch->size - done),
                              MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    // An ICMP error of an earlier packet (ECONNREFUSED) or a full queue: this one was not taken.
    pass->streams[batch->streams[done]].Refused();
    ++done;
  }
  batch->size = 0;
}

bool Pump::Receive(Pass* pass) {
  bool more = false;
  for (int side = 0; side < 2; ++side) {
    for (const int fd : sockets_[side]) more |= ReceiveFrom(pass, side, fd);
  }
  return more;
}

bool Pump::ReceiveFrom(Pass* pass, int side, int fd) {
  for (size_t i = 0; i < kBatch; ++i) {
    in_.parts[i] = {in_.packets[i].data(), kPacket};
    in_.messages[i] = {};
    in_.messages[i].msg_hdr.msg_iov = &in_.parts[i];
    in_.messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int got = recvmmsg(fd, in_.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (got <= 0) return false;
  const uint64_t now = relay::MonotonicNow();
  for (int i = 0; i < got; ++i) {
    const std::span<const uint8_t> packet(in_.packets[i].data(), in_.messages[i].msg_len);
    const auto mark = ReadMark(packet);
    if (!mark || mark->run != pass->id || mark->stream >= pass->streams.size()) {
      ++pass->result.strangers;
    } else if (static_cast<int>(mark->stream % 2) == side) {
      ++pass->result.wrong_side;
    } else {
      pass->streams[mark->stream].Received(*mark, packet);
      pass->result.latency.Add(now - mark->sent_ns);
    }
  }
  return got == static_cast<int>(kBatch);
}

}  // namespace bench::loadgen
