// The passwords of trunks and of those who log in to us, from where the configuration says that
// they are.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/call/accounts.h"
#include "sipctl/sip/digest.h"
#include "sipctl/trunk/config.h"

namespace sipctl::cli {

// By index of Config::trunks; null where a trunk has no login.
using Credentials = std::vector<std::shared_ptr<const sip::Credentials>>;

// An error names where a password should have been. A retired trunk keeps what it has in `before`.
absl::StatusOr<Credentials> ReadCredentials(const trunk::Config& config,
                                            const Credentials& before = {});

// Who may log in, by the users of all trunks that are not retired. An error names where a password
// should have been.
absl::StatusOr<std::shared_ptr<const call::Accounts>> ReadAccounts(const trunk::Config& config);

}  // namespace sipctl::cli
