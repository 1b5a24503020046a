// Owners of OpenSSL's objects, each freed by its own function.
#pragma once

#include <memory>

namespace sipctl::sip {

template <auto kFree>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// OpensslPtr<SSL, SSL_free>
template <typename T, auto kFree>
using OpensslPtr = std::unique_ptr<T, OpensslFree<kFree>>;

}  // namespace sipctl::sip
