#include "sipctl/sip/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sipctl/sip/openssl_ptr.h"
#include "sipctl/sip/transport.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using NamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;
using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using StoreCtxPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;

int64_t UnixSeconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return timegm(&parts);
}

std::vector<CertificatePtr> ReadAll(BIO* bio) {
  std::vector<CertificatePtr> certificates;
  if (bio == nullptr) return certificates;
  while (X509* one = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    certificates.emplace_back(one);
  }
  ERR_clear_error();
  return certificates;
}

std::string CommonName(const X509_NAME* name) {
  char text[256];
  const int size = X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text);
  return size < 0 ? std::string() : std::string(text, static_cast<size_t>(size));
}

std::optional<std::string> TextOf(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    const ASN1_IA5STRING* text = name->d.dNSName;
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<size_t>(ASN1_STRING_length(text)));
  }
  if (name->type != GEN_IPADD) return std::nullopt;
  const ASN1_OCTET_STRING* bytes = name->d.iPAddress;
  const int length = ASN1_STRING_length(bytes);
  if (length != 4 && length != 16) return std::nullopt;
  char text[INET6_ADDRSTRLEN];
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> names;
  const NamesPtr all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    if (auto text = TextOf(sk_GENERAL_NAME_value(all.get(), i))) names.push_back(*std::move(text));
  }
  return names;
}

bool IsIssuedBy(X509* certificate, X509* issuer) {
  return X509_check_issued(issuer, certificate) == X509_V_OK;
}

bool IsIssuedByRoot(X509* certificate) {
  if (IsIssuedBy(certificate, certificate)) return true;
  const StorePtr store(X509_STORE_new());
  X509_STORE_set_default_paths(store.get());
  const StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), nullptr, nullptr);
  X509* issuer = nullptr;
  const bool known = X509_STORE_CTX_get1_issuer(&issuer, context.get(), certificate) == 1;
  X509_free(issuer);
  ERR_clear_error();
  return known;
}

std::optional<CertificateFacts> FactsOf(const std::vector<CertificatePtr>& chain) {
  if (chain.empty()) return std::nullopt;
  CertificateFacts facts;
  facts.names = NamesOf(chain.front().get());
  facts.not_before_unix_s = UnixSeconds(X509_get0_notBefore(chain.front().get()));
  facts.not_after_unix_s = INT64_MAX;
  facts.chain_complete = IsIssuedByRoot(chain.back().get());
  facts.issuer = CommonName(X509_get_issuer_name(chain.back().get()));
  for (size_t i = 0; i < chain.size(); ++i) {
    facts.not_after_unix_s =
        std::min(facts.not_after_unix_s, UnixSeconds(X509_get0_notAfter(chain[i].get())));
    if (i > 0 && !IsIssuedBy(chain[i - 1].get(), chain[i].get())) facts.chain_complete = false;
  }
  return facts;
}

}  // namespace

absl::StatusOr<CertificateFacts> ReadCertificate(const TlsIdentity& identity) {
  // Certificate and key together, as at a hand-shake.
  if (const auto server = MakeTlsServer({.identity = identity, .client_trust = {}}); !server.ok()) {
    return server.status();
  }
  const BioPtr file(BIO_new_file(identity.certificate.c_str(), "r"));
  auto facts = FactsOf(ReadAll(file.get()));
  if (!facts) {
    return absl::InvalidArgumentError(absl::StrCat(identity.certificate, " has no certificate"));
  }
  return *std::move(facts);
}

std::optional<CertificateFacts> FactsOfChain(std::string_view pem) {
  const BioPtr memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return FactsOf(ReadAll(memory.get()));
}

bool Covers(const CertificateFacts& facts, std::string_view host) {
  const auto address = ParseAddress(host);
  return std::any_of(facts.names.begin(), facts.names.end(), [&](const std::string& name) {
    if (address) return ParseAddress(name) == address;
    if (EqualsIgnoreCase(name, host)) return true;
    const size_t dot = host.find('.');
    return name.starts_with("*.") && dot != host.npos && dot > 0 &&
           EqualsIgnoreCase(name.substr(1), host.substr(dot));
  });
}

}  // namespace sipctl::sip
