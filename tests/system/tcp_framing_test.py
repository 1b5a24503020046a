#!/usr/bin/python3
"""One TCP connection carries everything: messages cut at every offset, glued, trickling; and one
that is lost without a word is replaced."""

import re
import socket
import struct
import subprocess
import time

from rig import office
from rig.office import CARRIER, NUMBER_AT_CARRIER, SIP_PORT, TANDEM
from rig.process import wait_until


class Wire:
    """A SIP connection by hand."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind((CARRIER, 0))
        self.socket.connect((TANDEM, SIP_PORT))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(5)
        self.host, self.port = self.socket.getsockname()
        self.buffer = b""

    def options(self, number, body=b""):
        return (f"OPTIONS sip:ping@{TANDEM} SIP/2.0\r\n"
                f"Via: SIP/2.0/TCP {self.host}:{self.port};branch=z9hG4bK-{self.port}-{number}\r\n"
                f"From: <sip:carrier@{self.host}>;tag=wire\r\nTo: <sip:ping@{TANDEM}>\r\n"
                f"Call-ID: wire-{self.port}\r\nCSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def answer(self):
        """(status, number) of the next response."""
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                length = int(re.search(rb"(?i)^content-length: *(\d+)", head, re.M).group(1))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    status = int(head.split(b" ", 2)[1])
                    return status, int(re.search(rb"(?i)^cseq: *(\d+)", head, re.M).group(1))
            data = self.socket.recv(65536)
            assert data, "the connection was closed"
            self.buffer += data

    def close(self):
        self.socket.close()


class TcpFraming(office.Office):
    transport = "tcp"

    def setUp(self):
        super().setUp()
        self.wire = Wire()
        self.addCleanup(self.wire.close)

    def read_by_sipctl(self):
        """The kernel has nothing of ours left that sipctl did not read: the cut was real."""
        def drained():
            with open("/proc/net/tcp", encoding="utf-8") as table:
                for line in list(table)[1:]:
                    fields = line.split()
                    mine = fields[2].endswith(f":{self.wire.port:04X}")
                    if mine and int(fields[4].split(":")[1], 16) != 0:
                        return False
            return True
        wait_until(drained, 5, "reading of the first part")

    def test_cut_at_every_offset(self):
        length = len(self.wire.options(1000, b"body"))
        for offset in range(1, length):
            message = self.wire.options(1000 + offset, b"body")
            self.wire.socket.sendall(message[:offset])
            self.read_by_sipctl()
            self.wire.socket.sendall(message[offset:])
            self.assertEqual(self.wire.answer(), (200, 1000 + offset))

    def test_glued_together(self):
        self.wire.socket.sendall(b"".join(self.wire.options(n) for n in range(1, 101)))
        answers = [self.wire.answer() for _ in range(100)]
        self.assertEqual(sorted(answers), [(200, n) for n in range(1, 101)])

    def test_byte_by_byte_with_keep_alives_between(self):
        for number in (1, 2):
            for byte in b"\r\n\r\n" + self.wire.options(number):
                self.wire.socket.sendall(bytes([byte]))
            self.assertEqual(self.wire.answer(), (200, number))


# What goes both ways on one connection of ours to the carrier; not a new one.
LOST = """
table inet tandem_lost {{
  chain input {{
    type filter hook input priority 0;
    tcp dport {carrier} tcp sport {ours} drop
    tcp sport {carrier} tcp dport {ours} drop
  }}
}}
"""


class LostPeer(office.Office):
    """The carrier's end of a connection vanishes without a word while a call is on it."""

    transport = "tcp"

    def test_bye_comes_by_a_new_connection(self):
        carrier = self.side("uas", "carrier")
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        more=["-d", 5000])
        wait_until(lambda: carrier.received(r"^ACK "), 10, "the call")
        ours = self.port_to_carrier()
        rules = LOST.format(carrier=SIP_PORT, ours=ours)
        subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)
        self.assertFalse(carrier.received(r"^BYE "), "too late")
        pbx.expect_success()
        begun = time.monotonic()
        # TCP_USER_TIMEOUT, ten seconds, and not the kernel's quarter of an hour.
        carrier.expect_success(20)
        self.assertGreater(time.monotonic() - begun, 5)
        self.assertTrue(carrier.received(r"^BYE "))
        self.assertNotEqual(self.port_to_carrier(), ours)
        self.expect_no_calls()

    def port_to_carrier(self):
        """Of sipctl's established connection, the newest."""
        there = f"{struct.unpack('=I', socket.inet_aton(CARRIER))[0]:08X}:{SIP_PORT:04X}"
        with open("/proc/net/tcp", encoding="utf-8") as lines:
            ports = [int(line.split()[1].split(":")[1], 16) for line in list(lines)[1:]
                     if line.split()[2] == there]
        return ports[-1] if ports else None


if __name__ == "__main__":
    office.main()
