#include "sipctl/cli/credentials.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::cli {

namespace {

absl::StatusOr<std::string> PasswordOf(const trunk::Login& login) {
  if (!login.password_environment.empty()) {
    const char* value = std::getenv(login.password_environment.c_str());
    if (value != nullptr && *value != '\0') return std::string(value);
    return absl::NotFoundError(absl::StrCat("the environment has no ", login.password_environment));
  }
  std::ifstream file(login.password_file);
  std::string password;
  if (std::getline(file, password) && !password.empty()) return password;
  return absl::NotFoundError(absl::StrCat(login.password_file, " has no password"));
}

}  // namespace

absl::StatusOr<Credentials> ReadCredentials(const trunk::Config& config,
                                            const Credentials& before) {
  Credentials credentials(config.trunks.size());
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    const trunk::Trunk& trunk = config.trunks[i];
    if (trunk.retired) {
      if (i < before.size()) credentials[i] = before[i];
      continue;
    }
    if (!trunk.login) continue;
    auto password = PasswordOf(*trunk.login);
    if (!password.ok()) {
      return absl::NotFoundError(
          absl::StrCat("trunk ", trunk.name, ": ", std::string(password.status().message())));
    }
    credentials[i] = std::make_shared<const sip::Credentials>(sip::Credentials{
        .user = trunk.login->user, .password = *std::move(password), .realm = trunk.login->realm});
  }
  return credentials;
}

absl::StatusOr<std::shared_ptr<const call::Accounts>> ReadAccounts(const trunk::Config& config) {
  auto accounts = std::make_shared<call::Accounts>();
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    const trunk::Trunk& trunk = config.trunks[i];
    if (trunk.retired) continue;
    for (const trunk::Login& user : trunk.users) {
      auto password = PasswordOf(user);
      if (!password.ok()) {
        return absl::NotFoundError(absl::StrCat("trunk ", trunk.name, ", user ", user.user, ": ",
                                                std::string(password.status().message())));
      }
      (*accounts)[user.user] = {.trunk = i, .password = *std::move(password)};
    }
  }
  return accounts;
}

}  // namespace sipctl::cli
