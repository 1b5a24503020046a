// What all calls of the process share: the layers below, the configuration, and the indexes by
// which a message finds its call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sipctl/call/accounts.h"
#include "sipctl/call/cdr.h"
#include "sipctl/call/destinations.h"
#include "sipctl/media/journal.h"
#include "sipctl/media/media_plan.h"
#include "sipctl/media/relay_client.h"
#include "sipctl/sip/dialog.h"
#include "sipctl/sip/digest.h"
#include "sipctl/sip/token.h"
#include "sipctl/sip/transaction.h"
#include "sipctl/timers.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/limits.h"

namespace sipctl::call {

// The relay's session number: one number for a call in both processes, in logs and in relaystat.
using CallNumber = media::SessionId;

struct Owner {
  CallNumber call = 0;
  uint8_t leg = 0;
};

// How long the relay may take to prepare a call before the caller gets 503.
inline constexpr TimeMs kPrepareMs = 400;

struct Settings {
  std::string shard = "t0";    // in our tags, branches and Contact
  uint64_t owner_cookie = 1;   // names us to the relay and in the journal, over restarts
  sip::TokenKey key;           // of tags, Call-IDs, sessions of SDP
  int64_t unix_offset_ms = 0;  // wall clock less the monotonic one, for call records alone
};

class HealthWatch;
class Registrar;

// A BYE to a trunk that may ask who we are; its call may be forgotten by then.
struct Farewell {
  sip::Message bye;
  sip::Flow flow;
  std::shared_ptr<const sip::Credentials> credentials;
  sip::DigestClient digest;
};

// What the 2xx to a re-INVITE gets when it comes after the end of its call: nothing but this, since
// its dialog has had its BYE.
struct LateAck {
  sip::Message ack;
  sip::Flow flow;
};

// Nothing is owned but the indexes; all must outlive the calls.
struct Context {
  Timers* timers = nullptr;
  sip::TransactionLayer* transactions = nullptr;
  const sip::Transport* transport = nullptr;
  media::RelayClient* relay = nullptr;
  media::Journal* journal = nullptr;
  trunk::Limits* limits = nullptr;
  CallLog* log = nullptr;
  // Where the journal lies; empty: in the memory that the relay keeps for us.
  std::span<uint8_t> journal_memory;
  std::shared_ptr<const trunk::Config> config;
  media::MediaTable media;
  Destinations* destinations = nullptr;
  HealthWatch* health = nullptr;   // null: nobody is asked with OPTIONS
  Registrar* registrar = nullptr;  // null: nobody logs in
  std::shared_ptr<const Accounts> accounts = std::make_shared<const Accounts>();
  // Who we are for each trunk; null where it has no login. The passwords are here alone.
  std::vector<std::shared_ptr<const sip::Credentials>> credentials;
  Settings settings;
  sip::Tokens tokens{sip::TokenKey{}};

  absl::flat_hash_map<sip::TransactionId, Owner> by_transaction;
  absl::flat_hash_map<std::string, Owner> by_local_tag;
  absl::flat_hash_map<sip::TransactionId, std::unique_ptr<Farewell>> farewells;

  absl::flat_hash_map<sip::TransactionId, std::unique_ptr<LateAck>> late_acks;

  // Calls that may have become done; their owner looks at them after each event.
  std::vector<CallNumber> ended;

  const trunk::Trunk& trunk(size_t index) const { return config->trunks[index]; }
  // Whether who comes by this listener has to log in.
  bool IsAccess(uint16_t listener) const {
    return config->listeners[listener].role == trunk::Role::kAccess;
  }
  // Null: the trunk has no login.
  std::shared_ptr<const sip::Credentials> credentials_of(size_t trunk) const {
    return trunk < credentials.size() ? credentials[trunk] : nullptr;
  }
};

}  // namespace sipctl::call
