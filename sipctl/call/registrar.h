// Where the users of trunks are (RFC 3261 section 10): what their REGISTERs have said, for as long
// as it is good. It lives in memory: after a restart each user is known again with its next
// REGISTER.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/call/context.h"
#include "sipctl/call/destinations.h"
#include "sipctl/sip/message.h"

namespace sipctl::call {

// A contact that would have to be told again more often is refused (423).
inline constexpr uint32_t kExpiresMinS = 60;
// Of one user: several telephones on one number.
inline constexpr size_t kContactsMax = 8;

class Registrar {
 public:
  explicit Registrar(Context* context) : context_(context) {}

  // To a REGISTER of which it is known that the user named in To has sent it.
  sip::Message Answer(const sip::Message& request, const sip::Flow& flow);

  // Where calls to that number of the trunk go: the contacts of the user of that name, else of all
  // its users, the preferred ones (q) and then the newest first. Empty: nobody is there.
  std::vector<Attempt> Find(size_t trunk, std::string_view number) const;

  // The road to a contact of one of the trunk's users, as it is now.
  std::optional<sip::Flow> FlowTo(size_t trunk, const sip::Uri& contact) const;

  // There are other accounts now: who is no user any more, or has another password, is forgotten.
  // What was told by an old password is nobody's word.
  void Follow(const Accounts& before);
  // A connection broke with something on the way.
  void Forget(const sip::Flow& broken);

  struct View {
    std::string user;
    std::string trunk;
    std::string contact;
    std::string from;  // "192.0.2.7:5060 over UDP"
    TimeMs left_ms = 0;
  };
  void ForEach(const std::function<void(const View&)>& visit) const;

 private:
  struct Binding {
    std::shared_ptr<const Registration> registration;
    std::string instance;  // +sip.instance (RFC 5626): the same telephone at another address
    uint32_t q = 1000;     // in thousandths
    std::string call_id;
    uint32_t cseq = 0;
    TimeMs until = 0;
    uint64_t order = 0;  // grows with each REGISTER
  };
  using Bindings = std::vector<Binding>;

  // What becomes of the user's contacts; a status other than 200 changes nothing.
  int Change(const sip::Message& request, const sip::Flow& flow, Bindings* bindings);
  int ChangeOne(const sip::Message& request, const sip::NameAddr& contact, const sip::Flow& flow,
                Bindings* bindings);
  bool IsThere(const Binding& binding) const;
  uint32_t LeftSeconds(const Binding& binding) const;
  void Notice(const std::string& user, const Bindings& before, const Bindings& after) const;

  Context* context_;
  std::map<std::string, Bindings, std::less<>> users_;
  uint64_t registers_ = 0;
};

}  // namespace sipctl::call
