// No index of a key is ever used for two packets, whatever sources, speakers, keys and suites do.
#include <random>

#include "relay/wire/bytes.h"
#include "relay/worker/pipeline.h"
#include "tests/relay/stage/srtp_world.h"
#include "tests/relay/worker/office.h"
#include "tests/relay/worker/wire_checker.h"
#include "tests/support/sanitized.h"

namespace relay::worker {
namespace {

using stage::PlanFor;
using stage::RandomKey;

constexpr uint32_t kSuites = std::size(stage::kAllSuites);

// Legs 0 and 2 are sources with plain RTP, leg 1 the PBX with SRTP.
class OnTheWire : public Office {
 protected:
  OnTheWire() : Office(64, true) {
    Open(0, SetupFor(0, kTrunk));
    Open(2, SetupFor(2, kBot));
    Answer();
  }

  // A call of the PBX, with keys of its own.
  void Answer() {
    ++calls;
    session::LegSetup setup = SetupFor(1, kPbx);
    setup.srtp = PlanOf(kSuites * 8 * calls);
    Open(1, setup);
    Join(0, 1);
    speaker = 0;
  }
  abi::SrtpPlan PlanOf(uint32_t number) const {
    const abi::SrtpSuite suite = stage::kAllSuites[number % kSuites];
    return PlanFor(suite, RandomKey(suite, 2 * number), RandomKey(suite, 2 * number + 1));
  }
  // Another key of the call, or one that it had before; or plain RTP for a while.
  void Agree() {
    setups[1].srtp = {};
    if (random() % 4 != 0) {
      setups[1].srtp = PlanOf(kSuites * 8 * calls + random() % 7);
      if (random() % 2 == 0) setups[1].srtp.send_roc = abi::SrtpRoc::kRestarts;
    }
    Update(1, [](abi::LegPlan&) {});
  }
  void ChangeSpeaker() {
    Unhear(speaker, 1);
    speaker = speaker == 0 ? 2 : 0;
    Hear(speaker, 1);
  }
  void Check() {
    const abi::SrtpPlan& plan = setups[1].srtp;
    while (auto out = Sent()) {
      if (out->remote.address != kPbx.address || plan.suite == abi::SrtpSuite::kNone) continue;
      checker.See(plan.suite, plan.send, out->payload);
    }
  }

  std::mt19937 random{77};
  WireChecker checker;
  uint32_t calls = 0;
  uint32_t speaker = 0;
};

// Sources that start again, lose, repeat and disorder packets and change their SSRC; speakers that
// change; keys and suites that change and return, with the counter running on or not; reports.
TEST_F(OnTheWire, NoIndexOfAKeyIsUsedTwice) {
  constexpr int kSteps = support::kSanitized ? 6'000 : 40'000;
  uint16_t sequence[2] = {100, 60'000};
  uint32_t ssrc[2] = {1, 1};  // the same: the worst that can meet
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    const uint32_t one = speaker == 0 ? 0 : 1;
    const uint32_t kind = random() % 4000;
    uint16_t number = ++sequence[one];
    if (kind < 40) number = sequence[one] = static_cast<uint16_t>(random());
    if (kind >= 40 && kind < 200) number = static_cast<uint16_t>(number - random() % 300);
    if (kind >= 200 && kind < 230) sequence[one] = static_cast<uint16_t>(number + random() % 5000);
    if (kind == 300) ssrc[one] = static_cast<uint32_t>(random() % 3);
    if (kind >= 310 && kind < 320) ChangeSpeaker();
    if (kind >= 320 && kind < 350) Agree();
    if (kind == 350) {
      Close(1);
      Answer();
    }
    const abi::Endpoint& from = speaker == 0 ? kTrunk : kBot;
    Send(speaker, from, RtpPacket{.payload_type = 8, .sequence = number, .ssrc = ssrc[one]});
    if (kind >= 400 && kind < 600) {
      SendRtcp(speaker, from, tests::support::ReceiverReport(ssrc[one]));
    }
    clock.Advance(20 * kMillisecond);  // for reports of the relay's own
    Check();
    while (NextReport()) {  // as the conductor does before it gives a slot away again
    }
  }
  EXPECT_GT(checker.packets(), kSteps / 2u);
  EXPECT_GT(checker.reports(), kSteps / 400u);
  EXPECT_GT(checker.keys(), kSteps / 1000u);
  Discard();
}

}  // namespace
}  // namespace relay::worker
