// What anybody may send to a secured leg: the engines come to the same verdict and the same bytes,
// and nothing moves unless a packet is authentic.
//
// Input: a byte for suite, MKI and whether streams are known, a byte for how to begin, then a
// packet. By the second byte the packet is the input itself, or an authentic packet over which the
// input is laid (xor).
#include <cstring>

#include "tests/fuzz/require.h"
#include "tests/relay/stage/srtp_world.h"

namespace {

using relay::stage::Bytes;
using relay::stage::PlanFor;
using relay::stage::SrtpEnd;
using relay::stage::SrtpEngineKind;
using relay::stage::Verdict;

struct World {
  // As if nothing had ever been sent: an input must not depend on those before it.
  void Begin(relay::abi::SrtpSuite suite, bool mki) {
    for (SrtpEnd* end : {&sender, &batch, &portable}) end->srtp().Forget(0);
    relay::abi::SrtpKey key = relay::stage::RandomKey(suite, 1);
    key.mki_length = mki ? 4 : 0;
    key.mki = mki ? 77 : 0;
    const relay::abi::SrtpKey other = relay::stage::RandomKey(suite, 2);
    sender.Apply(PlanFor(suite, key, other));
    batch.Apply(PlanFor(suite, other, key));
    portable.Apply(PlanFor(suite, other, key));
  }
  // Both engines' verdict. A packet that is refused moves not a byte of the leg's state; one that
  // is taken moves both in the same way.
  Verdict Arrive(Bytes packet) {
    Bytes other = packet;
    const relay::session::SrtpLeg before[] = {batch.leg(), portable.leg()};
    const Verdict one = batch.Unprotect(&packet);
    const Verdict two = portable.Unprotect(&other);
    REQUIRE(one == two);
    if (one == Verdict::kForwarded) {
      REQUIRE(packet == other);
      REQUIRE(SameStreams(batch.leg().receive, portable.leg().receive));
    } else {
      REQUIRE(std::memcmp(&batch.leg(), &before[0], sizeof before[0]) == 0);
      REQUIRE(std::memcmp(&portable.leg(), &before[1], sizeof before[1]) == 0);
    }
    return one;
  }

  SrtpEnd sender{SrtpEngineKind::kPortable};
  SrtpEnd batch{SrtpEngineKind::kAuto};
  SrtpEnd portable{SrtpEngineKind::kPortable};

 private:
  // But for the contexts' names, which differ with their sizes.
  static bool SameStreams(const relay::session::SrtpReceiver& a,
                          const relay::session::SrtpReceiver& b) {
    for (size_t i = 0; i < relay::session::kSrtpStreams; ++i) {
      relay::session::SrtpStream stream = a.streams[i];
      stream.context = b.streams[i].context;
      if (std::memcmp(&stream, &b.streams[i], sizeof stream) != 0) return false;
    }
    return std::memcmp(a.rtcp, b.rtcp, sizeof a.rtcp) == 0 &&
           std::memcmp(a.former, b.former, sizeof a.former) == 0;
  }
};

// An authentic packet, by `how`.
Bytes Seal(World* world, uint8_t how, uint16_t sequence) {
  const bool rtcp = how % 4 == 1;
  Bytes packet =
      rtcp ? relay::stage::MakeRtcp(9, how % 5)
           : relay::stage::MakeRtp(9, sequence, how, how, how % 3, how % 4 == 2 ? -1 : how % 5);
  const Verdict sealed = rtcp ? world->sender.ProtectRtcp(&packet) : world->sender.Protect(&packet);
  REQUIRE(sealed == Verdict::kForwarded);
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 1500) return 0;
  static World world;
  world.Begin(relay::stage::kAllSuites[data[0] % 6], data[0] % 12 >= 6);
  const uint8_t how = data[1];
  // Streams that are known, of RTP and of RTCP, or none.
  if (data[0] >= 128) {
    for (const uint8_t kind : {1, 2}) {
      REQUIRE(world.Arrive(Seal(&world, kind, 1)) == Verdict::kForwarded);
    }
  }
  Bytes packet(data + 2, data + size);
  bool authentic = false;
  if (how % 4 != 0) {
    Bytes good = Seal(&world, how, 2);
    authentic = true;
    for (size_t i = 0; i < packet.size() && i < good.size(); ++i) {
      good[i] ^= packet[i];
      authentic = authentic && packet[i] == 0;
    }
    packet = good;
  }
  // Forging 32 bits by chance is out of reach here.
  REQUIRE((world.Arrive(packet) == Verdict::kForwarded) == authentic);
  if (authentic) {
    REQUIRE(world.Arrive(packet) == Verdict::kSrtpReplayed);
  }
  return 0;
}
