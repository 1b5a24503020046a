// Which a=crypto line is taken, and which are written.
#include <algorithm>
#include <utility>

#include "sipctl/sdp/offer_answer.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

bool IsSecure(const Media& media) {
  return EqualsIgnoreCase(media.protocol, "RTP/SAVP") ||
         EqualsIgnoreCase(media.protocol, "RTP/SAVPF");
}

}  // namespace

// The first line that can be used: the writer puts its best one first. A refresh that offers what
// is agreed, suite and keys, means to keep it, wherever it stands. Returns why the media cannot be
// used; empty when it can.
std::string OfferAnswer::ChooseCrypto(const Media& media, std::optional<CryptoLine>* chosen) const {
  chosen->reset();
  const std::string where = Concat("SDP line ", media.line, ": ");
  if (policy_.srtp == Srtp::kOff) {
    return IsSecure(media) ? Concat(where, "this trunk has SRTP switched off") : "";
  }
  std::string why = "there is none";
  for (const std::string_view value : media.crypto()) {
    absl::StatusOr<CryptoLine> line = ParseCrypto(value);
    std::string obstacle = line.ok() ? WhyNot(*line) : std::string(line.status().message());
    if (!obstacle.empty()) {
      why = std::move(obstacle);
    } else if (!*chosen || IsAgreed(*line)) {
      *chosen = *std::move(line);
      if (IsAgreed(**chosen)) return "";
    }
  }
  if (*chosen) return "";
  // Who answers with a key believes in SRTP, whatever the profile (RFC 4568 section 5.1.3); but not
  // where no key was offered: some write their lines into whatever they send.
  const bool secretive =
      state_ == State::kLocalOffer && !offer_crypto_.empty() && !media.crypto().empty();
  if (!IsSecure(media) && policy_.srtp == Srtp::kOptional && !secretive) return "";
  return Concat(where, "no a=crypto line can be used: ", why);
}

bool OfferAnswer::IsAgreed(const CryptoLine& line) const {
  return plan_ && plan_->crypto && plan_->crypto->suite == line.suite &&
         plan_->crypto->receive == line.keys;
}

// An answer takes one of our lines up: its tag and suite (RFC 4568 section 5.1.3).
std::string OfferAnswer::WhyNot(const CryptoLine& line) const {
  if (state_ == State::kLocalOffer) {
    const bool ours =
        std::any_of(offer_crypto_.begin(), offer_crypto_.end(), [&line](const CryptoLine& offered) {
          return offered.tag == line.tag && offered.suite == line.suite;
        });
    return ours ? "" : "its tag and suite are not of a line that was offered";
  }
  const auto& accepted = policy_.suites_accepted;
  const bool known = std::find(accepted.begin(), accepted.end(), line.suite) != accepted.end();
  return known ? "" : "its suite is not accepted on this trunk";
}

// What is agreed is offered again with the same key: a refresh must not disturb the media (trap
// T-13). Else every suite of the policy, each with a key of its own.
std::vector<CryptoLine> OfferAnswer::CryptoToOffer() const {
  if (own_crypto_) return {*own_crypto_};
  std::vector<CryptoLine> lines;
  if (policy_.srtp == Srtp::kOff || plan_.has_value()) return lines;
  for (const Suite suite : policy_.suites_offered) {
    lines.push_back({Concat(lines.size() + 1), suite, {NewKeying(suite, policy_.random)}});
  }
  return lines;
}

std::vector<CryptoLine> OfferAnswer::CryptoToAnswer() const {
  if (!offered_.crypto) return {};
  const Suite suite = offered_.crypto->suite;
  return {{offered_.crypto->tag, suite, {OwnKey(suite)}}};
}

// The key that is in use, also when the peer has changed its own: each direction has one.
Keying OfferAnswer::OwnKey(Suite suite) const {
  if (own_crypto_ && own_crypto_->suite == suite) return own_crypto_->keys.front();
  return NewKeying(suite, policy_.random);
}

void OfferAnswer::SpendKey() {
  if (own_crypto_) own_crypto_->keys = {NewKeying(own_crypto_->suite, policy_.random)};
  for (std::optional<MediaPlan>* plan : {&plan_, &plan_before_}) {
    if (*plan && (*plan)->crypto) (*plan)->crypto->send = Keying{};
  }
  // Its answer may be on its way, and its keys may be in use already under a preview of it.
  offer_spent_ = state_ == State::kLocalOffer;
}

// What stands for us behind an answer to our offer: its key, or if that is spent, a new one that
// the peer has not been told yet.
std::optional<CryptoLine> OfferAnswer::OwnCrypto(const Remote& remote, MediaPlan* plan) const {
  if (!plan->crypto) return std::nullopt;
  CryptoLine own{remote.crypto->tag, plan->crypto->suite, {plan->crypto->send}};
  if (offer_spent_) {
    own.keys = {NewKeying(own.suite, policy_.random)};
    plan->crypto->send = Keying{};
  }
  return own;
}

std::optional<MediaCrypto> OfferAnswer::Agreed(const std::vector<CryptoLine>& ours,
                                               const std::optional<CryptoLine>& theirs) {
  if (!theirs) return std::nullopt;
  const auto line = std::find_if(ours.begin(), ours.end(), [&theirs](const CryptoLine& one) {
    return one.tag == theirs->tag && one.suite == theirs->suite;
  });
  if (line == ours.end()) return std::nullopt;
  return MediaCrypto{line->suite, line->keys.front(), theirs->keys};
}

}  // namespace sipctl::sdp
