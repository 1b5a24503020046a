// The relay as the calls see it: sessions with legs and bridges that shall exist.
//
// The client keeps what is *wanted* of each session and what the relay was *told*; Flush writes the
// difference as commands while the ring has room. So nothing is queued twice, a full ring costs
// only time, and after a relay died the same code tells its successor everything again, on the
// same ports.
//
//     calls --SetLeg, Bridge, Close--> wanted -(Flush)-> told --ring--> relay
//     calls <------ RelayUser -------- answers, events <-------ring---- relay
//
// One thread (the SIP loop's). Callbacks of RelayUser come from the loop and timers, never from
// inside a call into the client.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "relay/abi/command.h"
#include "relay/abi/segment.h"
#include "sipctl/media/port_allocator.h"
#include "sipctl/media/relay_link.h"
#include "sipctl/timers.h"

namespace sipctl::media {

// Unique over the restarts of this process: old sessions may still be alive in the relay.
using SessionId = uint64_t;

// Keys that are wiped when they are not needed any more.
struct SrtpKeys : relay::abi::SrtpPlan {
  SrtpKeys() : relay::abi::SrtpPlan{} {}
  SrtpKeys(const SrtpKeys&) = default;
  SrtpKeys& operator=(const SrtpKeys&) = default;
  void SpendSendKey() {
    send_key_count = 0;
    explicit_bzero(&send, sizeof send);
  }
  ~SrtpKeys() { explicit_bzero(static_cast<relay::abi::SrtpPlan*>(this), sizeof(SrtpPlan)); }
};

class RelayUser {
 public:
  virtual ~RelayUser() = default;

  // Everything wanted of the session is done, or `refusal` says what was not (kNone = all done).
  virtual void OnSettled(SessionId session, relay::abi::Refusal refusal) = 0;
  virtual void OnMediaTimeout(SessionId session, uint8_t leg) = 0;
  // The far party of the leg has sent a telephone event (RFC 4733).
  virtual void OnDigit(SessionId session, uint8_t leg, const relay::abi::DigitBody& digit) = 0;
  virtual void OnLegEnded(SessionId session, uint8_t leg,
                          const relay::abi::LegStatistics& totals) = 0;
  // The session is no more: closed by us, at its full length, or forgotten by the relay.
  virtual void OnSessionEnded(SessionId session, relay::abi::EndReason reason) = 0;

  // The relay's process ended. Sessions stay wanted and are opened again in its successor.
  virtual void OnRelayLost() = 0;
  // A relay is there. `journal` is the memory it keeps for us; `resumed` says that this relay has
  // known us before.
  virtual void OnRelayBack(bool resumed, std::span<uint8_t> journal) = 0;
  // None came back for kRelayGoneMs: media is not to be expected any more.
  virtual void OnRelayGone() = 0;
};

// How long calls wait for another relay after theirs died.
inline constexpr TimeMs kRelayGoneMs = 5 * kSecondMs;
// A dead relay's ports stay taken until the kernel has cleaned up behind it: how often a leg is
// offered to its successor, for kRelayGoneMs.
inline constexpr TimeMs kRebindMs = 100;
inline constexpr TimeMs kRetryMsMin = 50;
inline constexpr TimeMs kRetryMsMax = 500;
inline constexpr TimeMs kBeatMs = 250;
// Turns of our own without one of the relay's: counted in turns and not in time, so that a virtual
// machine that was paused finds its relay healthy.
inline constexpr int kStuckTurns = 8;

// Networks that the relay may trust as sources of a leg (one set for each trunk).
struct NetworkSet {
  uint16_t number = 0;
  std::vector<relay::abi::Network> networks;
};

struct RelayClientOptions {
  uint64_t owner_cookie = 1;
  uint32_t journal_bytes = 0;
  std::string name = "sipctl";
  SessionId first_session = 1;
  std::vector<NetworkSet> network_sets;
};

class RelayClient {
 public:
  // Nothing is owned; all must outlive the client.
  RelayClient(Timers* timers, Connector* connector, RelayUser* user, RelayClientOptions options);
  ~RelayClient();
  RelayClient(const RelayClient&) = delete;
  RelayClient& operator=(const RelayClient&) = delete;

  void Start();

  // From now on these; those that are new or another than before are told ahead of the next leg.
  void SetNetworks(std::vector<NetworkSet> sets);

  // Ready for new sessions: attached, its turns go on, not draining.
  bool ready() const;
  bool attached() const { return link_ != nullptr; }

  // ---- sessions ----

  // A session with the port pairs of its legs 0 and 1; nothing when no ports are free. The relay
  // is told with the first SetLeg.
  std::optional<SessionId> Open(std::span<const relay::abi::Address> first,
                                std::span<const relay::abi::Address> second);
  // The leg's local address and port; `plan.local` is filled in from it.
  struct Local {
    relay::abi::Address address;
    uint16_t port;
  };
  std::optional<Local> LocalOf(SessionId session, uint8_t leg) const;

  // Without keys the leg's media is plain.
  void SetLeg(SessionId session, uint8_t leg, const relay::abi::LegPlan& plan,
              const std::optional<SrtpKeys>& keys = std::nullopt);
  // Another program has the port of a leg that the relay refused (kBindFailed, kPortInUse): such
  // legs are opened again on other pairs, and LocalOf changes. `first` and `second` as for Open.
  // False when nothing was refused so, or no pair is free.
  bool StepAround(SessionId session, std::span<const relay::abi::Address> first,
                  std::span<const relay::abi::Address> second);
  // Who hears whom, both ways.
  void Bridge(SessionId session, uint8_t a, uint8_t b);
  void Unbridge(SessionId session, uint8_t a, uint8_t b);
  // The far party of the leg hears a digit, behind those it was sent before; the leg's plan must
  // have telephone-event. Nothing is kept for another relay: a digit that is late is worse than
  // none.
  void SendDigit(SessionId session, uint8_t leg, uint8_t event, uint16_t duration_ms);
  // The totals of its legs still come as OnLegEnded, then OnSessionEnded.
  void Close(SessionId session);

  // All commands so far were answered.
  bool settled(SessionId session) const;

  // Writes what is wanted to the ring. Happens by itself after the turn that changed something, so
  // that all changes of a turn are told together.
  void Flush();

  // ---- the relay's directory ----

  // Sessions of ours in the relay that this process did not open (those of an earlier life), by
  // number. Close them with CloseForeign.
  std::vector<SessionId> Foreign() const;
  void CloseForeign(SessionId session);

  // Live numbers of every leg, about a second old, in one walk over the directory.
  using LegTable = absl::flat_hash_map<SessionId, std::vector<relay::abi::LegStatistics>>;
  LegTable AllStatistics() const;

  const PortAllocator& ports() const { return ports_; }
  size_t size() const { return sessions_.size(); }

 private:
  struct Leg {
    std::unique_ptr<relay::abi::LegPlan> plan;  // null: not wanted
    std::unique_ptr<SrtpKeys> keys;             // null: plain RTP
    std::optional<Local> local;
    relay::abi::LocalEndpoint pair{};  // as taken from the allocator
    uint8_t listeners = 0;             // bit i: leg i shall hear this one
    uint8_t told_listeners = 0;
    bool told = false;     // the relay has the leg
    bool changed = false;  // the plan differs from what was told
    bool taken = false;    // the relay could not have its port
    uint16_t digits = 0;   // sent so far
    std::vector<relay::abi::DigitCommand> digits_to_tell;
  };
  struct Session {
    std::vector<Leg> legs;
    uint32_t unanswered = 0;
    relay::abi::Refusal refusal = relay::abi::Refusal::kNone;  // first since settled
    bool queued = false;                                       // stands in dirty_
    bool closing = false;
    bool close_told = false;
    TimeMs rebind_until = 0;  // told again after another relay came: taken ports are waited for
  };
  static constexpr uint8_t kNoOpenedLeg = 0xff;
  struct Request {
    uint64_t number;
    SessionId session;   // 0: a network set
    uint8_t opened_leg;  // of kLegOpen; kNoOpenedLeg = another command
    bool counts = true;  // a refusal concerns the session
  };
  using SessionMap = absl::flat_hash_map<SessionId, Session>;

  // Life of the link.
  void Connect();
  void OnConnected(std::unique_ptr<RelayLink> link, relay::abi::AttachFailure failure);
  void OnLost();
  void Retry();
  void Beat();
  void TellNetworks();
  void MoveToPresentAddresses();
  void Adopt();

  // Telling.
  void Touch(SessionId id, Session* session);
  void FlushSoon();
  bool Tell(SessionId id, Session* session);
  bool TellLegs(SessionId id, Session* session);
  bool TellBridges(SessionId id, Session* session);
  bool TellDigits(SessionId id, Session* session);
  bool Push(relay::abi::CommandKind kind, SessionId session, const void* body, size_t length,
            uint8_t opened_leg = kNoOpenedLeg);

  // Hearing.
  void OnEvents();
  void OnEvent(const relay::abi::Event& event);
  void OnAnswer(const relay::abi::Event& event);
  void OnLegRefused(Session* session, uint8_t number, relay::abi::Refusal refusal);
  bool OfferAgain(SessionId id, Session* session, relay::abi::Refusal refusal);
  void OnLostEvents();
  void Forget(SessionId id, relay::abi::EndReason reason);

  template <typename Visit>
  void ForEachOwn(Visit visit) const;

  Timers* timers_;
  Connector* connector_;
  RelayUser* user_;
  RelayClientOptions options_;

  std::unique_ptr<RelayLink> link_;
  bool connecting_ = false;
  TimeMs retry_ms_ = kRetryMsMin;
  uint64_t relay_beat_ = 0;
  int turns_without_beat_ = 0;
  Timers::Id beat_timer_ = 0;
  Timers::Id retry_timer_ = 0;
  Timers::Id gone_timer_ = 0;
  Timers::Id flush_timer_ = 0;

  PortAllocator ports_;
  SessionMap sessions_;
  SessionId next_session_;
  std::deque<SessionId> dirty_;     // with something to tell
  std::deque<Request> unanswered_;  // answers come in the order of the ring
  absl::flat_hash_map<SessionId, std::vector<relay::abi::LocalEndpoint>> foreign_;
  std::deque<SessionId> foreign_closing_;
  std::vector<NetworkSet> networks_to_tell_;
  uint64_t next_request_ = 1;
  std::shared_ptr<bool> alive_;  // outlived by callbacks of an attempt under way
};

template <typename Visit>
void RelayClient::ForEachOwn(Visit visit) const {
  relay::abi::SessionRecord record;
  for (uint32_t i = 0; i < link_->sessions_max(); ++i) {
    if (!link_->ReadSession(i, &record)) continue;
    if (record.owner_cookie == options_.owner_cookie) visit(record);
  }
}

}  // namespace sipctl::media
