// Any bytes as an a=crypto line, and as the crypto line of an offer and of an answer. What is
// accepted must come back from what is written; no error may carry a piece of the key.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "sipctl/sdp/crypto.h"
#include "sipctl/sdp/offer_answer.h"

namespace {

using sipctl::sdp::CryptoLine;
using sipctl::sdp::HideKeys;
using sipctl::sdp::Keying;
using sipctl::sdp::ParseCrypto;

void Require(bool holds) {
  if (!holds) std::abort();
}

void Count(std::span<uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
}

std::string Body(std::string_view value) {
  return "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:" + std::string(value) +
         "\r\n";
}

void CheckLine(const CryptoLine& line) {
  Require(!line.keys.empty() && line.keys.size() <= sipctl::sdp::kKeysMax);
  Require(!line.tag.empty() && line.tag.size() <= 9);
  for (const Keying& key : line.keys) {
    Require(key.length == sipctl::sdp::KeyLength(line.suite) + sipctl::sdp::SaltLength(line.suite));
    Require(key.mki_length <= 128 && (line.keys.size() == 1 || key.mki_length != 0));
  }
  const auto again = ParseCrypto(sipctl::sdp::FormatCrypto(line));
  Require(again.ok() && again->tag == line.tag && again->suite == line.suite);
  Require(again->keys[0].bytes == line.keys[0].bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  const auto line = ParseCrypto(value);
  if (line.ok()) CheckLine(*line);
  Require(HideKeys(HideKeys(value)) == HideKeys(value));

  const auto description = sipctl::sdp::Parse(Body(value));
  if (!description.ok()) return 0;
  sipctl::sdp::MediaPolicy policy;
  policy.srtp = sipctl::sdp::Srtp::kRequired;
  policy.random = Count;
  sipctl::sdp::LocalMedia local;
  local.endpoint = {*sipctl::sdp::ParseIpAddress("192.0.2.1"), 10000};
  local.codecs = policy.codecs;
  sipctl::sdp::OfferAnswer called(policy, 1);
  if (called.ReceiveOffer(*description).ok()) {
    const auto answer = called.MakeAnswer(local);
    Require(answer.ok() && answer->media[0].crypto().size() == 1);
    Require(called.plan()->crypto.has_value());
  }
  policy.suites_offered.assign(std::begin(sipctl::sdp::kAllSuites),
                               std::end(sipctl::sdp::kAllSuites));
  sipctl::sdp::OfferAnswer calling(policy, 2);
  Require(calling.MakeOffer(local).ok());
  if (calling.ReceiveAnswer(*description, sipctl::sdp::Binding::kFinal).ok()) {
    const sipctl::sdp::MediaCrypto& crypto = *calling.plan()->crypto;
    const size_t length =
        sipctl::sdp::KeyLength(crypto.suite) + sipctl::sdp::SaltLength(crypto.suite);
    Require(crypto.send.length == length);
    Require(!crypto.receive.empty() && crypto.receive.size() <= sipctl::sdp::kKeysMax);
    for (const Keying& key : crypto.receive) Require(key.length == length);
  }
  return 0;
}
