// What a certificate file says, for people: names, end, and whether key and chain belong to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/sip/tls.h"

namespace sipctl::sip {

struct CertificateFacts {
  std::vector<std::string> names;  // subject alternative names: DNS names, wildcards, addresses
  int64_t not_before_unix_s = 0;
  int64_t not_after_unix_s = 0;  // the earliest of certificate and chain
  // Each certificate is signed by the next one; false when one that is neither self-signed nor
  // known to the system as a root's issue stands last.
  bool chain_complete = false;
  std::string issuer;  // common name of who signed the last one
};

// Reads the files as a listener would. An error when it could not use them.
absl::StatusOr<CertificateFacts> ReadCertificate(const TlsIdentity& identity);
// Of a chain in PEM, the owner's certificate first; nothing when there is none in it.
std::optional<CertificateFacts> FactsOfChain(std::string_view pem);

// Whether a certificate with these names is good for `host` (RFC 6125: a wildcard stands for one
// whole label).
bool Covers(const CertificateFacts& facts, std::string_view host);

}  // namespace sipctl::sip
