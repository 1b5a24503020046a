"""A far party's media: sends numbered PCMA packets at 50/s and knows which of the other's came."""

import select
import socket
import struct
import threading
import time

from .process import wait_until

PCMA, TELEPHONE_EVENT = 8, 101
INTERVAL = 0.02


def sender_report(ssrc):
    """SR and SDES (RFC 3550 sections 6.4.1, 6.5)."""
    return (struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 0xe5 << 56, 0, 1, 160) +
            struct.pack("!BBHIBB", 0x81, 202, 3, ssrc, 1, 2) + b"a@" + bytes(4))


class Party:
    """Bound from the start; sends while `talk` was called and `hush` was not."""

    interval = INTERVAL  # seconds of speech a packet

    def __init__(self, address, port, name):
        self.address, self.port, self.name = address, port, name
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((address, port))
        self.remote = None
        self.sent = 0
        self.heard = {}  # number -> arrival time, of the other party's packets
        self.twice = 0
        self.strange = 0  # packets that are not RTP of a Party
        self.payload_types = set()
        self.sources = set()
        self.ssrcs = set()
        self.tag = name.encode().ljust(8)[:8]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def talk(self, remote):
        self.remote = remote

    def hush(self):
        """No packet leaves after this; returns how many did."""
        self.remote = None
        time.sleep(2 * self.interval)
        return self.sent

    def _packet(self):
        header = struct.pack("!BBHII", 0x80, PCMA | (0x80 if self.sent == 0 else 0),
                             self.sent & 0xffff, self.sent * 160, 0x7a000000 + self.port)
        return header + self.tag + struct.pack("!Q", self.sent) + b"\xd5" * 144

    def _run(self):
        due = time.monotonic()
        while not self.ended.is_set():
            remote = self.remote
            now = time.monotonic()
            if remote is None:
                due = now
            elif now >= due:
                try:
                    self.socket.sendto(self._packet(), remote)
                    self.sent += 1
                except OSError:
                    pass  # an ICMP error of an earlier packet
                due += self.interval
            wait = INTERVAL if remote is None else max(0.0, due - time.monotonic())
            if select.select([self.socket], [], [], wait)[0]:
                self._hear()

    def _hear(self):
        try:
            data, source = self.socket.recvfrom(2048)
        except OSError:
            return
        if len(data) != 172 or data[0] != 0x80 or data[12:20] == self.tag:
            self.strange += 1
            return
        number = struct.unpack("!Q", data[20:28])[0]
        self.twice += number in self.heard
        self.heard[number] = time.monotonic()
        self.payload_types.add(data[1] & 0x7f)
        self.ssrcs.add(data[8:12])
        self.sources.add(source[:2])

    def expect_heard(self, count, seconds=5):
        wait_until(lambda: len(self.heard) >= count, seconds,
                   lambda: f"{count} packets at {self.name}: {len(self.heard)} came")

    def longest_silence(self):
        times = sorted(self.heard.values())
        return max((b - a for a, b in zip(times, times[1:])), default=float("inf"))

    def missing(self, first, last):
        """Numbers first..last that did not come."""
        return [n for n in range(first, last + 1) if n not in self.heard]

    def close(self):
        self.ended.set()
        self.thread.join()
        self.socket.close()


def converse(a, b, to_a, to_b, packets=50, seconds=10):
    """Both talk until each heard `packets` more, hush, and nothing is lost from then on."""
    heard_a, heard_b = len(a.heard), len(b.heard)
    a.talk(to_a)
    b.talk(to_b)
    b.expect_heard(heard_b + packets, seconds)
    a.expect_heard(heard_a + packets, seconds)
    a.hush()
    b.hush()
