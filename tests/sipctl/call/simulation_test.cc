// sipctl between telephones that do what the dice say, in many weathers: calls, forks, holds,
// glares, CANCELs that cross answers, ringing that is acknowledged, challenges, sessions that are
// refreshed, relays that die, a sipctl that is killed or stands still while time goes on. Whatever
// happens, on the way no leg lives without its twin, at the end nothing may be left, and nobody may
// believe in a call that the other side does not.
//
// A failure names its seed. By hand:
//   call_simulation_test --seeds=100000            many more
//   call_simulation_test --first=4711 --seeds=1    one alone, message for message as before
//   ... --messages                                 and each message on its own line
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sipctl/call/call.h"
#include "tests/sipctl/call/call_world.h"
#include "tests/support/sanitized.h"
#include "tests/support/sip_phone.h"

namespace sipctl::call {
namespace {

using sip::Protocol;
using sip::SipPhone;

uint64_t first_seed = 0;
bool show_messages = false;
uint64_t seed_count = support::kSanitized ? 100 : 240;

struct Scene {
  const char* name;
  Protocol carrier = Protocol::kUdp;
  Protocol pbx = Protocol::kUdp;
  sip::SipWeather weather;
  bool faithful = false;      // nothing is lost for good: both ends must have seen the same
  bool relay_dies = false;    //
  bool sipctl_dies = false;   // by kill -9
  bool sipctl_stops = false;  // and goes on later, as a paused machine does: time has jumped
  bool two_pbxs = false;      // one of which refuses, or is silent for a while
  // How long one leg may outlive the other; 0: a BYE may be lost for good here, or whoever should
  // have sent it is dead or stands still.
  TimeMs twin_ms = 0;
};

constexpr TimeMs kSilenceMs = 30'000;   // after which a relay says so
constexpr TimeMs kSoonMs = 3000;        // nothing is lost: a few times the way
constexpr TimeMs kRepeatedMs = 70'000;  // 64*T1 for an ACK that a BYE waits for, and for the BYE

const Scene kScenes[] = {
    {.name = "fair", .weather = {}, .faithful = true, .twin_ms = kSoonMs},
    {.name = "doubles and reorders",
     .weather = {.duplicate_percent = 30, .delay_ms_min = 1, .delay_ms_max = 400},
     .faithful = true,
     .twin_ms = kSoonMs},
    {.name = "rain",
     .weather =
         {.loss_percent = 10, .duplicate_percent = 5, .delay_ms_min = 1, .delay_ms_max = 120},
     .twin_ms = kRepeatedMs},
    {.name = "storm",
     .weather =
         {.loss_percent = 35, .duplicate_percent = 20, .delay_ms_min = 1, .delay_ms_max = 900}},
    {.name = "carrier by TCP",
     .carrier = Protocol::kTcp,
     .weather = {.delay_ms_min = 1, .delay_ms_max = 80},
     .faithful = true,
     .twin_ms = kSoonMs},
    {.name = "streams that break",
     .carrier = Protocol::kTcp,
     .pbx = Protocol::kTcp,
     .weather = {.delay_ms_min = 1,
                 .delay_ms_max = 80,
                 .break_per_mille = 30,
                 .idle_break_per_mille = 30}},
    {.name = "the relay dies",
     .weather = {.loss_percent = 2, .delay_ms_max = 50},
     .relay_dies = true,
     .twin_ms = kRepeatedMs},
    {.name = "sipctl dies",
     .weather = {.loss_percent = 2, .delay_ms_max = 50},
     .sipctl_dies = true},
    {.name = "sipctl stops", .weather = {.delay_ms_max = 50}, .sipctl_stops = true},
    {.name = "sipctl stops, on streams",
     .carrier = Protocol::kTcp,
     .pbx = Protocol::kTcp,
     .weather = {.delay_ms_max = 50, .idle_break_per_mille = 5},
     .sipctl_stops = true},
    {.name = "a PBX of two",
     .weather = {.loss_percent = 2, .delay_ms_max = 50},
     .two_pbxs = true,
     .twin_ms = kRepeatedMs},
};
constexpr int kSceneCount = sizeof kScenes / sizeof kScenes[0];
constexpr int kCallsEach = 8;

struct Totals {
  int calls = 0, answered = 0, cancelled = 0, crossed = 0, reinvites = 0, glares = 0;
  int pracks = 0, updates = 0, refreshes = 0, expired = 0, logins = 0, leaps = 0, others = 0;

  void Add(const Totals& more) {
    constexpr int Totals::*kAll[] = {&Totals::calls,   &Totals::answered,  &Totals::cancelled,
                                     &Totals::crossed, &Totals::reinvites, &Totals::glares,
                                     &Totals::pracks,  &Totals::updates,   &Totals::refreshes,
                                     &Totals::expired, &Totals::logins,    &Totals::leaps,
                                     &Totals::others};
    for (int Totals::*each : kAll) this->*each += more.*each;
  }
};

class Stage {
 public:
  Stage(uint64_t seed, const Scene& scene)
      : scene_(scene),
        world_({.seed = seed,
                .weather = scene.weather,
                .carrier = scene.carrier,
                .pbx = scene.pbx,
                .two_pbxs = scene.two_pbxs,
                .logs_in_at_carrier = true}) {
    world_.fake_relay.set_logging(false);
    sip::SipHabits habits{.speaks_sdp = true,
                          .reliable_percent = 25,
                          .update_percent = 40,
                          .timer_percent = 30,
                          .long_percent = 15};
    if (scene.two_pbxs) AddPhone(4, habits);
    habits.unavailable_percent = scene.two_pbxs ? 30 : 0;
    pbx_ = AddPhone(3, habits);
    habits.unavailable_percent = 0;
    habits.challenge_percent = 30;
    carrier_ = AddPhone(2, habits);
    if (show_messages) {
      world_.network.on_arrival = [this](const sip::SipHost& to, const sip::Message& message,
                                         const sip::Flow& flow) { Show(to, message, flow); };
    }
    world_.Run(200);
  }

  void Play() {
    for (int i = 0; i < kCallsEach; ++i) {
      carrier_->Place(1, scene_.carrier, absl::StrCat("+91", i));
      pbx_->Place(1, scene_.pbx, absl::StrCat("044", i));
      Pass(static_cast<TimeMs>(Below(900)));
      if (Below(100) >= 25) continue;
      if (scene_.relay_dies) KillRelay();
      if (scene_.sipctl_dies) KillSipctl();
      if (scene_.sipctl_stops) StopSipctl();
      if (scene_.two_pbxs) StopPbx();
    }
    // The longest way: a call rings, its peer is lost (Timer C), it is cancelled, it lingers.
    for (int i = 0; i < 40; ++i) Pass(1000);
    for (int i = 0; i < 180; ++i) Pass(4000);
    static_assert(40 * 1000 + 180 * 4000 > sip::kTimerCMs + kRepeatedMs);
  }

  Totals Check() {
    Totals totals;
    EXPECT_EQ(world_.network.unparsed(), 0u);
    NothingLeft();
    for (const auto& phone : phones_) {
      Ended(*phone, &totals);
      EXPECT_EQ(phone->wrong_logins(), 0);
      totals.logins += phone->logins();
    }
    totals.leaps = leaps_;
    if (scene_.two_pbxs) totals.others = static_cast<int>(phones_[0]->calls().size());
    for (const Cdr& cdr : cdrs_) Twins(cdr);
    if (scene_.faithful) EveryAnswerHasItsRecord();
    return totals;
  }

 private:
  uint64_t Below(uint64_t bound) { return world_.network.dice()->Below(bound); }
  TimeMs now() { return world_.network.timers()->now(); }

  void Show(const sip::SipHost& to, const sip::Message& message, const sip::Flow& flow) {
    std::printf("%7lld host %d to %d: %s %s CSeq %u, Call-ID %s, To tag %s%s\n",
                static_cast<long long>(now()), flow.remote.address.bytes[15],
                to.address().address.bytes[15],
                std::string(sip::MethodName(message.cseq.method)).c_str(),
                message.is_request ? message.request_uri.user.c_str()
                                   : absl::StrCat(message.status).c_str(),
                message.cseq.number, message.call_id.c_str(), std::string(message.to.tag()).c_str(),
                message.body.empty() ? "" : ", with a body");
  }

  SipPhone* AddPhone(uint8_t number, const sip::SipHabits& habits) {
    sip::SipNetwork& network = world_.network;
    phones_.push_back(std::make_unique<SipPhone>(&network, network.host(number), number, habits));
    return phones_.back().get();
  }

  // The number that the other side sees; the carrier writes it +91..., and the PBX dials a 0.
  static std::string NumberOf(const std::string& called) {
    return called.starts_with('0') ? absl::StrCat("+", called.substr(1)) : called;
  }

  // Both telephones hung up while nobody listened, and nothing is said twice for ever: the relay
  // hears silence.
  void FallSilent() {
    std::map<std::string, TimeMs> quiet_since;
    for (const auto& phone : phones_) {
      for (const auto& [call_id, call] : phone->calls()) {
        TimeMs& since = quiet_since[NumberOf(call.number)];
        since = std::max(since, call.ended ? call.ended_at : now());
      }
    }
    std::vector<CallNumber> silent;
    world_.table().ForEach([&](const Call::View& view) {
      if (view.answered && now() - quiet_since[NumberOf(view.to)] > kSilenceMs) {
        silent.push_back(view.number);
      }
    });
    for (CallNumber number : silent) world_.fake_relay.ReportSilence(number, 0);
  }

  // No telephone goes on with a call that the other one has left.
  void TwinsLive() {
    struct Pair {
      const SipPhone::Call* alive = nullptr;  // on this side
      TimeMs ended_at = 0;                    // the last one
    };
    std::map<std::string, std::array<Pair, 2>> pairs;
    for (const auto& phone : phones_) {
      for (const auto& [call_id, call] : phone->calls()) {
        Pair& pair = pairs[NumberOf(call.number)][call.caller ? 0 : 1];
        if (call.ended) {
          pair.ended_at = std::max(pair.ended_at, call.ended_at);
        } else {
          pair.alive = &call;
        }
      }
    }
    for (const auto& [number, both] : pairs) {
      for (int side = 0; side < 2; ++side) {
        const Pair& twin = both[1 - side];
        if (both[side].alive == nullptr || !both[side].alive->talked || twin.alive != nullptr) {
          continue;
        }
        EXPECT_LE(now() - twin.ended_at, scene_.twin_ms) << number << " has lost its twin";
      }
    }
  }

  // Looks at the invariants on the way.
  void Pass(TimeMs span) {
    world_.Run(span);
    if (scene_.twin_ms != 0) TwinsLive();
    // Where the answer to our offer comes in an ACK, media wait for it; a new relay is told all.
    const TimeMs settled_ms = scene_.faithful ? kSoonMs : 20'000;
    if (!world_.fake_relay.alive()) return;
    if (scene_.sipctl_stops && !stopped_) FallSilent();
    for (const auto& [id, session] : world_.fake_relay.sessions()) {
      EXPECT_LE(session.legs.size(), 2u);
    }
    world_.table().ForEach([&](const Call::View& view) {
      if (!view.answered || view.duration_ms < settled_ms) return;
      const auto session = world_.fake_relay.sessions().find(view.number);
      if (session == world_.fake_relay.sessions().end()) return;  // just told to a new relay
      EXPECT_EQ(session->second.legs.size(), 2u) << "a leg without its twin";
      // Our offer in a 200 is answered by the ACK, or never: until 64*T1 we wait for it.
      const auto caller = session->second.legs.find(0);
      const bool awaits_ack = view.duration_ms <= 32'000 && caller != session->second.legs.end() &&
                              caller->second.plan.remote_rtp.port == 0;
      EXPECT_TRUE(awaits_ack || (session->second.Hears(0, 1) && session->second.Hears(1, 0)));
    });
  }

  void KillRelay() {
    world_.fake_relay.Die();
    Pass(static_cast<TimeMs>(Below(7000)));
    world_.fake_relay.Restart();
  }
  void KillSipctl() {
    Keep();
    world_.RestartSipctl();
    world_.network.BreakAllConnections();
  }
  // Mostly for some seconds, at times for longer than any request waits and any session lasts.
  void StopSipctl() {
    ++leaps_;
    sip::SipHost* host = world_.network.host(1);
    stopped_ = true;
    host->Pause(/*keeps_datagrams=*/Below(2) == 0);
    Pass(static_cast<TimeMs>(Below(Below(4) == 0 ? 150'000 : 6000)));
    host->Resume();
    stopped_ = false;
  }
  void StopPbx() {
    world_.network.host(3)->set_up(false);
    Pass(static_cast<TimeMs>(Below(6000)));
    world_.network.host(3)->set_up(true);
  }
  // What a process that is about to die has written.
  void Keep() {
    cdrs_.insert(cdrs_.end(), world_.cdrs().begin(), world_.cdrs().end());
    world_.sipctl->notes.cdrs.clear();
  }

  void NothingLeft() {
    Keep();
    const Process& sipctl = *world_.sipctl;
    EXPECT_EQ(sipctl.table->size(), 0u) << "a call without an end";
    EXPECT_EQ(sipctl.layer->size(), 0u) << "a transaction is left";
    for (const auto& phone : phones_)
      EXPECT_EQ(phone->layer().size(), 0u) << "at a telephone, at " << now();
    EXPECT_TRUE(sipctl.context.farewells.empty()) << "a BYE without an end";
    EXPECT_TRUE(sipctl.context.late_acks.empty());
    EXPECT_TRUE(sipctl.context.by_transaction.empty());
    EXPECT_TRUE(sipctl.context.by_local_tag.empty());
    EXPECT_TRUE(world_.fake_relay.sessions().empty()) << "media without a call";
    EXPECT_EQ(sipctl.relay->size(), 0u);
    EXPECT_EQ(sipctl.relay->ports().in_use(), 0u);
    EXPECT_EQ(sipctl.journal.in_use(), 0u);
    EXPECT_EQ(sipctl.limits.calls(), 0u);
  }

  void Ended(const SipPhone& phone, Totals* totals) {
    for (const auto& [call_id, call] : phone.calls()) {
      EXPECT_TRUE(call.ended) << call_id << " is still up";
      EXPECT_FALSE(call.expired && scene_.faithful) << call_id << " was not refreshed";
      totals->pracks += call.pracks;
      totals->updates += call.updates;
      totals->refreshes += call.refreshes;
      totals->expired += call.expired;
      if (!call.caller) continue;
      ++totals->calls;
      totals->answered += call.answered;
      totals->cancelled += call.cancelled;
      totals->crossed += call.cancelled && call.answered;
      totals->reinvites += call.reinvites;
      totals->glares += call.glares;
      if (call.answered) {
        EXPECT_TRUE(call.confirmed) << call_id << ": a 2xx without ACK";
      }
    }
  }

  const SipPhone::Call* Find(const std::string& call_id) const {
    for (const auto& phone : phones_) {
      const auto found = phone->calls().find(call_id);
      if (found != phone->calls().end()) return &found->second;
    }
    return nullptr;
  }

  void Twins(const Cdr& cdr) {
    SCOPED_TRACE(ToJson(cdr));
    const SipPhone::Call* caller = Find(cdr.legs[0].call_id);
    ASSERT_NE(caller, nullptr) << "a record of a call that nobody placed";
    if (!cdr.answered) {
      EXPECT_FALSE(caller->answered && scene_.faithful);
      return;
    }
    const SipPhone::Call* callee = Find(cdr.legs[1].call_id);
    ASSERT_NE(callee, nullptr) << "answered by nobody";
    EXPECT_TRUE(callee->answered);
    if (scene_.faithful) {
      EXPECT_TRUE(caller->answered);
      EXPECT_TRUE(callee->confirmed);
    }
  }

  void EveryAnswerHasItsRecord() {
    size_t placed = 0;
    for (const auto& phone : phones_) {
      for (const auto& [call_id, call] : phone->calls()) {
        placed += call.caller;
        if (!call.caller || !call.answered) continue;
        const auto record = std::find_if(cdrs_.begin(), cdrs_.end(), [&](const Cdr& cdr) {
          return cdr.legs[0].call_id == call_id && cdr.answered;
        });
        EXPECT_NE(record, cdrs_.end()) << call_id << ": answered, but not in the records";
      }
    }
    EXPECT_EQ(cdrs_.size(), placed);
  }

  const Scene& scene_;
  World world_;
  std::vector<std::unique_ptr<SipPhone>> phones_;
  SipPhone* carrier_ = nullptr;
  SipPhone* pbx_ = nullptr;
  int leaps_ = 0;
  bool stopped_ = false;
  std::vector<Cdr> cdrs_;
};

Totals PlaySeed(uint64_t seed) {
  const Scene& scene = kScenes[seed % kSceneCount];
  SCOPED_TRACE(absl::StrCat("seed ", seed, " (", scene.name, "): --first=", seed,
                            " --seeds=1 plays it again"));
  Stage stage(seed, scene);
  stage.Play();
  return stage.Check();
}

TEST(CallSimulationTest, EachSeedEndsInAgreement) {
  Totals all;
  for (uint64_t seed = first_seed; seed < first_seed + seed_count; ++seed) {
    all.Add(PlaySeed(seed));
    if (HasFailure()) break;  // one seed is enough to look at
  }
  std::printf("%d calls: %d answered, %d cancelled, %d both, %d re-INVITEs, %d glares\n", all.calls,
              all.answered, all.cancelled, all.crossed, all.reinvites, all.glares);
  std::printf(
      "%d PRACKs, %d UPDATEs, %d refreshes, %d expired, %d logins, %d leaps, %d elsewhere\n",
      all.pracks, all.updates, all.refreshes, all.expired, all.logins, all.leaps, all.others);
  if (seed_count < 100 || HasFailure()) return;
  // The plot has happened: else the agreement above says little.
  const int hundreds = static_cast<int>(seed_count / 100);
  EXPECT_GT(all.answered, 500 * hundreds);
  EXPECT_GT(all.cancelled, 100 * hundreds);
  EXPECT_GT(all.crossed, hundreds);
  EXPECT_GT(all.reinvites, 100 * hundreds);
  EXPECT_GT(all.glares, hundreds);
  EXPECT_GT(all.pracks, 50 * hundreds);
  EXPECT_GT(all.updates, 50 * hundreds);
  EXPECT_GT(all.refreshes, 20 * hundreds);
  EXPECT_GT(all.logins, 100 * hundreds);
  EXPECT_GT(all.leaps, 10 * hundreds);
  EXPECT_GT(all.others, 10 * hundreds);
}

}  // namespace
}  // namespace sipctl::call

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--seeds=")) {
      sipctl::call::seed_count = std::strtoull(argument.c_str() + 8, nullptr, 10);
    } else if (argument.starts_with("--first=")) {
      sipctl::call::first_seed = std::strtoull(argument.c_str() + 8, nullptr, 10);
    } else if (argument == "--messages") {
      sipctl::call::show_messages = true;
    } else {
      std::fprintf(stderr, "%s is not known; --seeds=N, --first=N, --messages\n", argument.c_str());
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
