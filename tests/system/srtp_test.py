#!/usr/bin/python3
"""SRTP on one side and plain RTP on the other: keys in SDP, both directions, refreshed and changed
in mid-call, more packets than a sequence number counts. The encrypted far party is libsrtp2 under
SIPp, baresip, and linphone."""

import base64
import glob
import os
import socket
import struct
import subprocess
import wave

from rig import memory, office, rtp, secure, singer
from rig.baresip import Baresip
from rig.certificates import Certificates
from rig.linphone import Linphone
from rig.office import (CARRIER, CARRIER_RTP, NUMBER_AT_CARRIER, NUMBER_AT_PBX, PBX, PBX_RTP,
                        SIP_PORT, TANDEM, TELEPHONE, TO_DESK)
from rig.process import wait_until
from rig.secure_office import Secured, Watched, record_of

SUITE = secure.SUITE


class Keys(Secured):
    def test_carrier_calls_the_encrypted_telephone(self):
        key = secure.new_key()
        pbx = self.side(self.secured("uas", key), "pbx", more=["-d", 3000], name="pbx")
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 3000], name="carrier")
        a, b = self.parties(key)
        to_b = pbx.media()
        b.expect_key(self.key_in(pbx))
        a.talk(carrier.media())
        b.talk(to_b)
        self.expect_both_hear(a, b)
        a.hush()
        b.hush()
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()
        self.expect_tones(a, b)
        self.assertFalse(carrier.received(r"^a=crypto"), "no key crosses")
        self.expect_record(encrypted=1)

    def test_the_telephone_calls_refreshes_and_changes_its_key(self):
        first, second = secure.new_key(), secure.new_key()
        carrier = self.side("uas", "carrier", more=["-d", 1000], name="carrier")
        pbx = self.side(self.secured("uac", first, again=[first, second]), "pbx",
                        (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER, more=["-d", 1500],
                        name="pbx")
        a, b = self.parties(first)
        to_b = pbx.media()
        ours = self.key_in(pbx)
        b.expect_key(ours)
        a.talk(carrier.media())
        b.talk(to_b)
        self.expect_both_hear(a, b, 20)
        wait_until(lambda: len(pbx.received(r"^a=crypto:")) >= 3, 10, "the third answer")
        b.change_send_key(second)
        self.expect_both_hear(a, b, 40)
        a.hush()
        b.hush()
        pbx.expect_success()
        carrier.expect_success()
        self.expect_no_calls()
        for index in (1, 2):
            self.assertEqual(self.key_in(pbx, index), ours, "our key stays what it was")
        self.expect_tones(a, b)
        self.expect_record(encrypted=0)

    def test_after_the_relay_has_died_the_key_is_another(self):
        self.seen = {"packets": 50, "keys": 2}
        key = secure.new_key()
        pbx = self.side(self.secured("uas", key, invited_again=True), "pbx", name="pbx")
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 8000], name="carrier")
        a, b = self.parties(key)
        to_b = pbx.media()
        first = self.key_in(pbx)
        b.expect_key(first)
        a.talk(carrier.media())
        b.talk(to_b)
        self.expect_both_hear(a, b, 20)
        self.relay.program.kill()
        self.relay.start()
        wait_until(lambda: len(pbx.received(r"^a=crypto:")) >= 2, 10, "a re-INVITE with a key")
        second = self.key_in(pbx)
        self.assertNotEqual(second, first)
        heard = b.heard_under[first]
        b.expect_key(second)
        self.expect_both_hear(a, b)
        self.assertEqual(b.heard_under[first], heard, "nothing under the key of the dead relay")
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_a_telephone_without_keys_gets_no_call(self):
        self.seen = {"packets": 0, "keys": 0}
        self.side("uas", "pbx", name="pbx")
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            name="carrier")
        self.assertNotEqual(carrier.wait(10), 0)
        self.assertTrue(carrier.received(r"^SIP/2.0 502"))
        self.expect_no_calls()


class Secrecy(Secured):
    """Where a telephone's key and ours lie while the call lasts, and what is left of them."""

    seen = {"packets": 0, "keys": 0}  # nobody speaks

    def places(self, program):
        return memory.places_of(program.program.pid, self.secrets)

    def test_keys_are_in_no_core_dump_and_are_wiped(self):
        theirs = secure.new_key()
        pbx = self.side(self.secured("uas", theirs), "pbx", name="pbx")
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 12_000], name="carrier")
        pbx.media()
        carrier.media()
        masters, self.secrets = [], {}
        for whose, key in (("theirs", theirs), ("ours", self.key_in(pbx))):
            # As the engines take it, and as SDP writes it.
            masters.append(f"{whose} as bytes")
            self.secrets[masters[-1]] = base64.b64decode(key)[:16]
            self.secrets[f"{whose} as text"] = key.encode()
        self.assertEqual(memory.core_limit(self.sipctl.program.pid), ("1", "1"))
        # As soon as the relay has done with the order that brought them.
        wait_until(lambda: all((len(dumped), len(kept_out)) == (0, name in masters) for
                               name, (dumped, kept_out) in self.places(self.relay).items()), 5,
                   lambda: f"keys in their place alone: {self.places(self.relay)}")
        for name in masters:
            self.assertTrue(any(self.places(self.sipctl)[name]), "sipctl can be looked into")
        carrier.expect_success(20)
        pbx.expect_success()
        self.expect_no_calls()
        for name, places in self.places(self.relay).items():
            self.assertEqual(places, ([], []), f"{name}, in the relay after the call")

        def left():
            return {name: found for name, found in self.places(self.sipctl).items() if any(found)}
        # Transactions keep the 200 for 64 * T1, to repeat it (RFC 6026).
        wait_until(lambda: not left(), 45, lambda: f"sipctl without the keys: {left()}")


class RollOver(Secured):
    """More packets than a sequence number counts, as fast as they come back."""

    PACKETS, WINDOW = 70_000, 64
    seen = {"packets": PACKETS, "keys": 1}

    def packet(self, number, ssrc):
        return (struct.pack("!BBHII", 0x80, 8, (60_000 + number) & 0xffff, 160 * number, ssrc) +
                struct.pack("!Q", number) + b"\xd5" * 152)

    def exchange(self, first, a, b, to_a, to_b, sending, hearing):
        """A window of packets both ways, each the next one its listener may hear."""
        for number in range(first, first + self.WINDOW):
            a.sendto(self.packet(number, 0xa), to_a)
            b.sendto(sending.protect(self.packet(number, 0xb)), to_b)
        for number in range(first, first + self.WINDOW):
            self.assertEqual(a.recv(2048)[12:20], struct.pack("!Q", number))
            heard = hearing.unprotect(b.recv(2048))
            self.assertIsNotNone(heard, f"packet {number} is not authentic")
            self.assertEqual(heard[12:], self.packet(number, 0xa)[12:])

    def counters(self):
        return self.relay.state()["counters"]

    def unexpected(self):
        return {name: value for name, value in self.counters().items() if value and name in
                ("srtp_bad_tag", "srtp_replayed", "srtp_too_old", "srtp_index_used")}

    def forge(self, number, sending):
        """What looks like a packet ahead of the others, but is not authentic."""
        packet = bytearray(sending.protect(self.packet(number, 0xb)))
        packet[2:4] = struct.pack("!H", (60_000 + number + 20_000) & 0xffff)
        return bytes(packet)

    def test_a_call_goes_on_after_the_number_rolls_over(self):
        keys = [secure.new_key() for _ in range(4)]
        carrier = self.side("uas", "carrier", more=["-d", 1000], timeout=200, name="carrier")
        pbx = self.side(self.secured("uac", keys[0], again=[keys[0], *keys[1:]], on_word=True),
                        "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER, more=["-d", 100],
                        timeout=200, name="pbx")
        to_b, to_a = pbx.media(), carrier.media()
        ours = self.key_in(pbx)
        sending = secure.Session(keys[0], inbound=False)
        hearing = secure.Session(ours, inbound=True)
        sockets = []
        for address in ((CARRIER, CARRIER_RTP), (PBX, PBX_RTP)):
            sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.addCleanup(sockets[-1].close)
            sockets[-1].settimeout(10)
            sockets[-1].bind(address)
        for first in range(0, self.PACKETS, self.WINDOW):
            self.exchange(first, *sockets, to_a, to_b, sending, hearing)
        self.assertEqual(self.unexpected(), {})
        self.assertGreaterEqual(self.counters()["forwarded"], 2 * self.PACKETS)
        first += self.WINDOW

        def reinvite(which):
            told = len(pbx.received(r"^a=crypto:"))
            secure.give_word(pbx, (PBX, SIP_PORT))
            wait_until(lambda: len(pbx.received(r"^a=crypto:")) > told, 10, f"answer for {which}")
            self.assertEqual(self.key_in(pbx), ours, "our key stays what it was")

        def speak():
            nonlocal first
            for _ in range(3):
                self.exchange(first, *sockets, to_a, to_b, sending, hearing)
                first += self.WINDOW

        reinvite("the same key")
        speak()
        self.assertEqual(self.unexpected(), {})

        # A flood of what is not authentic, from the right address, moves nothing.
        noise = secure.Session(secure.new_key(), inbound=False)
        for number in range(500):
            sockets[1].sendto(self.forge(first + number, noise), to_b)
            if (number + 1) % 50 == 0:  # what a socket of a busy machine has room for
                expected = {"srtp_bad_tag": number + 1}
                wait_until(lambda: self.unexpected() == expected, 10,
                           lambda: f"{expected}: {self.unexpected()}")
        speak()
        self.assertEqual(self.unexpected(), {"srtp_bad_tag": 500})

        # Two new keys at once, the first of them never used: the counter runs on (RFC 3711).
        reinvite("a new key")
        reinvite("one more")
        roll_over = (60_000 + first) >> 16
        self.assertGreater(roll_over, 0)
        sending = secure.Session(keys[2], inbound=False, goes_on=(0xb, roll_over))
        speak()
        # And by the habit of others it begins again.
        reinvite("the last key")
        sending = secure.Session(keys[3], inbound=False)
        speak()
        self.assertEqual(self.unexpected(), {"srtp_bad_tag": 500})
        pbx.expect_success()
        carrier.expect_success()
        self.expect_no_calls()


class KeysOnBothSides(Secured):
    """Each leg has its own; what is sent under one is heard under the other."""

    trunk_more = {"carrier": {"srtp": "required"}, "pbx": {"srtp": "required"}}
    seen = {"packets": 100, "keys": 2}

    def test_each_hears_the_other(self):
        key_a, key_b = secure.new_key(), secure.new_key()
        pbx = self.side(self.secured("uas", key_b), "pbx", more=["-d", 3000], name="pbx")
        carrier = self.side(self.secured("uac", key_a), "carrier", (TANDEM, SIP_PORT),
                            service=NUMBER_AT_PBX, more=["-d", 3000], name="carrier")
        a = secure.SecureSinger(CARRIER, CARRIER_RTP, "carrier", "PCMA", hertz=1004,
                                send_key=key_a)
        b = secure.SecureSinger(PBX, PBX_RTP, "pbx", "PCMA", hertz=620, send_key=key_b)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        to_b, to_a = pbx.media(), carrier.media()
        ours = self.key_in(carrier), self.key_in(pbx)
        self.assertEqual(len({key_a, key_b, *ours}), 4, "nobody's key is told to the other side")
        a.expect_key(ours[0])
        b.expect_key(ours[1])
        a.talk(to_a)
        b.talk(to_b)
        self.expect_both_hear(a, b)
        a.hush()
        b.hush()
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()
        self.expect_tones(a, b)
        self.assertEqual(a.not_authentic, 0)
        self.assertEqual([leg["srtp"] for leg in record_of(self)["legs"]], [SUITE, SUITE])


class WithBatch(Secured):
    """A call by each engine, forced by option; and which of them may leave a core dump."""

    engine, no_dump = "batch", False

    def setUp(self):
        self.relay_more = ("--srtp-engine", self.engine)
        super().setUp()

    def test_a_call(self):
        self.assertRegex(self.relay.log_text, rf"\bSRTP engine {self.engine}\n")
        refused = memory.core_limit(self.relay.program.pid) == ("1", "1")
        self.assertEqual(refused, self.no_dump)
        key = secure.new_key()
        pbx = self.side(self.secured("uas", key), "pbx", more=["-d", 2000], name="pbx")
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 2000], name="carrier")
        a, b = self.parties(key)
        to_b = pbx.media()
        b.expect_key(self.key_in(pbx))
        a.talk(carrier.media())
        b.talk(to_b)
        self.expect_both_hear(a, b)
        a.hush()
        b.hush()
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()
        self.expect_tones(a, b)


class WithPortable(WithBatch):
    engine, no_dump = "portable", True


class WithLibsrtp2(WithBatch):
    engine, no_dump = "libsrtp2", True


class WithBaresip(Watched, office.DeskOffice):
    srtp = "required"
    suffix, lines, rtcp_mux = "", (), False

    def telephone(self, dial=None):
        more = ["module srtp.so", "module sndfile.so", f"snd_path {self.folder}", *self.lines]
        return self.begin(Baresip(self.folder, TELEPHONE, SIP_PORT, NUMBER_AT_PBX,
                                  self.song(), "", self.desk.cable, prefix=self.desk.prefix,
                                  dial=dial, more=more, account="mediaenc=srtp-mand",
                                  transport=self.transport_of_desk, rtcp_mux=self.rtcp_mux))

    hold_ms = 3000

    def expect_song(self, carrier, voice, telephone):
        voice.talk(carrier.media())
        voice.expect_packets(100, 8)
        voice.hush()
        carrier.expect_success()
        wait_until(telephone.packets, 10, "packet counts of baresip")
        telephone.stop()
        self.expect_no_calls()
        _, share = voice.tone("PCMA")
        self.assertGreater(share(620), 0.99)
        heard = glob.glob(os.path.join(self.folder, "dump-*-dec.wav"))
        with wave.open(heard[0]) as recorded:
            samples = recorded.readframes(recorded.getnframes())
        samples = [sample[0] for sample in struct.iter_unpack("=h", samples)]
        loud = samples[800:]  # its first packets may come while the voice has not begun
        self.assertGreater(len(loud), singer.RATE, "baresip heard more than a second")
        self.assertGreater(singer.share_of(1004, loud), 0.95)
        self.assertEqual(record_of(self)["legs"][self.encrypted]["srtp"], SUITE)

    def test_carrier_calls_the_telephone(self):
        self.encrypted = 1
        telephone = self.telephone()
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", self.hold_ms])
        self.expect_song(carrier, self.voice(), telephone)

    def test_the_telephone_calls_the_carrier(self):
        self.encrypted = 0
        carrier = self.side("uas_hangs_up", "carrier", more=["-d", self.hold_ms])
        telephone = self.telephone(dial=f"sip:{NUMBER_AT_CARRIER}@{TO_DESK}{self.suffix}")
        self.expect_song(carrier, self.voice(), telephone)


class WithRtcpOnOnePort(WithBaresip):
    """SRTCP comes and goes on the port of SRTP; the carrier's RTCP has a port of its own."""

    seen = {"packets": 50, "keys": 1, "reports": 1}
    rtcp_mux, hold_ms = True, 9000

    def config(self):
        config = super().config()
        config["trunks"][1]["rtcp_mux"] = True
        return config

    def expect_song(self, carrier, voice, telephone):
        address, port = carrier.media()
        voice.talk((address, port))
        voice.expect_packets(20, 8)  # then the relay knows whose report that is
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp:
            rtcp.bind((CARRIER, CARRIER_RTP + 1))
            rtcp.sendto(rtp.sender_report(0x7b000000 + CARRIER_RTP), (address, port + 1))

        def muxed():
            legs = [leg for session in self.relay.state()["sessions"] for leg in session["legs"]
                    if leg["rtcp_mux"]]
            return legs and legs[0]["rtcp_received_packets"] and legs[0]["rtcp_sent_packets"]
        wait_until(muxed, 8, lambda: f"RTCP both ways on one port: {self.relay.state()}")
        super().expect_song(carrier, voice, telephone)
        self.assertEqual(self.relay.state()["counters"].get("srtp_bad_tag", 0), 0)


class WithBaresipOverTls(WithBaresip):
    """The same calls, and the keys are not for everybody to read."""

    transport_of_desk, suffix = "tls", f":{SIP_PORT + 1};transport=tls"
    seen = None

    def config(self):
        made = Certificates(self.folder)
        # It listens for TLS one port higher, with this certificate.
        self.lines = [f"sip_certificate {made('edge.pem')}", f"sip_cafile {made('ca.pem')}"]
        config = super().config()
        config["listeners"][-1].update({"bind": f"{TO_DESK}:{SIP_PORT + 1}",
                                        "certificate": made("edge.pem")})
        config["trunks"][1].update({"tls_name": "edge.example.test",
                                    "destination": f"{TELEPHONE}:{SIP_PORT + 1}",
                                    "tls_trust": made("ca.pem")})
        return config


class WithLinphone(WithBaresip):
    """Another make of SIP, SDES and RTP."""

    def config(self):
        config = super().config()
        for trunk in config["trunks"]:
            trunk["codecs"] = ["pcma"]
        return config

    def telephone(self, dial=None):
        self.heard = os.path.join(self.folder, "heard.wav")
        telephone = self.begin(Linphone(self.folder, TELEPHONE, SIP_PORT, NUMBER_AT_PBX,
                                        self.song(), self.heard, self.desk.prefix,
                                        encryption="srtp"))
        if dial:
            telephone.say(f"call {dial}")
        return telephone

    def expect_song(self, carrier, voice, telephone):
        voice.talk(carrier.media())
        voice.expect_packets(100, 8, 10)
        carrier.expect_success(15)
        voice.hush()
        telephone.stop()
        self.expect_no_calls()
        _, share = voice.tone("PCMA")
        self.assertGreater(share(620), 0.95)
        resampled = os.path.join(self.folder, "heard8.wav")
        subprocess.run(["sox", self.heard, "-r", str(singer.RATE), "-c", "1", "-b", "16",
                        resampled], check=True)
        with wave.open(resampled) as recorded:
            samples = recorded.readframes(recorded.getnframes())
        loud = [sample[0] for sample in struct.iter_unpack("=h", samples)][4000:]
        self.assertGreater(len(loud), singer.RATE, "linphone heard more than a second")
        self.assertGreater(singer.usual_share_of(1004, loud), 0.9)
        self.assertEqual(record_of(self)["legs"][self.encrypted]["srtp"], SUITE)
        counters = self.relay.state()["counters"]
        self.assertEqual(counters.get("srtp_bad_tag", 0), 0)


if __name__ == "__main__":
    office.main()
