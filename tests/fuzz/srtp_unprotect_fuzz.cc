// What anybody may send to a secured leg: the engines come to the same verdict and the same bytes,
// and nothing moves unless a packet is authentic.
//
// Input: a byte for suite and MKI, a byte for how to begin, then a packet. By the second byte the
// packet is the input itself, or an authentic packet over which the input is laid (xor).
#include <cstdlib>
#include <memory>

#include "tests/relay/stage/srtp_world.h"

namespace {

using relay::stage::Bytes;
using relay::stage::PlanFor;
using relay::stage::SrtpEnd;
using relay::stage::SrtpEngineKind;
using relay::stage::Verdict;

struct World {
  World(relay::abi::SrtpSuite suite, bool mki) {
    relay::abi::SrtpKey key = relay::stage::RandomKey(suite, 1);
    key.mki_length = mki ? 4 : 0;
    key.mki = mki ? 77 : 0;
    const relay::abi::SrtpKey other = relay::stage::RandomKey(suite, 2);
    sender.Apply(PlanFor(suite, key, other));
    batch.Apply(PlanFor(suite, other, key));
    portable.Apply(PlanFor(suite, other, key));
  }
  uint16_t sequence = 1;
  SrtpEnd sender{SrtpEngineKind::kPortable};
  SrtpEnd batch{SrtpEngineKind::kAuto};
  SrtpEnd portable{SrtpEngineKind::kPortable};
};

World& WorldOf(uint8_t choice) {
  static std::unique_ptr<World> worlds[12];
  std::unique_ptr<World>& world = worlds[choice % 12];
  if (world == nullptr) {
    world = std::make_unique<World>(relay::stage::kAllSuites[choice % 6], choice % 12 >= 6);
  }
  return *world;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 1500) return 0;
  World& world = WorldOf(data[0]);
  const uint8_t how = data[1];
  Bytes packet(data + 2, data + size);
  bool authentic = false;
  if (how % 4 != 0) {
    Bytes good = how % 4 == 1 ? relay::stage::MakeRtcp(9, how % 5)
                              : relay::stage::MakeRtp(9, ++world.sequence, how, how, how % 3,
                                                      how % 4 == 2 ? -1 : how % 5);
    const Verdict sealed =
        how % 4 == 1 ? world.sender.ProtectRtcp(&good) : world.sender.Protect(&good);
    if (sealed != Verdict::kForwarded) abort();
    authentic = true;
    for (size_t i = 0; i < packet.size() && i < good.size(); ++i) {
      good[i] ^= packet[i];
      authentic = authentic && packet[i] == 0;
    }
    packet = good;
  }
  Bytes other = packet;
  const Verdict one = world.batch.Unprotect(&packet);
  const Verdict two = world.portable.Unprotect(&other);
  if (one != two) abort();
  if (one == Verdict::kForwarded && packet != other) abort();
  // Forging 32 bits by chance is out of reach here.
  if ((one == Verdict::kForwarded) != authentic) abort();
  return 0;
}
