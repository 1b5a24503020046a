// Where intel-ipsec-mb does not exist: no batch engine.
#include "kernels/batch_crypto.h"

namespace kernels {

std::unique_ptr<BatchCrypto> BatchCrypto::Make(AesKeySchedule* /*schedules*/, Hashes /*hashes*/) {
  return nullptr;
}

}  // namespace kernels
