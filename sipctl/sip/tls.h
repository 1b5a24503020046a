// TLS 1.2 and 1.3 for SIP connections (RFC 5246, RFC 8446, RFC 9325), on OpenSSL, which tls.cc and
// certificate.cc alone see. A context is one side's identity and trust; it is immutable, so that a
// reload is a new context: connections go on with the one they began with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sipctl/sip/stream.h"

namespace sipctl::sip {

// PEM files: the certificate first, then what leads to the root.
struct TlsIdentity {
  std::string certificate;  // empty: none
  std::string key;          // empty: it lies in `certificate`
};

struct TlsServerOptions {
  TlsIdentity identity;
  // PEM file of roots. Not empty: who connects must show a certificate that leads to one of them
  // (mutual TLS).
  std::string client_trust;
};

struct TlsClientOptions {
  std::string name;      // host name or address that the peer's certificate must carry; also SNI
  std::string trust;     // PEM file of roots; empty: the system's
  TlsIdentity identity;  // what we show when the peer asks for a certificate
  bool verify = true;    // false: anybody may answer (a laboratory)
};

// What a hand-shake showed of the other side, for people (sipctl probe).
class TlsStream : public Stream {
 public:
  virtual std::string session() const = 0;  // "TLSv1.3, TLS_AES_256_GCM_SHA384"
  // As client: the server's certificates in PEM, its own first; where they were verified, up to the
  // root and without what it sent beside them. Empty while it has shown none that was accepted.
  virtual std::string peer_chain() const = 0;
};

// Kept alive by each stream made of it.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  // `fd` is connected, non-blocking, and stays the caller's. As client: `name` is whom this stream
  // calls, empty = the options' name; streams with the same `name` and `address` go to the same
  // server, whose session may be taken up again.
  virtual std::unique_ptr<TlsStream> MakeStream(int fd, std::string_view name,
                                                std::string_view address) = 0;
  virtual uint64_t resumed() const = 0;  // hand-shakes that took up an earlier session
};

// Both read their files now; an error names the file and what is wrong with it.
absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsServer(const TlsServerOptions& options);
absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsClient(const TlsClientOptions& options);

}  // namespace sipctl::sip
