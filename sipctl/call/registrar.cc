#include "sipctl/call/registrar.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/clock.h"
#include "sipctl/text.h"

namespace sipctl::call {

namespace {

std::string_view ValueOf(const sip::Parameters& parameters, std::string_view name) {
  const sip::Parameter* found = sip::Find(parameters, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

// RFC 3261 section 19.1.4, as far as it matters to who is called: what else stands in the URI is
// replaced with it.
bool SameContact(const sip::Uri& a, const sip::Uri& b) {
  return a.user == b.user && EqualsIgnoreCase(a.host, b.host) && a.port == b.port &&
         EqualsIgnoreCase(ValueOf(a.parameters, "transport"), ValueOf(b.parameters, "transport"));
}

// "0.5" in thousandths; what cannot be read is 1 (RFC 3261 section 20.10).
uint32_t PreferenceOf(const sip::NameAddr& contact) {
  constexpr uint32_t kMost = 1000;
  const std::string_view text = ValueOf(contact.parameters, "q");
  if (text.empty() || text[0] != '0') return kMost;
  if (text.size() == 1) return 0;
  std::string digits(text.substr(2, 3));
  digits.resize(3, '0');
  return text[1] == '.' ? ParseNumber<uint32_t>(digits).value_or(kMost) : kMost;
}

std::string From(const sip::Flow& flow) {
  return Concat(sip::ToString(flow.remote), " over ", sip::ProtocolName(flow.protocol));
}

}  // namespace

uint32_t Registrar::LeftSeconds(const Binding& binding) const {
  return static_cast<uint32_t>((binding.until - context_->timers->now()) / kSecondMs);
}

bool Registrar::IsThere(const Binding& binding) const {
  return binding.until > context_->timers->now() &&
         context_->transport->IsOpen(binding.registration->flow);
}

sip::Message Registrar::Answer(const sip::Message& request, const sip::Flow& flow) {
  ++registers_;
  if (!request.require.empty()) {
    sip::Message response = sip::MakeResponse(request, 420);
    response.unsupported = request.require;
    return response;
  }
  const std::string& user = request.to.uri.user;
  const auto known = users_.find(user);
  const Bindings before = known == users_.end() ? Bindings() : known->second;
  Bindings after = before;
  std::erase_if(after, [this](const Binding& each) { return !IsThere(each); });
  const int status = Change(request, flow, &after);
  sip::Message response = sip::MakeResponse(request, status);
  if (status == 423) response.others.push_back({"Min-Expires", absl::StrCat(kExpiresMinS)});
  if (status != 200) return response;
  Notice(user, before, after);
  for (const Binding& each : after) {
    sip::NameAddr contact{.display_name = {}, .uri = each.registration->contact, .parameters = {}};
    sip::Set(&contact.parameters, "expires", absl::StrCat(LeftSeconds(each)));
    response.contact.push_back(std::move(contact));
  }
  if (after.empty()) {
    users_.erase(user);
  } else {
    users_[user] = std::move(after);
  }
  return response;
}

// RFC 3261 section 10.3, steps 6 and 7: all or nothing.
int Registrar::Change(const sip::Message& request, const sip::Flow& flow, Bindings* bindings) {
  if (!request.contact_star) {
    for (const sip::NameAddr& contact : request.contact) {
      const int status = ChangeOne(request, contact, flow, bindings);
      if (status != 200) return status;
    }
    return bindings->size() > kContactsMax ? 403 : 200;
  }
  if (!request.contact.empty() || request.expires != uint32_t{0}) return 400;
  if (std::any_of(bindings->begin(), bindings->end(), [&](const Binding& each) {
        return each.call_id == request.call_id && each.cseq >= request.cseq.number;
      })) {
    return 500;
  }
  bindings->clear();
  return 200;
}

int Registrar::ChangeOne(const sip::Message& request, const sip::NameAddr& contact,
                         const sip::Flow& flow, Bindings* bindings) {
  if (contact.uri.scheme != "sip" && contact.uri.scheme != "sips") return 400;
  const auto longest =
      static_cast<uint32_t>(context_->config->listeners[flow.listener].expires_max_ns / kNsPerS);
  const std::string_view own = ValueOf(contact.parameters, "expires");
  const uint32_t asked = own.empty() ? request.expires.value_or(longest)
                                     : ParseNumber<uint32_t>(own).value_or(longest);
  if (asked != 0 && asked < kExpiresMinS) return 423;
  const std::string instance(ValueOf(contact.parameters, "+sip.instance"));
  const auto same = std::find_if(bindings->begin(), bindings->end(), [&](const Binding& each) {
    return SameContact(each.registration->contact, contact.uri) ||
           (!instance.empty() && each.instance == instance && each.order != registers_);
  });
  if (same != bindings->end()) {
    // An older REGISTER that was overtaken.
    if (same->order != registers_ && same->call_id == request.call_id &&
        same->cseq >= request.cseq.number) {
      return 500;
    }
    bindings->erase(same);
  }
  if (asked == 0) return 200;
  Registration registration{.user = request.to.uri.user, .contact = contact.uri, .flow = flow};
  registration.contact.headers.clear();  // may not stand in a request URI
  bindings->push_back(
      {.registration = std::make_shared<const Registration>(std::move(registration)),
       .instance = instance,
       .q = PreferenceOf(contact),
       .call_id = request.call_id,
       .cseq = request.cseq.number,
       .until = context_->timers->now() + std::min(asked, longest) * kSecondMs,
       .order = registers_});
  return 200;
}

// Said once when somebody comes or goes, and not at each REGISTER.
void Registrar::Notice(const std::string& user, const Bindings& before,
                       const Bindings& after) const {
  if (before.empty() == after.empty()) return;
  const auto account = context_->accounts->find(user);
  if (account == context_->accounts->end()) return;
  context_->log->OnNotice(Concat(
      "trunk ", context_->trunk(account->second.trunk).name, ": ", user,
      after.empty() ? std::string(" has logged out")
                    : Concat(" has logged in from ", From(after.back().registration->flow))));
}

std::vector<Attempt> Registrar::Find(size_t trunk, std::string_view number) const {
  const auto& users = context_->trunk(trunk).users;
  const bool named = std::any_of(users.begin(), users.end(),
                                 [&](const trunk::Login& each) { return each.user == number; });
  std::vector<const Binding*> found;
  for (const trunk::Login& each : users) {
    if (named && each.user != number) continue;
    const auto known = users_.find(each.user);
    if (known == users_.end()) continue;
    for (const Binding& binding : known->second) {
      if (IsThere(binding)) found.push_back(&binding);
    }
  }
  std::sort(found.begin(), found.end(), [](const Binding* a, const Binding* b) {
    return std::pair(a->q, a->order) > std::pair(b->q, b->order);
  });
  std::vector<Attempt> attempts;
  for (const Binding* each : found) {
    const sip::Flow& flow = each->registration->flow;
    attempts.push_back({.destination = 0,
                        .target = {.protocol = flow.protocol, .address = flow.remote},
                        .registration = each->registration});
  }
  std::stable_partition(attempts.begin(), attempts.end(), [this](const Attempt& attempt) {
    return !context_->destinations->IsDead(attempt.target);
  });
  return attempts;
}

std::optional<sip::Flow> Registrar::FlowTo(size_t trunk, const sip::Uri& contact) const {
  for (const trunk::Login& each : context_->trunk(trunk).users) {
    const auto known = users_.find(each.user);
    if (known == users_.end()) continue;
    for (const Binding& binding : known->second) {
      const Registration& registration = *binding.registration;
      if (SameContact(registration.contact, contact) && IsThere(binding)) return registration.flow;
    }
  }
  return std::nullopt;
}

void Registrar::Follow(const Accounts& before) {
  std::erase_if(users_, [&](const auto& each) {
    const auto now = context_->accounts->find(each.first);
    if (now == context_->accounts->end()) return true;
    const auto then = before.find(each.first);
    if (then != before.end() && then->second.password == now->second.password) return false;
    context_->log->OnNotice(Concat("trunk ", context_->trunk(now->second.trunk).name, ": ",
                                   each.first, " has another password now and must log in again"));
    return true;
  });
}

void Registrar::Forget(const sip::Flow& broken) {
  for (auto& [user, bindings] : users_) {
    std::erase_if(bindings, [&](const Binding& each) {
      return each.registration->flow.connection == broken.connection;
    });
  }
  std::erase_if(users_, [](const auto& each) { return each.second.empty(); });
}

void Registrar::ForEach(const std::function<void(const View&)>& visit) const {
  for (const auto& [user, bindings] : users_) {
    const auto account = context_->accounts->find(user);
    if (account == context_->accounts->end()) continue;
    for (const Binding& each : bindings) {
      if (!IsThere(each)) continue;
      visit({.user = user,
             .trunk = context_->trunk(account->second.trunk).name,
             .contact = each.registration->contact.ToString(),
             .from = From(each.registration->flow),
             .left_ms = each.until - context_->timers->now()});
    }
  }
}

}  // namespace sipctl::call
