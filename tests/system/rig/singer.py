"""A far party that sings: a steady tone in one G.711 law and telephone events between, and what it
hears measured. Encoding and decoding are Python's own (audioop), not the relay's."""

import audioop
import math
import struct

from . import rtp
from .process import wait_until

RATE = 8000
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
ENCODE = {"PCMU": audioop.lin2ulaw, "PCMA": audioop.lin2alaw}
DECODE = {"PCMU": audioop.ulaw2lin, "PCMA": audioop.alaw2lin}


def share_of(hertz, samples):
    """How much of the samples' power is at this frequency, 0 to 1."""
    phase = [2 * math.pi * hertz * i / RATE for i in range(len(samples))]
    re = sum(s * math.cos(p) for s, p in zip(samples, phase))
    im = sum(s * math.sin(p) for s, p in zip(samples, phase))
    return 2 * (re * re + im * im) / (len(samples) * sum(s * s for s in samples))


def usual_share_of(hertz, samples):
    """The same in the middle one of all tenths of a second: a telephone that stutters on a busy
    machine turns the tone's phase, and then a longer piece has less of it."""
    tenth = RATE // 10
    shares = sorted(share_of(hertz, samples[at:at + tenth])
                    for at in range(0, len(samples) - tenth + 1, tenth)
                    if any(samples[at:at + tenth]))
    return shares[len(shares) // 2] if shares else 0


class Singer(rtp.Party):
    """`peak` is the tone's height of 32767; events go out under `event_type`, which goes with
    packets of 20 ms alone."""

    def __init__(self, address, port, name, law, hertz, peak=8000, event_type=101, packet_ms=20):
        self.samples, self.interval = RATE * packet_ms // 1000, packet_ms / 1000
        self.law, self.hertz, self.peak, self.event_type = law, hertz, peak, event_type
        self.packets_heard = []  # (payload type, marker, sequence, timestamp, payload)
        self.to_press = []  # packets of telephone events that go out instead of the tone
        self.to_renumber = []
        super().__init__(address, port, name)

    def press(self, event, duration_ms=100):
        """A key: an event's packets every 20 ms, its end three times."""
        count = duration_ms // 20
        units = [160 * (i + 1) for i in range(count)] + [160 * count] * 2
        self.to_press = [(event, i >= count - 1, length, i) for i, length in enumerate(units)]

    def renumber(self, number):
        """The next packet has this number and its time, as of a program that was started again."""
        self.to_renumber.append(number)

    def _packet(self):
        if self.to_renumber:
            self.sent = self.to_renumber.pop(0)
        marker, kind = self.sent == 0, PAYLOAD_TYPES[self.law]
        timestamp = self.sent * self.samples
        if self.to_press:
            event, end, length, index = self.to_press.pop(0)
            marker, kind, timestamp = index == 0, self.event_type, (self.sent - index) * 160
            payload = struct.pack("!BBH", event, (0x80 if end else 0) | 10, length)
        else:
            wave = [self.peak * math.sin(2 * math.pi * self.hertz * (timestamp + i) / RATE)
                    for i in range(self.samples)]
            payload = ENCODE[self.law](struct.pack(f"={len(wave)}h", *map(round, wave)), 2)
        return struct.pack("!BBHII", 0x80, kind | (0x80 if marker else 0), self.sent & 0xffff,
                           timestamp, 0x7b000000 + self.port) + payload

    def _hear(self):
        try:
            data, _ = self.socket.recvfrom(2048)
        except OSError:
            return
        self.heard_packet(data)

    def heard_packet(self, data):
        if len(data) < 12 or data[0] != 0x80:
            self.strange += 1
            return
        sequence, timestamp = struct.unpack("!HI", data[2:8])
        self.packets_heard.append((data[1] & 0x7f, data[1] >> 7, sequence, timestamp, data[12:]))

    def expect_packets(self, count, payload_type, seconds=5):
        wait_until(lambda: len(self.of_type(payload_type)) >= count, seconds,
                   lambda: f"{count} packets of type {payload_type} at {self.name}: "
                           f"{[p[0] for p in self.packets_heard]}")

    def of_type(self, payload_type):
        return [p for p in self.packets_heard if p[0] == payload_type]

    def tone(self, law):
        """(level in dB of full scale, share of it that is at `hertz`) of what came in `law`."""
        speech = b"".join(p[4] for p in self.of_type(PAYLOAD_TYPES[law])[5:])
        samples = [s[0] for s in struct.iter_unpack("=h", DECODE[law](speech, 2))]
        power = sum(s * s for s in samples) / len(samples)
        return 10 * math.log10(power / 32768 ** 2), lambda hertz: share_of(hertz, samples)
