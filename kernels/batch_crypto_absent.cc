// Where intel-ipsec-mb does not exist: no batch engine.
#include "kernels/batch_crypto.h"

namespace kernels {

std::unique_ptr<BatchCrypto> BatchCrypto::Make(Hashes /*hashes*/) {
  return nullptr;
}

}  // namespace kernels
