#include "sipctl/call/admission.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/sip/multipart.h"
#include "sipctl/text.h"

namespace sipctl::call {

namespace {

using sip::MakeResponse;
using sip::Message;
using sip::Method;

bool CarriesSdp(const Message& request) {
  return request.content_type.empty() || request.content_type == "application/sdp";
}

std::vector<std::string> Unsupported(const Message& request) {
  std::vector<std::string> unsupported;
  for (const std::string& tag : request.require) {
    const bool known =
        std::any_of(std::begin(kSupported), std::end(kSupported),
                    [&](std::string_view ours) { return EqualsIgnoreCase(tag, ours); });
    if (!known) unsupported.push_back(tag);
  }
  return unsupported;
}

void AddAccept(Message* response) {
  response->accept.assign({"application/sdp", "multipart/mixed"});
}

std::optional<Message> ExamineBody(Message* message) {
  const Message& request = *message;
  if (request.body.empty()) return std::nullopt;
  if (!request.content_encoding.empty() &&
      !absl::EqualsIgnoreCase(request.content_encoding, "identity")) {
    Message response = MakeResponse(request, 415);
    response.others.push_back({"Accept-Encoding", "identity"});
    return response;
  }
  const sip::BodyVerdict verdict = sip::TakeDescription(message);
  if (verdict == sip::BodyVerdict::kMalformed) {
    return MakeResponse(request, 400, {}, "Malformed Multipart Body");
  }
  if (verdict == sip::BodyVerdict::kRequired || !CarriesSdp(request)) {
    Message response = MakeResponse(request, 415);
    AddAccept(&response);
    return response;
  }
  return std::nullopt;
}

}  // namespace

Message MakeNotAllowed(const Message& request) {
  Message response = MakeResponse(request, request.method == Method::kUnknown ? 501 : 405);
  AddAllow(&response);
  return response;
}

Message MakeOptionsAnswer(const Context& context, const Message& request,
                          const trunk::Trunk* trunk) {
  Message response = MakeResponse(request, 200);
  AddAllow(&response, trunk);
  AddProduct(context, &response);
  AddAccept(&response);
  response.supported.assign(std::begin(kSupported), std::end(kSupported));
  return response;
}

std::optional<Message> Examine(Message* message) {
  const Message& request = *message;
  if (std::find(std::begin(kAllowed), std::end(kAllowed), request.method) == std::end(kAllowed)) {
    return MakeNotAllowed(request);
  }
  if (request.request_uri.scheme != "sip" && request.request_uri.scheme != "tel") {
    return MakeResponse(request, 416);
  }
  // RFC 3261 section 19.1.1: none may stand there.
  if (!request.request_uri.headers.empty()) {
    return MakeResponse(request, 400, {}, "Headers in Request-URI");
  }
  // A request for somebody behind us (an INVITE) must be allowed one more hop; what ends here need
  // not be.
  if (request.method == Method::kInvite && request.max_forwards.value_or(70) == 0) {
    return MakeResponse(request, 483);
  }
  if (std::vector<std::string> unsupported = Unsupported(request); !unsupported.empty()) {
    Message response = MakeResponse(request, 420);
    response.unsupported = std::move(unsupported);
    return response;
  }
  if (request.method == Method::kInvite && request.contact.empty()) {
    return MakeResponse(request, 400, {}, "Contact Missing");
  }
  const bool may_offer = request.method == Method::kInvite || request.method == Method::kUpdate ||
                         request.method == Method::kPrack;
  return may_offer ? ExamineBody(message) : std::nullopt;
}

}  // namespace sipctl::call
