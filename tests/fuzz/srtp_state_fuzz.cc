// Indices and replay windows as a program of events, against libsrtp2: what it accepts we accept,
// whether packets come one by one or in bursts, under any order, loss, repetition and leap. But for
// a stream whose first packets were lost, and whose numbers have rolled over since: we hear it, and
// what we make of it is compared with a libsrtp2 that was told so.
//
// Input: a byte for the suite, then events of two bytes.
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "tests/relay/stage/srtp_world.h"

namespace {

using relay::stage::Bytes;
using relay::stage::Oracle;
using relay::stage::PlanFor;
using relay::stage::SrtpEnd;
using relay::stage::SrtpEngineKind;
using relay::stage::Verdict;

class Program {
 public:
  explicit Program(relay::abi::SrtpSuite suite)
      : suite_(suite),
        key_(relay::stage::RandomKey(suite, 1)),
        out_(suite, key_, true),
        in_(suite, key_, false) {
    sender_.Apply(PlanFor(suite, key_, relay::stage::RandomKey(suite, 2)));
    receiver_.Apply(PlanFor(suite, relay::stage::RandomKey(suite, 2), key_));
  }

  void Step(uint8_t event, uint8_t value) {
    switch (event % 8) {
      case 0:  // the next number
        return Send(++sequence_);
      case 1:  // some are lost, of which the first counts for the sender's roll-over
        Protect(++sequence_);
        sequence_ = static_cast<uint16_t>(sequence_ + value);
        break;
      case 2:  // a leap
        return Send(sequence_ = static_cast<uint16_t>(sequence_ + 256 * value));
      case 3:  // a late one
        return Send(static_cast<uint16_t>(sequence_ - 8 * value));
      case 4:  // again what was sent before
        if (!sent_.empty()) burst_.push_back(sent_[value % sent_.size()]);
        break;
      case 5:  // broken on the way
        if (sent_.empty()) break;
        burst_.push_back(sent_.back());
        burst_.back()[value % burst_.back().size()] ^= 1;
        break;
      case 6:  // the far party has another source
        ssrc_ = 1 + value % 3;
        break;
      case 7:
        Deliver();
        break;
    }
    if (burst_.size() >= relay::stage::kSrtpBatchMax - 1) Deliver();
  }

  void Deliver() {
    const std::vector<Bytes> came = burst_;
    const std::vector<Verdict> verdicts = receiver_.UnprotectBurst(&burst_);
    for (size_t i = 0; i < came.size(); ++i) {
      Bytes theirs = came[i];
      const bool ours_is_good = verdicts[i] == Verdict::kForwarded;
      if (Hears(&theirs, ours_is_good) != ours_is_good) abort();
      if (ours_is_good && burst_[i] != theirs) abort();
    }
    burst_.clear();
  }

 private:
  // Whether libsrtp2 takes the packet, which becomes plain then. What it makes of the first packet
  // of a stream depends on a roll-over counter that nobody can know: where it has to be 1, as we
  // took it, a libsrtp2 of the stream's own begins with that.
  bool Hears(Bytes* packet, bool we_do) {
    const uint32_t ssrc = relay::wire::Load32(&(*packet)[8]);
    const auto told = told_.find(ssrc);
    if (told != told_.end()) return told->second->Unprotect(packet);
    const Bytes came = *packet;
    if (in_.Unprotect(packet)) {
      heard_.insert(ssrc);
      return true;
    }
    const bool lower_half = relay::wire::Load16(&came[2]) < 0x8000;
    if (!we_do || heard_.contains(ssrc) || !lower_half) return false;
    *packet = came;
    told_[ssrc] = std::make_unique<Oracle>(suite_, key_, ssrc, /*roc=*/1);
    return told_[ssrc]->Unprotect(packet);
  }
  // Empty: libsrtp2 does not send it.
  Bytes Protect(uint16_t sequence) {
    Bytes packet = relay::stage::MakeRtp(ssrc_, sequence, 20, sequence);
    Bytes ours = packet;
    if (!out_.Protect(&packet)) packet.clear();
    // We send one stream; libsrtp2 sends them all.
    if (ssrc_ == 1) {
      const bool sent = sender_.Protect(&ours) == Verdict::kForwarded;
      if (sent != !packet.empty() || (sent && ours != packet)) abort();
    }
    return packet;
  }
  void Send(uint16_t sequence) {
    const Bytes packet = Protect(sequence);
    if (packet.empty()) return;
    sent_.push_back(packet);
    burst_.push_back(packet);
    if (burst_.size() >= relay::stage::kSrtpBatchMax - 1) Deliver();
  }

  const relay::abi::SrtpSuite suite_;
  const relay::abi::SrtpKey key_;
  Oracle out_;
  Oracle in_;
  SrtpEnd sender_{SrtpEngineKind::kAuto};
  SrtpEnd receiver_{SrtpEngineKind::kAuto};
  uint16_t sequence_ = 65'000;
  uint32_t ssrc_ = 1;
  std::vector<Bytes> sent_;
  std::vector<Bytes> burst_;
  std::set<uint32_t> heard_;                          // by libsrtp2, from roll-over counter 0 on
  std::map<uint32_t, std::unique_ptr<Oracle>> told_;  // of whom it was told that it is 1
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 1200) return 0;
  Program program(relay::stage::kAllSuites[data[0] % 6]);
  for (size_t i = 1; i + 1 < size; i += 2) program.Step(data[i], data[i + 1]);
  program.Deliver();
  return 0;
}
