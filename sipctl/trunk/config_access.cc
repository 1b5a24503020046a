#include "sipctl/trunk/config_access.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "sipctl/trunk/config_routes.h"
#include "sipctl/trunk/gateway.h"
#include "sipctl/trunk/rules.h"

namespace sipctl::trunk {

void TakeAccess(Reader& reader, const ListenerDraft& draft, Listener* listener) {
  if (draft.role == Role::kTrunk) {
    if (draft.access_line == 0) return;
    reader.Error(draft.access_line,
                 Concat("listener '", draft.name, "' says how to log in, but nobody may"),
                 "role: access");
    return;
  }
  listener->realm = draft.realm.empty() ? listener->advertise_host : draft.realm;
  listener->digest = draft.digest;
  if (draft.digest.empty()) listener->digest = {DigestHash::kSha256, DigestHash::kMd5};
  listener->expires_max_ns = draft.expires_max_ns;
}

void TakeUsers(Reader& reader, const TrunkDraft& draft, Trunk* trunk) {
  if (draft.users_line == 0) return;
  if (draft.users.empty()) {
    reader.Error(draft.users_line, Concat("trunk '", trunk->name, "' has an empty list of users"),
                 "users: [{user: NAME, password_file: PATH}]");
  }
  for (const LoginDraft& user : draft.users) {
    if (user.login.password_file.empty() == user.login.password_environment.empty()) {
      reader.Error(user.line, "a user has its password in one place",
                   "password_file: or password_environment:");
    }
    trunk->users.push_back(user.login);
  }
  const auto contradicts = [&](int line, std::string_view key) {
    reader.Report(ByRule("CV-26", reader.file(), line,
                         Concat("trunk '", trunk->name, "' has users and ", key), "one of them"));
  };
  if (draft.sources_line != 0) contradicts(draft.sources_line, "sources");
  if (!draft.destinations.empty()) contradicts(draft.destination_line, "a destination");
}

size_t ChooseAccessListener(Reader& reader, const Config& config, const TrunkDraft& draft) {
  if (!draft.listener.empty()) {
    const auto names = NamesOf(config.listeners, [](const Listener& each) { return each.name; });
    const std::optional<size_t> index = IndexOf(names, draft.listener);
    if (index.has_value() && config.listeners[*index].role == Role::kAccess) return *index;
    if (!index.has_value()) {
      reader.Error(draft.listener_line, Concat("there is no listener '", draft.listener, "'"),
                   Suggest(draft.listener, names));
    } else {
      reader.Report(ByRule("CV-25", reader.file(), draft.listener_line,
                           Concat("the users of trunk '", draft.trunk.name,
                                  "' cannot log in at listener '", draft.listener, "'"),
                           "role: access in the listener"));
    }
    return 0;
  }
  const auto found = std::find_if(config.listeners.begin(), config.listeners.end(),
                                  [](const Listener& each) { return each.role == Role::kAccess; });
  if (found != config.listeners.end()) {
    return static_cast<size_t>(found - config.listeners.begin());
  }
  reader.Report(ByRule("CV-25", reader.file(), draft.users_line,
                       Concat("trunk '", draft.trunk.name,
                              "' has users, but no listener is one "
                              "where they can log in"),
                       "a listener with role: access"));
  return 0;
}

void CheckUsers(Reader& reader, const DocumentDraft& document, const Config& config) {
  // A name says whose call it is: each stands once in the whole file.
  std::map<std::string, std::string> trunk_of;
  for (const TrunkDraft& trunk : document.trunks) {
    if (trunk.users_line != 0 && trunk.transport.has_value()) {
      reader.Error(trunk.users_line,
                   Concat("the users of trunk '", trunk.trunk.name,
                          "' come by the transport of the listener that they choose"),
                   "no transport in the trunk");
    }
    for (const LoginDraft& user : trunk.users) {
      const auto [known, fresh] = trunk_of.emplace(user.login.user, trunk.trunk.name);
      if (fresh || user.login.user.empty()) continue;
      reader.Error(
          user.line,
          Concat("the user '", user.login.user, "' is one of trunk '", known->second, "' already"),
          "another name");
    }
  }
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const Listener& listener = config.listeners[i];
    if (listener.role != Role::kAccess) continue;
    const bool used = std::any_of(config.trunks.begin(), config.trunks.end(), [&](const Trunk& t) {
      return !t.users.empty() && (t.any_access_listener || t.listener == i);
    });
    if (used) continue;
    reader.Report(ByRule(
        "CV-25", reader.file(), listener.line,
        Concat("nobody can log in at listener '", listener.name, "': no trunk has users for it"),
        "users: in a trunk, or role: trunk"));
  }
}

}  // namespace sipctl::trunk
