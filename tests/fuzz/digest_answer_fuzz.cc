// An Authorization header of a stranger: it is refused, or whole; and it never opens the door.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sipctl/sip/digest_server.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace sip = sipctl::sip;
  const std::string value(reinterpret_cast<const char*>(data), size);
  const auto answer = sip::ReadDigestAnswer(value);
  if (answer) {
    REQUIRE(!answer->user.empty() && !answer->uri.empty() && !answer->cnonce.empty());
    REQUIRE(answer->count > 0 && answer->count_text.size() == 8);
    REQUIRE(answer->response.size() == sip::DigestHexBytes(answer->algorithm));
  }
  static const sip::DigestAlgorithm kBoth[] = {sip::DigestAlgorithm::kSha256,
                                               sip::DigestAlgorithm::kMd5};
  const sip::DigestRealm realm{.realm = answer ? std::string_view(answer->realm) : "r",
                               .algorithms = kBoth};
  sip::DigestServer server({});
  sip::Message request;
  request.method = sip::Method::kRegister;
  request.others.push_back({"Authorization", value});
  const std::string password = "a password that no input holds";
  const sip::SocketAddress source{};
  const auto password_of = [&](const std::string&) { return &password; };
  const auto outcome = server.Examine(request, realm, source, password_of, 1000);
  REQUIRE(outcome.verdict != sip::DigestVerdict::kRight);
  REQUIRE(outcome.verdict != sip::DigestVerdict::kWrong);  // it has no nonce of ours
  return 0;
}
