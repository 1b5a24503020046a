#!/usr/bin/python3
"""The torture messages of RFC 4475 and RFC 5118 on real sockets: each over UDP and over TCP, and
behind each a good one, which is served."""

import re
import socket
import subprocess

from rig import office, tandem
from rig.office import CARRIER, SIP_PORT, TANDEM

# Over TCP nobody can say where these end (RFC 3261 section 18.3): their connection ends instead.
WITHOUT_END = ("clerr", "ncl", "mcl01", "inv2543")
# A message with another one behind it, which a datagram may not have and whose length is wrong.
TWO_IN_ONE = "dblreq"


def messages():
    """[(name, outcome, status, bytes)]"""
    listed = subprocess.run([tandem.program("torture_list")], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [(name, outcome, int(status), bytes.fromhex(text))
            for name, outcome, status, text in rows]


def via_port(message):
    """Where a UDP answer goes (RFC 3261 section 18.2.2): the port of the topmost Via."""
    head = re.sub(rb"\r\n[ \t]+", b" ", message)
    via = re.search(rb"(?im)^(?:via|v)\s*:\s*sip\s*/\s*[\d.]+\s*/\s*\S+\s+(.*)$", head)
    port = re.match(rb"(?:\[[^\]]*\]|[^:;\s]*):(\d+)", via.group(1)) if via else None
    return int(port.group(1)) if port else SIP_PORT


class Torture(office.Office):
    def config(self):
        config = super().config()
        config["listeners"].append({"name": "tcp", "transport": "tcp",
                                    "bind": f"{TANDEM}:{SIP_PORT}"})
        return config

    def good(self, transport, port):
        return (f"OPTIONS sip:ping@{TANDEM} SIP/2.0\r\n"
                f"Via: SIP/2.0/{transport} {CARRIER}:{port};branch=z9hG4bKgood{port}\r\n"
                f"From: <sip:carrier@{CARRIER}>;tag=good\r\nTo: <sip:ping@{TANDEM}>\r\n"
                f"Call-ID: good-{port}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
                "Content-Length: 0\r\n\r\n").encode()

    def heard(self, kind, message):
        """The statuses that one message gets until a good one behind it is served; "closed" where
        the connection ends first."""
        datagrams = kind == socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wire.bind((CARRIER, via_port(message) if datagrams else 0))
            wire.connect((TANDEM, SIP_PORT))
            wire.settimeout(10)
            port = wire.getsockname()[1]
            good = self.good("UDP" if datagrams else "TCP", port)
            for each in [message, good] if datagrams else [message + good]:
                wire.sendall(each)
            got = b""
            while f"Call-ID: good-{port}".encode() not in got:
                try:
                    data = wire.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return self.statuses(got) + ["closed"]
                got += data
            statuses = self.statuses(got)
            self.assertEqual(statuses.pop(), 200, got)
            return statuses

    def statuses(self, got):
        return [int(status) for status in re.findall(rb"(?m)^SIP/2\.0 (\d+) ", got)
                if int(status) != 100]

    def expect(self, name, outcome, status, got):
        if outcome == "answered":
            self.assertEqual(got, [status], name)
        elif outcome == "served":  # but the number is nobody's, or the dialog (a tag in To)
            self.assertEqual(len(got), 1, name)
            self.assertIn(got[0], (200, 404, 481, 482, 488), name)
        else:
            self.assertEqual(got, [], name)

    def test_each_as_a_datagram(self):
        for name, outcome, status, message in messages():
            self.expect(name, outcome, status, self.heard(socket.SOCK_DGRAM, message))

    def test_each_on_a_connection(self):
        for name, outcome, status, message in messages():
            got = self.heard(socket.SOCK_STREAM, message)
            if name in WITHOUT_END:
                self.assertEqual(got[-1], "closed", name)
            elif name == TWO_IN_ONE:
                self.assertEqual(got, [status, "closed"], name)
            else:
                self.expect(name, outcome, status, got)


if __name__ == "__main__":
    office.main()
