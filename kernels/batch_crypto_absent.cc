// Where intel-ipsec-mb does not exist: no batch engine.
#include "kernels/batch_crypto.h"

namespace kernels {

std::unique_ptr<BatchCrypto> BatchCrypto::Make() {
  return nullptr;
}

}  // namespace kernels
