"""Looks on from outside: every packet on the interfaces of this network namespace, once.

Counts RTP by stream, with loss by sequence number and jitter (RFC 3550 section 6.4.1), and notes
when SIP messages passed. It is no part of what it watches and uses none of its code.
"""

import re
import select
import socket
import struct
import threading
import time

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_CLOCK_RATE = 8000


class Stream:
    """RTP from one (address, port) to another."""

    def __init__(self, source, destination):
        self.source, self.destination = source, destination
        self.packets = 0
        self.sequences = set()
        self.payload_types = {}
        self.jitter = 0.0
        self.transit = None
        self.times = []

    def add(self, data, now):
        payload_type, sequence, timestamp = data[1] & 0x7f, *struct.unpack("!HI", data[2:8])
        self.packets += 1
        self.sequences.add(sequence)
        self.payload_types[payload_type] = self.payload_types.get(payload_type, 0) + 1
        transit = now * _CLOCK_RATE - timestamp
        if self.transit is not None and abs(transit - self.transit) < _CLOCK_RATE:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit
        self.times.append(now)

    def packets_before(self, moment):
        return sum(t < moment for t in self.times)

    @property
    def jitter_ms(self):
        return 1000 * self.jitter / _CLOCK_RATE

    @property
    def missing(self):
        """Gaps in the sequence; calls here are short, so 16 bits do not wrap twice."""
        numbers = sorted(self.sequences)
        if not numbers:
            return 0
        if numbers[-1] - numbers[0] > 0x8000:  # wrapped
            numbers = sorted((n + 0x10000 if n < 0x8000 else n) for n in numbers)
        return numbers[-1] - numbers[0] + 1 - len(numbers)

    @property
    def codec(self):
        common = max(self.payload_types, key=self.payload_types.get, default=None)
        return {0: "PCMU", 8: "PCMA"}.get(common, str(common))


class Witness:
    def __init__(self, sip_port=5060):
        self.sip_port = sip_port
        self.streams = {}
        self.sip = []  # (time, source, destination, first line)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            if not select.select([self.socket], [], [], 0.1)[0]:
                continue
            data, where = self.socket.recvfrom(65536)
            # On loopback each packet passes twice, out and in again.
            again = where[0] == "lo" and where[2] == _PACKET_OUTGOING
            if not again and len(data) > 28 and data[0] >> 4 == 4 and data[9] == 17:
                self._datagram(data, time.monotonic())

    def _datagram(self, data, now):
        header = (data[0] & 15) * 4
        source, destination = (socket.inet_ntoa(data[i:i + 4]) for i in (12, 16))
        from_port, to_port = struct.unpack("!HH", data[header:header + 4])
        payload = data[header + 8:]
        ends = (source, from_port), (destination, to_port)
        if self.sip_port in (from_port, to_port) or payload[:4] in (b"SIP/", b"INVI"):
            line = payload.split(b"\r\n", 1)[0].decode(errors="replace")
            method = re.search(rb"(?im)^cseq:\s*\d+\s+(\w+)", payload)
            self.sip.append((now, *ends, line, method.group(1).decode() if method else ""))
        elif len(payload) >= 12 and payload[0] >> 6 == 2 and not 192 <= payload[1] <= 223:
            self.streams.setdefault(ends, Stream(*ends)).add(payload, now)

    def between(self, source, destination):
        """All RTP from one address to another as one Stream-like sum; None when there was none."""
        found = [s for s in self.streams.values()
                 if s.source[0] == source and s.destination[0] == destination]
        return max(found, key=lambda s: s.packets, default=None)

    def setup(self, caller):
        """When an INVITE left `caller`, and when its 200 came."""
        begin = [t for t, s, _, line, _ in self.sip if s[0] == caller and
                 line.startswith("INVITE ")]
        if not begin:
            return None
        ends = [t for t, _, d, line, method in self.sip if d[0] == caller and
                line.startswith("SIP/2.0 200") and method == "INVITE" and t >= begin[0]]
        return (begin[0], ends[0]) if ends else None

    def setup_ms(self, caller):
        times = self.setup(caller)
        return 1000 * (times[1] - times[0]) if times else None

    def hang_up(self):
        """When the first BYE passed."""
        return min((t for t, _, _, line, _ in self.sip if line.startswith("BYE ")),
                   default=float("inf"))

    def close(self):
        self.ended.set()
        self.thread.join()
        self.socket.close()
