#!/usr/bin/python3
"""SIP over TLS: Kamailio is the carrier's edge, openssl and Python's ssl look at the rims.

By hand, as root, after a build:
  tests/system/tls_test.py --silence=600 IdleClose                       ten minutes on the clock
  tests/system/tls_test.py --whole=10000 --aborted=10000 Handshakes
"""

import os
import signal
import socket
import ssl
import struct
import subprocess
import time

from rig import office, tandem
from rig.certificates import Certificates
from rig.kamailio import Kamailio
from rig.office import CARRIER, NUMBER_AT_CARRIER, NUMBER_AT_PBX, PBX, SIP_PORT, TANDEM
from rig.process import wait_until

TLS_PORT = 5061
INSIDE = "127.0.0.4"  # the carrier's switch, behind its edge
INSIDE_PORT = 5080


class TlsOffice(office.Office):
    """The carrier speaks TLS, the PBX UDP."""

    client_trust = False
    lifetime_s = 120

    def setUp(self):
        self.certificates = None
        super().setUp()

    def config(self):
        self.certificates = Certificates(self.folder)
        config = office.office_config(self.folder)
        config["listeners"].append({
            "name": "tls", "transport": "tls", "bind": f"{TANDEM}:{TLS_PORT}",
            "certificate": self.certificates("edge.pem"),
            **({"client_trust": self.certificates("ca.pem")} if self.client_trust else {})})
        config["trunks"][0].update({
            "transport": "tls", "destination": f"{CARRIER}:{TLS_PORT}",
            "tls_name": "edge.example.test", "tls_trust": self.certificates("ca.pem"),
            "tls_certificate": self.certificates("client.pem")})
        return config

    def edge(self, **more):
        more.setdefault("certificate", self.certificates("edge.pem"))
        more.setdefault("client_certificate", self.certificates("client.pem"))
        return self.begin(Kamailio(
            self.folder, [f"tls:{CARRIER}:{TLS_PORT}", f"udp:{CARRIER}:5070"], TANDEM,
            f"sip:{INSIDE}:{INSIDE_PORT}", f"sip:{TANDEM}:{TLS_PORT};transport=tls",
            trust=self.certificates("ca.pem"), lifetime_s=self.lifetime_s, **more))

    def switch(self, scenario, **more):
        """SIPp behind the carrier's edge, reached over UDP."""
        from rig.sipp import Sipp
        keys = {"rtp_ip": CARRIER, "rtp_port": office.CARRIER_RTP}
        remote = more.pop("remote", None)
        return self.begin(Sipp(self.folder, scenario, (INSIDE, INSIDE_PORT), remote, keys=keys,
                               name=f"switch-{scenario}", **more))


class ThroughTheEdge(TlsOffice):
    client_trust = True  # both sides show certificates

    def test_the_carrier_calls(self):
        self.edge()
        pbx = self.side("uas", "pbx")
        switch = self.switch("uac", remote=(CARRIER, 5070), service=NUMBER_AT_PBX,
                             more=["-d", 500])
        switch.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_the_carrier_is_called(self):
        self.edge()
        switch = self.switch("uas")
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        more=["-d", 500])
        pbx.expect_success()
        switch.expect_success()
        # ACK and BYE followed the edge's two Record-Routes.
        self.assertTrue(switch.received(r"^BYE "))
        self.expect_no_calls()


class IdleClose(TlsOffice):
    lifetime_s = 2

    def config(self):
        config = super().config()
        for trunk in config["trunks"]:
            trunk["media_timeout"] = "off"  # nobody speaks
        return config

    def test_a_call_ends_well_after_its_connection(self):
        silence = office.asked("silence")
        self.edge()
        switch = self.switch("uas", timeout=silence + 70)
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        timeout=silence + 70, more=["-d", silence * 1000])

        def connections():
            with open("/proc/net/tcp", encoding="utf-8") as lines:
                return sum(1 for line in list(lines)[1:]
                           if line.split()[1].endswith(f":{TLS_PORT:04X}") and
                           line.split()[3] == "01")
        wait_until(lambda: connections() > 0, 5, "connection to the edge")
        wait_until(lambda: connections() == 0, 18, "idle close by the edge")
        pbx.expect_success(silence + 70)
        switch.expect_success()
        self.assertTrue(switch.received(r"^BYE "))
        self.expect_no_calls()


class KilledWhileItRings(TlsOffice):
    def test_the_edge_hears_cancel_by_a_new_connection(self):
        self.edge()
        switch = self.switch("uas_cancelled")
        pbx = self.side("uac_rings_unavailable", "pbx", (TANDEM, SIP_PORT),
                        service=NUMBER_AT_CARRIER)
        wait_until(lambda: pbx.received(r"^SIP/2.0 180"), 10, "ringing")
        self.sipctl.program.kill()
        self.sipctl.start()
        pbx.expect_success()
        switch.expect_success()
        self.expect_no_calls()


class Certificate(TlsOffice):
    def test_an_edge_with_another_name_is_not_called(self):
        self.edge(certificate=self.certificates("client.pem"))
        pbx = self.side("uac_unavailable", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER)
        wait_until(lambda: pbx.received(r"^SIP/2.0 502"), 20, "502")
        self.expect_no_calls()

    def test_new_certificates_on_a_signal(self):
        path = self.certificates("edge.pem")

        def serial():
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"{TANDEM}:{TLS_PORT}", "-bind",
                 f"{CARRIER}:0", "-CAfile", self.certificates("ca.pem"), "-verify_return_error"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            self.assertIn("Verify return code: 0 (ok)", done.stdout)
            return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=done.stdout,
                                  capture_output=True, text=True, check=True).stdout
        before = serial()
        wire = self.wire()
        os.replace(self.certificates("soon.pem"), path)
        self.sipctl.program.signal(signal.SIGHUP)
        wait_until(lambda: " ends in " in self.sipctl.log_text, 5, "reload")
        self.assertNotEqual(serial(), before)
        # The connection from before lives.
        wire.sendall(self.options(1))
        self.assertIn(b"200 OK", wire.recv(65536))

    def wire(self):
        plain = socket.create_connection((TANDEM, TLS_PORT), 5, (CARRIER, 0))
        context = ssl.create_default_context(cafile=self.certificates("ca.pem"))
        wire = context.wrap_socket(plain, server_hostname="edge.example.test")
        self.addCleanup(wire.close)
        return wire

    def options(self, number):
        return (f"OPTIONS sip:{TANDEM} SIP/2.0\r\n"
                f"Via: SIP/2.0/TLS {CARRIER}:5061;branch=z9hG4bK{number}\r\n"
                f"From: <sip:a@{CARRIER}>;tag=a\r\nTo: <sip:{TANDEM}>\r\nCall-ID: o{number}\r\n"
                f"CSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\n"
                f"Content-Length: 0\r\n\r\n").encode()

    def test_old_protocols_are_refused_and_both_new_ones_taken(self):
        for option, taken in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"{TANDEM}:{TLS_PORT}", "-bind",
                 f"{CARRIER}:0", option, "-cipher", "ALL:@SECLEVEL=0"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            self.assertEqual("Cipher is (NONE)" not in done.stdout, taken, option)

    def test_one_bad_message_between_two_good_ones(self):
        wire = self.wire()
        bad = self.options(2).replace(b"CSeq: 2 OPTIONS", b"CSeq: x")
        wire.sendall(self.options(1) + bad + self.options(3))
        got = b""
        while b"CSeq: 3 OPTIONS" not in got:
            data = wire.recv(65536)
            self.assertTrue(data, f"closed after {got}")
            got += data
        answers = got.split(b"SIP/2.0 ")[1:]
        self.assertEqual([answer[:3] for answer in answers], [b"200", b"400", b"200"])
        self.assertIn(b"CSeq: 1 OPTIONS", answers[0])
        self.assertIn(b"CSeq: x", answers[1])  # what cannot be read is repeated as it came


class Handshakes(TlsOffice):
    """Many hand-shakes, whole and broken off, leave no memory behind."""

    def rss(self):
        return self.sipctl.program.rss_bytes()

    def hello(self):
        """The first flight of a client, made once."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.certificates("ca.pem"))
        client = context.wrap_bio(incoming, outgoing, server_hostname="edge.example.test")
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def abort(self, number, hello):
        wire = socket.create_connection((TANDEM, TLS_PORT), 5, (CARRIER, 0))
        if number % 3 == 0:
            wire.sendall(hello[:number % len(hello)])
        elif number % 3 == 1:
            wire.sendall(hello)
        if number % 2:  # a reset instead of a farewell
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    def settle(self):
        """Until sipctl has seen the end of all connections: it takes 64 from one source. A whole
        hand-shake comes after all that were begun before it."""
        self.shake()
        fds = f"/proc/{self.sipctl.program.pid}/fd"
        wait_until(lambda: len(os.listdir(fds)) <= self.descriptors, 10, "end of the connections")

    def shake(self):
        with socket.create_connection((TANDEM, TLS_PORT), 5, (CARRIER, 0)) as plain:
            with self.context.wrap_socket(plain, server_hostname="edge.example.test") as wire:
                self.assertIn(wire.version(), ("TLSv1.2", "TLSv1.3"))

    def test_memory_stays_flat(self):
        hello = self.hello()
        self.context = ssl.create_default_context(cafile=self.certificates("ca.pem"))
        self.descriptors = len(os.listdir(f"/proc/{self.sipctl.program.pid}/fd"))

        def rounds(aborted, whole):
            for number in range(aborted):
                self.abort(number, hello)
                if number % 25 == 24:
                    self.settle()
            for number in range(whole):
                self.shake()
                if number % 25 == 24:
                    self.settle()
        rounds(200, 50)
        before = self.rss()
        aborted, whole = office.asked("aborted"), office.asked("whole")
        rounds(aborted, whole)
        grown = self.rss() - before
        print(f"{aborted} aborted and {whole} whole hand-shakes: {grown} bytes more than {before}")
        self.assertLess(grown, 1 << 20)


if __name__ == "__main__":
    office.main(silence=20, whole=300, aborted=2000)
