// A challenge: it is not for us, or the answer to it is one line with a hash of the right length.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sipctl/sip/digest.h"

namespace {

// Of name=value or name="value", one after the other; empty where there is none of that name.
std::string_view ValueOf(std::string_view left, std::string_view wanted) {
  left.remove_prefix(std::string_view("Digest ").size());
  for (size_t equals = left.find('='); equals != left.npos; equals = left.find('=')) {
    std::string_view name = left.substr(0, equals);
    while (!name.empty() && (name.front() == ',' || name.front() == ' ')) name.remove_prefix(1);
    left.remove_prefix(equals + 1);
    size_t begin = 0, end = left.find(',');
    if (left.starts_with('"')) {
      for (begin = end = 1; end < left.size() && left[end] != '"'; ++end) {
        if (left[end] == '\\') ++end;
      }
    }
    if (name == wanted) return left.substr(begin, end - begin);
    left.remove_prefix(end < left.size() ? end + 1 : left.size());
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sipctl::sip::Credentials;
  using sipctl::sip::DigestClient;
  using sipctl::sip::Message;
  using sipctl::sip::Method;
  Message response;
  response.is_request = false;
  response.status = 407;
  response.others.push_back(
      {"Proxy-Authenticate", std::string(reinterpret_cast<const char*>(data), size)});
  const Credentials credentials{.user = "u", .password = "p", .realm = ""};
  DigestClient client;
  if (!client.Accept(response, credentials)) return 0;
  Message request;
  request.method = Method::kInvite;
  request.request_uri.user = "a";
  request.request_uri.host = "192.0.2.1";
  client.Authorize(credentials, "c", &request);
  const std::string* answer = request.Other("Proxy-Authorization");
  if (answer == nullptr) std::abort();
  const size_t digits = ValueOf(*answer, "response").size();
  if (digits != 32 && digits != 64) std::abort();
  // A second one to the same request is never answered: no loop.
  if (client.Accept(response, credentials) && client.Accept(response, credentials)) std::abort();
  return 0;
}
