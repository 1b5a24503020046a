#include "sipctl/cli/reload.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "sipctl/cli/control.h"
#include "sipctl/media/media_plan.h"

namespace sipctl::cli {
namespace {

constexpr int kAnswerMsMax = 60'000;  // names that do not resolve take their time

std::optional<sip::SocketAddress> Resolve(const trunk::Destination& destination) {
  if (const auto address = sdp::ParseIpAddress(destination.host)) {
    return sip::SocketAddress{.address = media::ToAbi(*address), .port = destination.port};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(destination.host.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  std::optional<sip::SocketAddress> result;
  if (found->ai_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
    const auto* b = reinterpret_cast<const uint8_t*>(&v4->sin_addr);
    result = {.address = relay::abi::Address::Ipv4(b[0], b[1], b[2], b[3]),
              .port = destination.port};
  } else if (found->ai_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(found->ai_addr);
    result = sip::SocketAddress{.address = {}, .port = destination.port};
    std::copy_n(v6->sin6_addr.s6_addr, 16, result->address.bytes.begin());
  }
  freeaddrinfo(found);
  return result;
}

}  // namespace

std::vector<std::optional<sip::SocketAddress>> ResolveDestinations(const trunk::Config& config) {
  std::vector<std::optional<sip::SocketAddress>> destinations;
  for (const trunk::Trunk& trunk : config.trunks) {
    destinations.push_back(trunk.destination ? Resolve(*trunk.destination) : std::nullopt);
  }
  return destinations;
}

Reloader::~Reloader() {
  if (reading_.joinable()) reading_.join();
}

bool Reloader::Begin(Done done) {
  if (busy_) return false;
  busy_ = true;
  if (reading_.joinable()) reading_.join();
  reading_ = std::thread([this, done = std::move(done)] {
    Loaded loaded{.result = trunk::LoadConfig(path_), .destinations = {}};
    if (loaded.result.config) loaded.destinations = ResolveDestinations(*loaded.result.config);
    loop_->Post([this, done, loaded = std::move(loaded)] {
      busy_ = false;
      done(loaded);
    });
  });
  return true;
}

int RunReload(const ReloadOptions& options, std::ostream& out, std::ostream& err) {
  const auto answer = Ask(options.control, "reload", kAnswerMsMax);
  if (!answer.ok()) {
    err << "sipctl: " << std::string(answer.status().message()) << '\n';
    return 1;
  }
  out << *answer;
  const bool first = answer->rfind(kReloaded, 0) == 0;
  return first || answer->find("\n" + std::string(kReloaded)) != std::string::npos ? 0 : 1;
}

}  // namespace sipctl::cli
