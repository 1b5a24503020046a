#include "sipctl/sip/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sipctl/sip/openssl_ptr.h"

namespace sipctl::sip {
namespace {

using CtxPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;
using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using SessionPtr = OpensslPtr<SSL_SESSION, SSL_SESSION_free>;

// Sessions that a client remembers: one for each address of the peer.
constexpr size_t kSessionsMax = 64;

// Empties the thread's queue of errors; the first one is the cause.
std::string TakeErrors() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? absl::StrCat("OpenSSL error ", code) : reason;
}

// A socket as OpenSSL's own BIO has it, but without SIGPIPE.
int WriteSocket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t count = send(fd, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int ReadSocket(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t count = recv(fd, buffer, static_cast<size_t>(size), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(count);
}

long ControlSocket(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* SocketMethod() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sip socket");
    BIO_meth_set_write(method, WriteSocket);
    BIO_meth_set_read(method, ReadSocket);
    BIO_meth_set_ctrl(method, ControlSocket);
    return method;
  }();
  return kMethod;
}

class OpensslStream : public TlsStream {
 public:
  OpensslStream(std::shared_ptr<TlsContext> context, SslPtr ssl, uint64_t* resumed)
      : context_(std::move(context)), ssl_(std::move(ssl)), resumed_(resumed) {}

  Result Handshake() override {
    const Result result = ResultOf(SSL_do_handshake(ssl_.get()), 0);
    if (result.outcome == Outcome::kDone) {
      ready_ = true;
      if (SSL_session_reused(ssl_.get())) ++*resumed_;
    }
    if (result.outcome != Outcome::kFailed) return result;
    // What was wrong with the certificate says more than "certificate verify failed".
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK) error_ = X509_verify_cert_error_string(verdict);
    return result;
  }
  Result Read(char* buffer, size_t size) override {
    size_t count = 0;
    const int value = SSL_read_ex(ssl_.get(), buffer, size, &count);
    return ResultOf(value, count);
  }
  Result Write(std::string_view bytes) override {
    size_t count = 0;
    const int value = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    return ResultOf(value, count);
  }
  void Shutdown() override {
    if (ready_ && !broken_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  std::string error() const override { return error_; }
  std::string session() const override {
    return absl::StrCat(SSL_get_version(ssl_.get()), ", ", SSL_get_cipher_name(ssl_.get()));
  }
  std::string peer_chain() const override {
    const BioPtr pem(BIO_new(BIO_s_mem()));
    const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl_.get());
    if (chain == nullptr) chain = SSL_get_peer_cert_chain(ssl_.get());
    for (int i = 0; i < sk_X509_num(chain); ++i) {
      PEM_write_bio_X509(pem.get(), sk_X509_value(chain, i));
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(pem.get(), &text);
    ERR_clear_error();
    return {text, static_cast<size_t>(size)};
  }

 private:
  Result ResultOf(int value, size_t bytes) {
    if (value > 0) return {Outcome::kDone, bytes};
    const int system_error = errno;
    switch (SSL_get_error(ssl_.get(), value)) {
      case SSL_ERROR_WANT_READ:
        return {Outcome::kWantRead};
      case SSL_ERROR_WANT_WRITE:
        return {Outcome::kWantWrite};
      case SSL_ERROR_ZERO_RETURN:
        return {Outcome::kClosed};
      case SSL_ERROR_SYSCALL:
        broken_ = true;
        ERR_clear_error();
        error_ = system_error == 0 ? "closed in the middle" : std::strerror(system_error);
        return {Outcome::kFailed};
      default:
        broken_ = true;
        error_ = TakeErrors();
        return {Outcome::kFailed};
    }
  }

  const std::shared_ptr<TlsContext> context_;
  const SslPtr ssl_;
  uint64_t* const resumed_;  // of context_
  bool ready_ = false;
  bool broken_ = false;  // nothing more may be asked of ssl_
  std::string error_;
};

class Context : public TlsContext, public std::enable_shared_from_this<Context> {
 public:
  Context(CtxPtr ctx, bool server, std::string name)
      : ctx_(std::move(ctx)), server_(server), name_(std::move(name)) {}

  std::unique_ptr<TlsStream> MakeStream(int fd, std::string_view name,
                                        std::string_view address) override {
    SslPtr ssl(SSL_new(ctx_.get()));
    BIO* bio = BIO_new(SocketMethod());
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
    if (server_) {
      SSL_set_accept_state(ssl.get());
    } else {
      Prepare(ssl.get(), name.empty() ? name_ : std::string(name), address);
    }
    return std::make_unique<OpensslStream>(shared_from_this(), std::move(ssl), &resumed_);
  }
  uint64_t resumed() const override { return resumed_; }

  // A ticket came from the server.
  static int Remember(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const auto* where = static_cast<const std::string*>(SSL_get_app_data(ssl));
    if (where == nullptr) return 0;
    auto& sessions = self->sessions_;
    const auto found = sessions.find(*where);
    if (found == sessions.end()) return 0;
    found->second.reset(session);
    return 1;  // it is ours now
  }

 private:
  void Prepare(SSL* ssl, const std::string& name, std::string_view address) {
    SSL_set_connect_state(ssl);
    in6_addr bytes;
    const bool is_address = inet_pton(AF_INET, name.c_str(), &bytes) == 1 ||
                            inet_pton(AF_INET6, name.c_str(), &bytes) == 1;
    if (is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    } else {
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      SSL_set1_host(ssl, name.c_str());
      // RFC 6066 section 3: an address is no server name (trap T-27).
      SSL_set_tlsext_host_name(ssl, name.c_str());
    }
    std::string resumption = absl::StrCat(name, " ", std::string(address));
    if (!sessions_.contains(resumption) && sessions_.size() >= kSessionsMax) return;
    const auto place = sessions_.try_emplace(std::move(resumption)).first;
    // The key of a node of std::map stays where it is, and nodes are never erased.
    SSL_set_app_data(ssl, const_cast<std::string*>(&place->first));
    if (place->second != nullptr) SSL_set_session(ssl, place->second.get());
  }

  const CtxPtr ctx_;
  const bool server_;
  const std::string name_;
  std::map<std::string, SessionPtr> sessions_;
  uint64_t resumed_ = 0;
};

absl::Status Failure(std::string_view file, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(file), ": ", std::string(what), ": ", TakeErrors()));
}

CtxPtr NewContext(const SSL_METHOD* method) {
  ERR_clear_error();
  CtxPtr ctx(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  // A message's end is told by Content-Length, so a connection that ends without close_notify
  // cannot be mistaken for a whole one.
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

absl::Status Load(const TlsIdentity& identity, SSL_CTX* ctx) {
  if (identity.certificate.empty()) return absl::OkStatus();
  if (SSL_CTX_use_certificate_chain_file(ctx, identity.certificate.c_str()) != 1) {
    return Failure(identity.certificate, "no certificate can be read");
  }
  const std::string& key = identity.key.empty() ? identity.certificate : identity.key;
  if (SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Failure(key, absl::StrCat("no key of ", identity.certificate, " can be read"));
  }
  return absl::OkStatus();
}

std::shared_ptr<TlsContext> Finish(CtxPtr ctx, bool server, std::string name) {
  SSL_CTX* raw = ctx.get();
  auto context = std::make_shared<Context>(std::move(ctx), server, std::move(name));
  SSL_CTX_set_app_data(raw, context.get());
  return context;
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsServer(const TlsServerOptions& options) {
  CtxPtr ctx = NewContext(TLS_server_method());
  if (options.identity.certificate.empty()) {
    return absl::InvalidArgumentError("a TLS listener needs a certificate");
  }
  if (absl::Status loaded = Load(options.identity, ctx.get()); !loaded.ok()) return loaded;
  // Tickets alone, so that the memory of strangers is none of ours; they end with the context.
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  constexpr unsigned char kId[] = "sipctl";
  SSL_CTX_set_session_id_context(ctx.get(), kId, sizeof kId - 1);
  if (!options.client_trust.empty()) {
    const char* file = options.client_trust.c_str();
    if (SSL_CTX_load_verify_file(ctx.get(), file) != 1) {
      return Failure(options.client_trust, "no roots can be read");
    }
    SSL_CTX_set_client_CA_list(ctx.get(), SSL_load_client_CA_file(file));
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  ERR_clear_error();
  return Finish(std::move(ctx), true, {});
}

absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsClient(const TlsClientOptions& options) {
  CtxPtr ctx = NewContext(TLS_client_method());
  if (absl::Status loaded = Load(options.identity, ctx.get()); !loaded.ok()) return loaded;
  if (options.verify) {
    if (options.name.empty()) {
      return absl::InvalidArgumentError("a TLS peer needs a name that its certificate carries");
    }
    if (options.trust.empty()) {
      SSL_CTX_set_default_verify_paths(ctx.get());
    } else if (SSL_CTX_load_verify_file(ctx.get(), options.trust.c_str()) != 1) {
      return Failure(options.trust, "no roots can be read");
    }
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx.get(), Context::Remember);
  ERR_clear_error();
  return Finish(std::move(ctx), false, options.name);
}

}  // namespace sipctl::sip
