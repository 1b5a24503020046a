// Telephone events as a program of what strangers may send and what the client may ask: a digit is
// told at most once, what waits is bounded, and what the relay makes is whole events in one stream.
//
// Input: events of four bytes.
#include <algorithm>
#include <cstring>
#include <vector>

#include "relay/abi/command.h"
#include "relay/stage/digits.h"
#include "relay/stage/rewrite.h"
#include "relay/wire/bytes.h"
#include "tests/fuzz/require.h"

namespace {

using relay::TimeNs;
namespace session = relay::session;
namespace stage = relay::stage;
namespace wire = relay::wire;

bool Before(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) < 0;
}

// A party that presses keys.
class Heard {
 public:
  // `how`, from its lowest bit: the timestamp goes on by `step`, or back; by a segment; marker;
  // end; the duration is near its end; the duration, in 10 ms (3 bits). An `event` of 200 or more
  // comes so much too late.
  void Event(uint8_t how, uint8_t event, uint8_t step) {
    Move(how, step);
    const uint16_t units = static_cast<uint16_t>((how & 0x10 ? 0xff00 : 0) + 80 * (how >> 5));
    const size_t length = event == 0xff ? step % 4 : 4;
    // A copy of exactly this size, so that a byte too far is seen.
    std::vector<uint8_t> packet(wire::kRtpHeaderLength + length);
    if (length == 4) {
      packet[12] = event % 20;
      packet[13] = static_cast<uint8_t>(how & 0x08 ? 0x80 : 0);
      wire::Store16(&packet[14], units);
    }
    const bool late = event >= 200;
    if (!late) ++sequence_;
    const auto behind = static_cast<uint16_t>(late ? 8 * (event - 199) : 0);
    const wire::Rtp rtp{.ssrc = ssrc_,
                        .timestamp = timestamp_,
                        .sequence = static_cast<uint16_t>(sequence_ - behind),
                        .marker = (how & 0x04) != 0,
                        .payload_offset = wire::kRtpHeaderLength,
                        .payload_length = static_cast<uint32_t>(length)};
    const session::Leg before = leg_;
    Check(before, stage::HearEvent(leg_, packet.data(), rtp, 8000), 2);
    if (length < 4) REQUIRE(std::memcmp(&leg_, &before, sizeof leg_) == 0);
    if (length == 4) OfThePastOrHeard(before, rtp);
  }
  void Speech(uint8_t how, uint8_t step) {
    Move(how, step);
    if (!(leg_.gate.flags & session::kGateDigit)) return;  // then nobody asks
    const session::Leg before = leg_;
    Check(before, stage::HearSpeech(leg_, {.ssrc = ssrc_, .timestamp = timestamp_}), 1);
  }
  void Post() { leg_.digits.pending_count = 0; }

 private:
  void Move(uint8_t how, uint8_t step) {
    if (how & 0x01) timestamp_ += 80 * static_cast<uint32_t>(static_cast<int8_t>(step));
    if (how & 0x02) timestamp_ += 0xf000 + 16 * step;
    if (step == 0x77) ssrc_ ^= 1;
  }

  void Check(const session::Leg& before, stage::Heard heard, int most) {
    const session::DigitsLine& line = leg_.digits;
    REQUIRE(heard.told + heard.lost <= most);
    REQUIRE(line.pending_count == before.digits.pending_count + heard.told);
    REQUIRE(line.pending_count <= std::size(line.pending));
    REQUIRE(heard.lost == 0 || line.pending_count == std::size(line.pending));
    for (int i = 0; i < line.pending_count; ++i) {
      REQUIRE(line.pending[i].event <= relay::abi::kDigitMax);
      const bool known = i < before.digits.pending_count;
      REQUIRE(!known || std::memcmp(&line.pending[i], &before.digits.pending[i],
                                    sizeof line.pending[i]) == 0);
    }
    const bool open = line.state == session::EventState::kOpen;
    REQUIRE(open == ((leg_.gate.flags & session::kGateDigit) != 0));
    Once(before.digits, heard);
    // Nothing else of the leg is touched.
    session::Leg rest = leg_;
    rest.digits = before.digits;
    rest.gate.flags = before.gate.flags;
    REQUIRE(std::memcmp(&rest, &before, sizeof rest) == 0);
  }

  // What is late by its timestamp and by its number is of an event that is over, and nothing else.
  void OfThePastOrHeard(const session::Leg& before, const wire::Rtp& rtp) {
    const session::DigitsLine& line = before.digits;
    const bool known = line.state != session::EventState::kNone && line.ssrc == rtp.ssrc;
    const bool late = static_cast<uint16_t>(newest_ - rtp.sequence) <= stage::kMisorderMax;
    if (known && late && Before(rtp.timestamp, line.timestamp)) {
      REQUIRE(std::memcmp(&leg_, &before, sizeof leg_) == 0);
      return;
    }
    REQUIRE(leg_.digits.ssrc == rtp.ssrc && leg_.digits.timestamp == rtp.timestamp);
    if (!known || !late) newest_ = rtp.sequence;
  }

  // An event ends once: the one that was open, and the one that this packet has begun.
  void Once(const session::DigitsLine& before, stage::Heard heard) {
    const session::DigitsLine& line = leg_.digits;
    const bool went_on = line.units_before > before.units_before;
    const bool begun = !went_on && (before.state == session::EventState::kNone ||
                                    line.ssrc != before.ssrc || line.timestamp != before.timestamp);
    const int ended = (before.state == session::EventState::kOpen ? 1 : 0) +
                      (begun && line.state == session::EventState::kDone ? 1 : 0);
    REQUIRE(heard.told + heard.lost <= ended);
  }

  session::Leg leg_{};
  uint32_t ssrc_ = 2;
  uint32_t timestamp_ = 0xffff0000;
  uint16_t sequence_ = 0xff00;
  uint16_t newest_ = 0;  // of events, as far as they were heard
};

// A party for whom digits are made.
class Made {
 public:
  Made() {
    leg_.out.flags = session::kOutSends;
    leg_.out.remote_port = 4000;
    leg_.rtcp.ssrc = 0x12345678;
    leg_.path.format_count = 2;
    leg_.formats[0] = relay::abi::EqualFormat(8, relay::abi::Codec::kPcma, 8000);
    leg_.formats[1] = relay::abi::EqualFormat(96, relay::abi::Codec::kTelephoneEvent, 8000);
  }

  void Ask(uint8_t event, uint8_t length) {
    const session::Digit digit{
        .event = static_cast<uint8_t>(event % (relay::abi::kDigitMax + 1)),
        .volume = 10,
        .duration_ms = static_cast<uint16_t>(relay::abi::kDigitMsMin + 20 * (length % 32))};
    const uint8_t before = leg_.play.count;
    const bool taken = stage::QueueDigit(leg_, digit, now_);
    REQUIRE(leg_.play.count == before + (taken ? 1 : 0));
    REQUIRE(leg_.play.count <= std::size(leg_.play.queue));
    REQUIRE(!taken || leg_.play.next_ns != 0);
    if (taken) asked_.push_back(digit);
  }
  void Hold() { leg_.out.flags ^= session::kOutSends; }
  void ChangeFormats() { leg_.path.format_count ^= 3; }  // 2, 1
  // The other side speaks, as the pipeline lets it pass.
  void Speak(uint8_t step) {
    now_ += relay::kMillisecond * step;
    if (leg_.out.flags & session::kOutPlaying) return;
    wire::Rtp rtp{.ssrc = 5u + step % 2,
                  .timestamp = 160u * ++spoken_,
                  .sequence = static_cast<uint16_t>(spoken_),
                  .payload_type = 8};
    stage::Rewrite(leg_, 8, &rtp, now_);
    if (!sent_any_) sequence_ = static_cast<uint16_t>(rtp.sequence - 1);
    REQUIRE(rtp.sequence == static_cast<uint16_t>(sequence_ + 1));
    Number(rtp.sequence);
  }
  void Timer() {
    if (leg_.play.next_ns == 0) return;
    now_ = std::max(now_, leg_.play.next_ns);
    const bool starts = leg_.play.elapsed_ms == 0;
    std::vector<uint8_t> packet(stage::kEventPacketLength);
    const size_t waiting = leg_.play.count;
    const bool heard = leg_.play.ends_left != 0;
    const auto [length, lost, first_end] = stage::SendEvent(leg_, now_, packet);
    REQUIRE(lost == (length == 0 ? waiting - (heard ? 1 : 0) : 0));
    REQUIRE(first_end == (length != 0 && !heard && leg_.play.ends_left != 0));
    if (leg_.play.count == 0) {
      REQUIRE(leg_.play.next_ns == 0);
      REQUIRE(!(leg_.out.flags & session::kOutPlaying));
      REQUIRE(leg_.play.ends_left == 0 && leg_.play.elapsed_ms == 0);
    } else {
      REQUIRE(leg_.play.next_ns > now_);
    }
    if (length == 0) {
      REQUIRE(leg_.play.count == 0);
      asked_.clear();
      ends_ = 0;
      return;
    }
    REQUIRE(length == stage::kEventPacketLength);
    Look(packet, starts);
  }

 private:
  void Number(uint16_t sequence) {
    sequence_ = sequence;
    sent_any_ = true;
  }
  void Look(const std::vector<uint8_t>& packet, bool starts) {
    wire::Rtp rtp{};
    REQUIRE(wire::ParseRtp(packet.data(), packet.size(), &rtp) == wire::RtpFault::kNone);
    wire::TelephoneEvent event{};
    REQUIRE(wire::ParseTelephoneEvent(&packet[rtp.payload_offset], rtp.payload_length, &event));
    REQUIRE(!sent_any_ || rtp.sequence == static_cast<uint16_t>(sequence_ + 1));
    Number(rtp.sequence);
    REQUIRE(rtp.payload_type == 96);
    REQUIRE(rtp.marker == starts);
    REQUIRE(!asked_.empty() && event.event == asked_.front().event);
    REQUIRE(starts || rtp.timestamp == timestamp_);
    REQUIRE(starts ? event.duration == 160 : event.duration >= duration_);
    REQUIRE(event.duration <= asked_.front().duration_ms * 8);
    timestamp_ = rtp.timestamp;
    duration_ = event.duration;
    REQUIRE(event.end || ends_ == 0);
    if (!event.end) return;
    REQUIRE(event.duration == asked_.front().duration_ms * 8);
    if (++ends_ < 3) return;
    ends_ = 0;
    asked_.erase(asked_.begin());
    REQUIRE(leg_.play.count == asked_.size());
  }

  session::Leg leg_{};
  TimeNs now_ = 5 * relay::kSecond;
  std::vector<session::Digit> asked_;
  uint32_t spoken_ = 100;
  uint32_t timestamp_ = 0;
  uint16_t sequence_ = 0;
  uint16_t duration_ = 0;
  int ends_ = 0;
  bool sent_any_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  Heard heard;
  Made made;
  for (size_t i = 0; i + 3 < size; i += 4) {
    switch (data[i] % 10) {
      case 0:
      case 1:
      case 2:
        heard.Event(data[i + 1], data[i + 2], data[i + 3]);
        break;
      case 3:
        heard.Speech(data[i + 1], data[i + 3]);
        break;
      case 4:
        heard.Post();
        break;
      case 5:
        made.Ask(data[i + 1], data[i + 2]);
        break;
      case 6:
        for (int k = data[i + 1] % 16; k >= 0; --k) made.Timer();
        break;
      case 7:
        made.Speak(data[i + 1]);
        break;
      case 8:
        made.Hold();
        break;
      case 9:
        made.ChangeFormats();
        break;
    }
  }
  return 0;
}
