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
#include "sipctl/call/cdr.h"
#include "sipctl/media/journal.h"
#include "sipctl/media/media_plan.h"
#include "sipctl/media/relay_client.h"
#include "sipctl/sip/dialog.h"
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
  // Where each trunk's calls go, resolved; nothing where it has no destination or none was found.
  std::vector<std::optional<sip::SocketAddress>> destinations;
  Settings settings;
  sip::Tokens tokens{sip::TokenKey{}};

  absl::flat_hash_map<sip::TransactionId, Owner> by_transaction;
  absl::flat_hash_map<std::string, Owner> by_local_tag;

  // Calls that may have become done; their owner looks at them after each event.
  std::vector<CallNumber> ended;

  const trunk::Trunk& trunk(size_t index) const { return config->trunks[index]; }
};

}  // namespace sipctl::call
