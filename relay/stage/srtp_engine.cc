#include "relay/stage/srtp_engine.h"

namespace relay::stage {

void CipherEngine::MakeContext(void* context, const SrtpContextKeys& request) {
  SrtpSessionKeys keys;
  DeriveSrtpKeys(request.suite, request.master, request.use, &keys);
  MakeSessionContext(context, request.suite, request.direction, keys);
}

std::unique_ptr<SrtpEngine> MakeSrtpEngine(SrtpEngineKind kind) {
  switch (kind) {
    case SrtpEngineKind::kAuto:
      if (std::unique_ptr<SrtpEngine> batch = MakeBatchEngine(); batch != nullptr) return batch;
      return MakePortableEngine();
    case SrtpEngineKind::kBatch:
      return MakeBatchEngine();
    case SrtpEngineKind::kPortable:
      return MakePortableEngine();
    case SrtpEngineKind::kLibsrtp2:
      return MakeLibsrtpEngine();
    case SrtpEngineKind::kNone:
      break;
  }
  return nullptr;
}

}  // namespace relay::stage
