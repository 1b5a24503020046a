#!/usr/bin/python3
"""PCMA on one side and PCMU on the other: two trunks that transcode, telephones with one law each,
and a tone both ways that keeps its frequency and its level. And packets that are too
long for one side."""

import math
import os

from rig import office, singer, sipp
from rig.office import CARRIER, CARRIER_RTP, NUMBER_AT_PBX, PBX, PBX_RTP, SIP_PORT, TANDEM

TRANSCODE = {"carrier": {"transcode": True}, "pbx": {"transcode": True}}


class LawsOffice(office.Office):
    def scenario(self, name, law, ptime="a=ptime:20"):
        """A scenario of the rig whose telephone knows one law alone."""
        with open(os.path.join(sipp.SCENARIOS, name + ".xml"), encoding="utf-8") as text:
            lines = text.read().split("\n")
        other = {"PCMA": "PCMU", "PCMU": "PCMA"}[law]
        kind = singer.PAYLOAD_TYPES[law]
        lines = [line.replace("RTP/AVP 8 0 101", f"RTP/AVP {kind} 101") for line in lines
                 if f" {other}/8000" not in line]
        path = os.path.join(self.folder, f"{name}_{law}")
        with open(path + ".xml", "w", encoding="utf-8") as out:
            out.write("\n".join(lines).replace("a=ptime:20", ptime))
        return path

    def call(self, caller_law, callee_law, caller_ms=20, callee_ptime="a=ptime:20"):
        """`caller_ms`: of its packets, whatever it is asked for."""
        pbx = self.side(self.scenario("uas", callee_law, callee_ptime), "pbx", more=["-d", 3000],
                        name="pbx")
        carrier = self.side(self.scenario("uac", caller_law, f"a=ptime:{caller_ms}"), "carrier",
                            (TANDEM, SIP_PORT), service=NUMBER_AT_PBX, more=["-d", 3000],
                            name="carrier")
        a = singer.Singer(CARRIER, CARRIER_RTP, "carrier", caller_law, hertz=1004,
                          packet_ms=caller_ms)
        b = singer.Singer(PBX, PBX_RTP, "pbx", callee_law, hertz=620, peak=20000)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        a.talk(carrier.media())
        b.talk(pbx.media())
        b.expect_packets(min(60, 2400 // caller_ms), singer.PAYLOAD_TYPES[callee_law])
        a.expect_packets(60, singer.PAYLOAD_TYPES[caller_law])
        a.close()
        b.close()
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()
        return a, b

    def expect_tone(self, heard_by, sung_by, lengths=(160,)):
        """`lengths` of the payloads, which come by turns."""
        level, share = heard_by.tone(heard_by.law)
        sung = 20 * math.log10(sung_by.peak / math.sqrt(2) / 32768)
        # Of two values that the Recommendation calls equal, mu-law's is 132 of 32768 less.
        self.assertAlmostEqual(level, sung, delta=0.2)
        self.assertGreater(share(sung_by.hertz), 0.995)
        self.assertLess(share(sung_by.hertz + 200), 0.001)
        # Every packet is in the listener's law, numbered and timed as it was sung.
        kinds = {p[0] for p in heard_by.packets_heard}
        self.assertEqual(kinds, {singer.PAYLOAD_TYPES[heard_by.law]})
        for _, _, sequence, timestamp, payload in heard_by.packets_heard:
            rounds, place = divmod(sequence, len(lengths))
            self.assertEqual((timestamp, len(payload)),
                             (rounds * sum(lengths) + sum(lengths[:place]), lengths[place]))

    def transcoded(self):
        return self.relay.state()["counters"]["transcoded"]


class Laws(LawsOffice):
    trunk_more = TRANSCODE

    def test_a_tone_keeps_its_frequency_and_level(self):
        for caller_law, callee_law in (("PCMA", "PCMU"), ("PCMU", "PCMA")):
            with self.subTest(caller=caller_law, callee=callee_law):
                before = self.transcoded()
                a, b = self.call(caller_law, callee_law)
                self.expect_tone(b, a)
                self.expect_tone(a, b)
                self.assertGreaterEqual(self.transcoded() - before,
                                        len(a.packets_heard) + len(b.packets_heard))

    def test_one_law_is_not_touched(self):
        a, b = self.call("PCMU", "PCMU")
        self.expect_tone(b, a)
        self.assertEqual(self.transcoded(), 0)


class Lengths(LawsOffice):
    """The caller sends packets of 30, 40 or 60 ms. What is heard must be numbered and timed as if
    it had been sung in packets of 20, or 20 and 10."""

    trunk_more = TRANSCODE

    def split(self):
        return self.relay.state()["counters"]["split"]

    def test_packets_longer_than_one_side_takes_are_cut(self):
        for caller_law, caller_ms, lengths in (("PCMA", 40, (160, 160)), ("PCMU", 40, (160, 160)),
                                               ("PCMA", 30, (160, 80)),
                                               ("PCMU", 60, (160, 160, 160))):
            with self.subTest(caller=caller_law, caller_ms=caller_ms):
                before = self.split()
                a, b = self.call(caller_law, "PCMA", caller_ms, "a=ptime:20\na=maxptime:20")
                self.expect_tone(b, a, lengths)
                self.expect_tone(a, b)
                self.assertGreaterEqual(len(lengths) * (self.split() - before),
                                        len(b.packets_heard))

    def test_without_a_limit_they_pass_as_they_are(self):
        for caller_ms in (30, 40, 60):
            with self.subTest(caller_ms=caller_ms):
                _, b = self.call("PCMA", "PCMA", caller_ms)
                self.assertEqual({len(p[4]) for p in b.packets_heard}, {8 * caller_ms})
                self.assertEqual(self.split(), 0)


class WithoutLeave(LawsOffice):
    trunk_more = {"carrier": {"transcode": True}}

    def test_no_shared_law_is_no_call(self):
        self.side(self.scenario("uas", "PCMU"), "pbx", name="pbx")
        carrier = self.side(self.scenario("uac", "PCMA"), "carrier", (TANDEM, SIP_PORT),
                            service=NUMBER_AT_PBX, name="carrier")
        self.assertNotEqual(carrier.wait(10), 0)
        self.assertTrue(carrier.received(r"^SIP/2.0 502"))
        self.expect_no_calls()


if __name__ == "__main__":
    office.main()
