#include "sipctl/call/doorkeeper.h"

#include <algorithm>
#include <utility>

#include "sipctl/call/outgoing.h"
#include "sipctl/call/registrar.h"
#include "sipctl/sip/stateless.h"
#include "sipctl/text.h"

namespace sipctl::call {

namespace {

constexpr uint64_t kNsPerMs = 1'000'000;

sip::DigestRealm RealmOf(const trunk::Listener& listener,
                         std::vector<sip::DigestAlgorithm>* algorithms) {
  for (const trunk::DigestHash hash : listener.digest) {
    algorithms->push_back(hash == trunk::DigestHash::kMd5 ? sip::DigestAlgorithm::kMd5
                                                          : sip::DigestAlgorithm::kSha256);
  }
  return {.realm = listener.realm, .algorithms = *algorithms};
}

}  // namespace

Doorkeeper::Doorkeeper(Context* context, sip::Transport* transport, DoorkeeperOptions options)
    : context_(context),
      transport_(transport),
      options_(std::move(options)),
      overload_(context, transport),
      limits_(options_.limits, context->timers->now()),
      digest_(options_.digest) {}

bool Doorkeeper::MayKnock(const sip::SocketAddress& source) {
  if (limits_.IsKnown(source.address, now())) return true;
  if (limits_.IsSilent(GuesserOf(source, {}), now())) {
    ++counters_.silenced;
    return false;
  }
  if (limits_.Take(source.address, now())) return true;
  ++counters_.limited;
  return false;
}

// What cannot earn a stranger an answer: an ACK gets none, a response belongs to a request of ours
// or to nothing, a repetition is answered from memory, and nobody guesses a tag of ours.
// A REGISTER is in no dialog, whatever tag its To has.
bool Doorkeeper::IsExpected(const sip::Message& message) const {
  if (!message.is_request || message.method == sip::Method::kAck) return true;
  if (context_->transactions->Knows(message)) return true;
  return message.method != sip::Method::kRegister && !message.to.tag().empty() &&
         context_->by_local_tag.contains(std::string(message.to.tag()));
}

void Doorkeeper::OnMessage(sip::Message message, const sip::Flow& flow) {
  const bool access = context_->IsAccess(flow.listener);
  if (access && message.is_request && flow.protocol == sip::Protocol::kUdp) {
    // Back to where it came from, whether or not it knows RFC 3581: NATs let nothing else in.
    sip::Set(&message.via.front().parameters, "rport", std::to_string(flow.remote.port));
  }
  if (overload_.Serves(message, flow)) return;
  if (!access) {
    if (overload_.TurnsAway(message, flow)) return;
    context_->transactions->OnMessage(std::move(message), flow);
    return;
  }
  if (IsExpected(message)) {
    context_->transactions->OnMessage(std::move(message), flow);
    return;
  }
  const bool known = limits_.IsKnown(flow.remote.address, now());
  const bool asks = message.method == sip::Method::kRegister ||
                    (message.method == sip::Method::kInvite && message.to.tag().empty());
  if (!asks) {
    if (known) return context_->transactions->OnMessage(std::move(message), flow);
    ++counters_.unserved;
    return;
  }
  // A datagram was counted before it was read.
  if (!known && sip::IsReliable(flow.protocol) && !MayKnock(flow.remote)) return;
  if (overload_.TurnsAway(message, flow)) return;  // before a password costs its time
  Examine(std::move(message), flow);
}

void Doorkeeper::Examine(sip::Message request, const sip::Flow& flow) {
  std::vector<sip::DigestAlgorithm> algorithms;
  const sip::DigestRealm realm = RealmOf(context_->config->listeners[flow.listener], &algorithms);
  const auto password_of = [this](const std::string& user) {
    const auto account = context_->accounts->find(user);
    return account == context_->accounts->end() ? nullptr : &account->second.password;
  };
  const auto outcome = digest_.Examine(request, realm, flow.remote, password_of, now());
  // Where somebody has logged in, guesses of another one do not keep him from asking.
  const bool asks =
      outcome.verdict == sip::DigestVerdict::kNone && limits_.IsKnown(flow.remote.address, now());
  if (!asks && limits_.IsSilent(GuesserOf(flow.remote, outcome.user), now())) {
    ++counters_.silenced;
    return;
  }
  switch (outcome.verdict) {
    case sip::DigestVerdict::kRight:
      return Welcome(std::move(request), flow, outcome.user);
    case sip::DigestVerdict::kElsewhere:
      ++counters_.misused;
      return Respond(request, flow, 400);
    case sip::DigestVerdict::kWrong:
      ++counters_.wrong;
      CountGuess(flow.remote, outcome.user);
      break;
    case sip::DigestVerdict::kStale:
      ++counters_.stale;
      break;
    case sip::DigestVerdict::kNone:
      break;
  }
  Challenge(request, flow, outcome.verdict == sip::DigestVerdict::kStale);
}

void Doorkeeper::Welcome(sip::Message request, const sip::Flow& flow, const std::string& user) {
  const size_t trunk = context_->accounts->at(user).trunk;
  const trunk::Trunk& of = context_->trunk(trunk);
  const bool here = of.any_access_listener || of.listener == flow.listener;
  // RFC 3261 section 10.3, step 4: each for itself.
  const bool own = request.method != sip::Method::kRegister || request.to.uri.user == user;
  if (!here || !own) {
    ++counters_.misused;
    return Respond(request, flow, 403);
  }
  ++counters_.admitted;
  TimeMs good_ms = options_.limits.known_ms;
  if (request.method == sip::Method::kRegister) {
    const uint64_t longest = context_->config->listeners[flow.listener].expires_max_ns / kNsPerMs;
    good_ms = std::max(good_ms, static_cast<TimeMs>(longest));
  }
  limits_.Know(flow.remote.address, now() + good_ms);
  if (options_.trust) options_.trust(flow);
  sip::Flow known = flow;
  known.peer = PeerOf(trunk);
  context_->transactions->OnMessage(std::move(request), known);
}

std::string Doorkeeper::GuesserOf(const sip::SocketAddress& source, const std::string& user) const {
  const std::string address = sip::AddressText(source.address);
  if (!limits_.IsKnown(source.address, now())) return address;
  // Names that nobody has count together: they could be as many and as long as their inventor
  // likes.
  return Concat(address, " ", context_->accounts->contains(user) ? user : "?");
}

void Doorkeeper::CountGuess(const sip::SocketAddress& source, const std::string& user) {
  if (!limits_.CountGuess(GuesserOf(source, user), now())) return;
  context_->log->OnNotice(
      Concat(sip::AddressText(source.address), " has guessed ", limits_.limits().guesses_max,
             " wrong passwords, the last one for '", user.substr(0, 64),
             "': it gets no answer for ", limits_.limits().silence_ms / kSecondMs, " s"));
}

void Doorkeeper::Challenge(const sip::Message& request, const sip::Flow& flow, bool stale) {
  ++counters_.challenged;
  std::vector<sip::DigestAlgorithm> algorithms;
  const sip::DigestRealm realm = RealmOf(context_->config->listeners[flow.listener], &algorithms);
  std::vector<sip::HeaderField> challenges;
  for (std::string& challenge : digest_.Challenge(realm, flow.remote, stale, now())) {
    challenges.push_back({"WWW-Authenticate", std::move(challenge)});
  }
  Respond(request, flow, 401, std::move(challenges));
}

void Doorkeeper::Respond(const sip::Message& request, const sip::Flow& flow, int status,
                         std::vector<sip::HeaderField> more) {
  sip::Message response = sip::MakeResponse(request, status);
  response.others.insert(response.others.end(), more.begin(), more.end());
  sip::RespondStateless(transport_, context_->settings.key, request, flow, std::move(response))
      .IgnoreError();
}

void Doorkeeper::OnFlowBroken(const sip::Flow& flow, const absl::Status& why) {
  if (sip::IsReliable(flow.protocol) && context_->registrar != nullptr &&
      context_->IsAccess(flow.listener)) {
    context_->registrar->Forget(flow);
  }
  context_->transactions->OnFlowBroken(flow, why);
}

}  // namespace sipctl::call
