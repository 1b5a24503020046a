#include "sipctl/trunk/profile.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/config_profile.h"

namespace sipctl::trunk {
namespace {

bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

std::vector<Profile> ReadAll() {
  std::vector<Profile> profiles;
  for (const ProfileText& text : ProfileTexts()) {
    std::vector<Diagnostic> diagnostics;
    std::optional<Profile> profile = ParseProfile(text.yaml, std::string(text.file), &diagnostics);
    for (const Diagnostic& diagnostic : diagnostics) {
      std::fprintf(stderr, "%s\n", FormatDiagnostic(diagnostic).c_str());
    }
    if (!profile.has_value()) std::abort();
    profiles.push_back(*std::move(profile));
  }
  return profiles;
}

}  // namespace

const Pop* Profile::FindMedia(const sdp::IpNetwork& network) const {
  for (const Pop& pop : pops) {
    for (const sdp::IpNetwork& media : pop.media) {
      if (media.prefix_length <= network.prefix_length && media.Contains(network.address)) {
        return &pop;
      }
    }
  }
  return nullptr;
}

const Pop* Profile::FindPop(std::string_view pop) const {
  for (const Pop& each : pops) {
    if (EqualsIgnoreCase(each.name, pop)) return &each;
  }
  return nullptr;
}

std::optional<uint16_t> Profile::PortOf(std::string_view transport) const {
  for (const TransportPort& each : transports) {
    if (each.transport == transport) return each.port;
  }
  if (transports.empty()) return 0;
  return std::nullopt;
}

bool Profile::IsAccountName(std::string_view host) const {
  if (account_domain.empty() || host.size() <= account_domain.size() + 1) return false;
  const size_t dot = host.size() - account_domain.size() - 1;
  return host[dot] == '.' && EqualsIgnoreCase(host.substr(dot + 1), account_domain);
}

bool Profile::IsReserved(std::string_view header) const {
  const auto is_header = [header](const std::string& own) { return EqualsIgnoreCase(own, header); };
  if (std::any_of(headers.flow.begin(), headers.flow.end(), is_header)) return false;
  return std::any_of(
      headers.reserved_prefixes.begin(), headers.reserved_prefixes.end(),
      [header](const std::string& prefix) { return StartsWithIgnoreCase(header, prefix); });
}

std::string Profile::TransportsText() const {
  return Join(transports, " or ",
              [](const TransportPort& each) { return Concat(each.transport, "/", each.port); });
}

std::string Profile::EdgesText() const {
  std::vector<std::string> edges;
  for (const Pop& pop : pops) {
    if (pop.live && !pop.edge.empty()) edges.push_back(pop.edge);
  }
  return Join(edges, ", ");
}

std::vector<sdp::IpNetwork> Profile::AllMedia() const {
  std::vector<sdp::IpNetwork> media;
  for (const Pop& pop : pops) media.insert(media.end(), pop.media.begin(), pop.media.end());
  return media;
}

const std::vector<Profile>& Profiles() {
  static const std::vector<Profile> profiles = ReadAll();
  return profiles;
}

const Profile* FindProfile(std::string_view name) {
  for (const Profile& profile : Profiles()) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

std::vector<std::string> ProfileNames() {
  std::vector<std::string> names;
  for (const Profile& profile : Profiles()) names.push_back(profile.name);
  return names;
}

}  // namespace sipctl::trunk
