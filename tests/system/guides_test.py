#!/usr/bin/python3
"""A newcomer's walk: the configuration of each guide, a call each way, against local stand-ins.

Carrier and PBX are SIPp on the addresses and names that the guides give them; sound goes between
the carrier's real media addresses and the PBX. All of them are on this namespace's loopback.
"""

import glob
import os
import re
import shutil
import subprocess
import unittest

from rig import names, office, rtp, secure, singer, tandem
from rig.certificates import Certificates
from rig.kamailio import Kamailio
from rig.process import wait_until
from rig.sipp import Sipp

DOCS = os.path.join(tandem.ROOT, "docs")
OURS = "185.12.64.10"       # our public address
EXOTEL = "185.12.65.1"      # where Exotel's SIP comes from and goes to
EXOTEL_MEDIA = "182.76.143.61"
TWILIO, TWILIO_MEDIA = "54.172.60.1", "168.86.130.7"
HOSTED = "44.229.228.186"   # a platform that has a name
NUMBER = "+919876543210"
NAMES = {"pstn.in2.exotel.com": EXOTEL, "acme.pstn.twilio.com": TWILIO, "sip.vapi.ai": HOSTED,
         "yourproject.sip.livekit.cloud": HOSTED, "sip.api.openai.com": HOSTED}


def example(name):
    """An example as somebody would edit it, on a machine that has its public address itself."""
    with open(os.path.join(DOCS, "examples", name), encoding="utf-8") as text:
        config = text.read()
    for old, new in (("10.0.0.5", OURS), ("198.51.100.10", OURS), ("198.51.100.20", EXOTEL),
                     ("youraccount", "acme1"), ("yourtrunk", "acme")):
        config = config.replace(old, new)
    return config


def trunk_of(guide):
    """The `pbx` trunk that a guide shows."""
    with open(guide, encoding="utf-8") as text:
        found = re.search(r"^```yaml trunk\n(.*?)^```", text.read(), re.M | re.S)
    return found.group(1) if found else None


def with_trunk(config, trunk):
    return re.sub(r"  - name: pbx\n.*?(?=\nroutes:)", lambda _: trunk, config, flags=re.S)


class Walk(unittest.TestCase):
    def setUp(self):
        self.folder = tandem.scratch()
        self.addCleanup(shutil.rmtree, self.folder, True)
        server = names.Names(NAMES, self.folder)
        self.addCleanup(server.stop)

    def begin(self, thing):
        self.addCleanup(thing.stop)
        return thing

    def start(self, config):
        sockets = (f"control: {self.folder}/sipctl.sock\n"
                   f"relay:\n  socket: {self.folder}/relay.sock\n")
        config = config.replace("relay:\n", sockets, 1)
        self.begin(tandem.Relay(self.folder, f"{OURS}:10000-10999"))
        self.sipctl = self.begin(tandem.Sipctl(self.folder, config))
        checked = subprocess.run([tandem.program("sipctl"), "check", self.sipctl.config_path],
                                 stdout=subprocess.PIPE, check=False, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        # One day a profile's age is a warning; that is no fault of a guide.
        warnings = [line for line in checked.stdout.splitlines()
                    if ": warning: " in line and "was last compared with" not in line]
        self.assertEqual(warnings, [])

    def side(self, scenario, local, media, transport, remote=None, service="x", name=None):
        return self.begin(Sipp(self.folder, scenario, local, remote, transport=transport,
                               service=service, keys={"rtp_ip": media[0], "rtp_port": media[1],
                                                      "early_port": media[1] + 10},
                               more=["-d", 1500], name=name))

    def call(self, caller, callee, number, ours):
        """(address, port, transport, media) of both; `ours` is where the caller finds us."""
        here = self.side("uas", callee[:2], callee[3], callee[2], name=f"uas-{number}")
        there = self.side("uac", (caller[0], caller[1] + 7), caller[3], caller[2],
                          (OURS, ours), number, name=f"uac-{number}")
        a = rtp.Party(*caller[3], f"caller of {number}")
        b = rtp.Party(*callee[3], f"callee of {number}")
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        rtp.converse(a, b, there.media(), here.media(), packets=20)
        self.assertEqual(a.missing(0, b.sent - 1), [])
        self.assertEqual(b.missing(0, a.sent - 1), [])
        a.close()  # the next call may have the same parties
        b.close()
        there.expect_success()
        here.expect_success()
        wait_until(lambda: not office.live_calls(self.sipctl.calls()), 5, "end of the call")
        return here

    def both_ways(self, carrier, pbx, carrier_port, pbx_port):
        invite = self.call(pbx, carrier, NUMBER, pbx_port).received(r"^INVITE ")[0]
        self.call(carrier, pbx, "+918012345678", carrier_port)
        return invite


class Guides(Walk):
    def test_exotel_over_tcp(self):
        self.start(example("exotel-tcp.yaml"))
        invite = self.both_ways((EXOTEL, 5070, "tcp", (EXOTEL_MEDIA, 20000)),
                                ("10.0.0.30", 5060, "udp", ("10.0.0.30", 20000)), 5070, 5060)
        self.assertRegex(invite, rf"(?m)^From: .*@acme1\.pstn\.exotel\.com>")
        self.assertRegex(invite, rf"(?m)^INVITE sip:\{NUMBER}@pstn\.in2\.exotel\.com:5070;")
        self.assertRegex(invite, rf"(?m)^Contact: <sip:[^@]+@{OURS}:5070;transport=tcp>")
        self.assertRegex(invite, r"(?m)^m=audio \d+ RTP/AVP 8 0 ")
        self.assertNotIn("X-Exotel-AccountSid", invite)

    def test_a_call_into_a_flow_carries_the_account(self):
        config = example("exotel-tcp.yaml").replace(
            "routes:\n", f'routes:\n  - {{from: pbx, numbers: ["{NUMBER}"], to: exotel, '
            'mode: flow}\n')
        self.start(config)
        invite = self.call(("10.0.0.30", 5060, "udp", ("10.0.0.30", 20000)),
                           (EXOTEL, 5070, "tcp", (EXOTEL_MEDIA, 20000)), NUMBER, 5060)
        self.assertRegex(invite.received(r"^INVITE ")[0], r"(?m)^X-Exotel-AccountSid: acme1\s*$")

    def test_twilio(self):
        self.start(example("twilio.yaml"))
        invite = self.both_ways((TWILIO, 5060, "udp", (TWILIO_MEDIA, 20000)),
                                ("10.0.0.30", 5060, "udp", ("10.0.0.30", 20000)), 5060, 5062)
        self.assertRegex(invite, r"(?m)^INVITE sip:\+919876543210@acme\.pstn\.twilio\.com")


class OverTls(Walk):
    """The far side's edge is Kamailio, with SIPp behind it; its sound is libsrtp2's."""

    SWITCH = ("127.0.0.4", 5080)
    PBX = ("10.0.0.30", 20000)

    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.folder, ["exotel=DNS:pstn.in2.exotel.com",
                                                       "openai=DNS:sip.api.openai.com"])
        self.make_own_certificate()

    def edge(self, address, port, certificate):
        with open(f"{self.folder}/known.pem", "w", encoding="ascii") as known:
            for each in (self.certificates("ca.pem"), f"{self.folder}/sip.crt"):
                with open(each, encoding="ascii") as text:
                    known.write(text.read())
        certificate = self.certificates(certificate)
        self.begin(Kamailio(self.folder, [f"tls:{address}:{port}", f"udp:{address}:5070"], OURS,
                            f"sip:{self.SWITCH[0]}:{self.SWITCH[1]}",
                            f"sip:{OURS}:5061;transport=tls", certificate=certificate,
                            client_certificate=certificate, trust=f"{self.folder}/known.pem"))

    def make_own_certificate(self):
        """As the guide says."""
        with open(os.path.join(DOCS, "guides/exotel.md"), encoding="utf-8") as text:
            lines = [line for line in text.read().splitlines()
                     if line.startswith(("openssl req ", "cat /run/tandem/sip."))]
        self.assertEqual(len(lines), 2)
        for line in lines:
            subprocess.run(["sh", "-ec", line.replace("/run/tandem/", self.folder + "/")],
                           check=True, stderr=subprocess.DEVNULL)

    def switch(self, scenario, key, media, **more):
        scenario = secure.scenario_with_key(self.folder, scenario, key)
        return self.side(scenario, self.SWITCH, media, "udp", **more)

    def expect_conversation(self, secured, plain, key, media, plain_media):
        """Each a program and where its sound is."""
        ours = secure.key_in(secured)
        self.assertFalse(plain.received(r"^a=crypto"), "the other side needs no SRTP")
        a = secure.SecureSinger(*media, "secured", "PCMA", hertz=620, send_key=key)
        b = singer.Singer(*plain_media, "plain", "PCMA", hertz=1004)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        a.expect_key(ours)
        a.talk(secured.media())
        b.talk(plain.media())
        a.expect_packets(20, 8)
        b.expect_packets(20, 8)
        for party in (a, b):
            party.hush()
            party.close()
        for listener, speaker in ((a, b), (b, a)):
            _, share = listener.tone("PCMA")
            self.assertGreater(share(speaker.hertz), 0.99)
        self.assertEqual(a.not_authentic, 0)
        for program in (secured, plain):
            program.expect_success()
        wait_until(lambda: not office.live_calls(self.sipctl.calls()), 5, "end of the call")


class ExotelOverTls(OverTls):
    MEDIA = (EXOTEL_MEDIA, 20000)

    def setUp(self):
        super().setUp()
        self.edge(EXOTEL, 443, "exotel.pem")
        config = example("exotel-tls.yaml").replace("/run/tandem/", self.folder + "/")
        self.start(config.replace("    pop: mumbai", "    tls_trust: " +
                                  self.certificates("ca.pem") + "\n    pop: mumbai"))

    def test_the_pbx_calls(self):
        key = secure.new_key()
        exotel = self.switch("uas", key, self.MEDIA)
        pbx = self.side("uac", (self.PBX[0], 5067), self.PBX, "udp", (OURS, 5060), NUMBER)
        self.expect_conversation(exotel, pbx, key, self.MEDIA, self.PBX)
        invite = exotel.received(r"^INVITE ")[0]
        self.assertRegex(invite, rf"(?m)^Contact: <sips?:[^@]+@{OURS}:5061;transport=tls>")
        self.assertRegex(invite, r"(?m)^m=audio \d+ RTP/SAVP 8 0 ")

    def test_exotel_calls(self):
        key = secure.new_key()
        pbx = self.side("uas", (self.PBX[0], 5060), self.PBX, "udp")
        exotel = self.switch("uac", key, self.MEDIA, remote=(EXOTEL, 5070),
                             service="+918012345678")
        self.expect_conversation(exotel, pbx, key, self.MEDIA, self.PBX)


class OpenAiOverTls(OverTls):
    MEDIA = (HOSTED, 20000)

    def setUp(self):
        super().setUp()
        self.edge(HOSTED, 5061, "openai.pem")
        with open(os.path.join(DOCS, "guides/openai.md"), encoding="utf-8") as text:
            trunk = re.search(r"^```yaml over tls\n(.*?)^```", text.read(), re.M | re.S).group(1)
        trunk = trunk.replace("203.0.113.30", HOSTED)
        trunk = trunk.rstrip() + "\n    tls_trust: " + self.certificates("ca.pem") + "\n"
        listener = (f"listeners:\n  - {{name: bot-side, transport: tls, bind: \"{OURS}:5061\", "
                    f"certificate: {self.folder}/sip.pem}}\n")
        config = with_trunk(example("exotel-tcp.yaml").replace("listeners:\n", listener, 1), trunk)
        # Calls never begin at OpenAI.
        config = re.sub(r"  - \{from: pbx.*\n", "", config)
        self.start(config.replace("- name: exotel\n", "- name: exotel\n    direction: inbound\n"))

    def test_a_carriers_call_reaches_the_project(self):
        key = secure.new_key()
        openai = self.switch("uas", key, self.MEDIA)
        exotel = self.side("uac", (EXOTEL, 5077), (EXOTEL_MEDIA, 20000), "tcp", (OURS, 5070),
                           "+918012345678")
        self.expect_conversation(openai, exotel, key, self.MEDIA, (EXOTEL_MEDIA, 20000))
        self.assertRegex(openai.received(r"^INVITE ")[0],
                         r"(?m)^INVITE sip:proj_yourproject@sip\.api\.openai\.com;transport=tls ")


def walk_with(guide):
    def test(self):
        trunk = trunk_of(guide)
        hosted = "sources: [10.0.0.30]" not in trunk or ".livekit." in trunk
        trunk = trunk.replace("sources: [10.0.0.30]", f"sources: [{HOSTED}]") if hosted else trunk
        self.start(with_trunk(example("exotel-tcp.yaml"), trunk))
        host = HOSTED if hosted else "10.0.0.30"
        port = int(re.search(r"destination: \S+:(\d+)", trunk).group(1))
        transport = "tcp" if "transport: tcp" in trunk else "udp"
        self.both_ways((EXOTEL, 5070, "tcp", (EXOTEL_MEDIA, 20000)),
                       (host, port, transport, (host, 20000)), 5070,
                       5070 if transport == "tcp" else 5060)
    return test


for path in sorted(glob.glob(os.path.join(DOCS, "guides/*.md"))):
    if trunk_of(path):
        title = os.path.basename(path)[:-3]
        setattr(Guides, f"test_pbx_{title}", walk_with(path))


if __name__ == "__main__":
    names.own_files()
    office.own_network()
    for each in (OURS, EXOTEL, EXOTEL_MEDIA, TWILIO, TWILIO_MEDIA, HOSTED, "10.0.0.30"):
        subprocess.run(["ip", "address", "add", f"{each}/32", "dev", "lo"], check=True)
    unittest.main(verbosity=2)
