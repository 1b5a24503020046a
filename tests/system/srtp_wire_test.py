#!/usr/bin/python3
"""No index of a key is used for two packets, seen from outside: sources that start again, holds,
digits between speech, and keys that return. First that the watch would see it."""

import itertools
import re
import socket
import struct
import unittest

from rig import office, rtp, secure, secure_office, sipp
from rig.index_watch import IndexWatch
from rig.office import (CARRIER, CARRIER_RTP, NUMBER_AT_PBX, PBX, SIP_PORT, STRANGER, TANDEM)
from rig.process import Failed, wait_until

WORD = "<recv request=\"MESSAGE\"/>"


class Watch(unittest.TestCase):
    """What a relay sent if it used an index twice, made by libsrtp2."""

    MEDIA = 10_000

    def setUp(self):
        self.watch = IndexWatch((TANDEM,))
        self.addCleanup(self.watch.close)
        self.key = secure.new_key()

    def send(self, packet, port=MEDIA, address=TANDEM):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.bind((address, port))
            out.sendto(packet, (STRANGER, 9))

    def tell(self, key, port=MEDIA):
        self.send(f"SIP/2.0 200 OK\r\n\r\nv=0\r\nc=IN IP4 {TANDEM}\r\nm=audio {port} RTP/SAVP 8\r\n"
                  f"a=crypto:1 {secure.SUITE} inline:{key}|2^20\r\n".encode(), SIP_PORT)

    def outbound(self, **more):
        return secure.Session(self.key, inbound=False, **more)

    def packet(self, number, text=b"\xd5", ssrc=5):
        return struct.pack("!BBHII", 0x80, 8, number & 0xffff, 160 * number, ssrc) + text * 160

    def expect(self, packets, **more):
        self.watch.expect_each_index_once(packets, **{"keys": 1, **more})

    def test_what_is_right_is_seen_and_counted(self):
        self.tell(self.key)
        session, later = self.outbound(), self.outbound(goes_on=(5, 1))
        for number in range(65_500, 65_600):  # rolls over
            self.send(session.protect(self.packet(number)))
        self.send(later.protect(self.packet(65_500, b"\x55")))  # the same number, rolled over
        self.send(self.outbound().protect(self.packet(65_500, b"\x55", ssrc=6)))
        twice = session.protect(self.packet(65_600))
        self.send(twice)
        self.send(twice)
        for _ in range(2):
            self.send(session.protect_report(rtp.sender_report(5)), self.MEDIA + 1)
        self.send(self.packet(65_500), port=self.MEDIA + 2)  # of a leg with plain RTP
        self.expect(104, reports=2)
        self.assertEqual((self.watch.packets, self.watch.reports, self.watch.repeated,
                          len(self.watch.streams)), (104, 2, 1, 2))

    def test_an_index_used_twice(self):
        self.tell(self.key)
        session = self.outbound()
        for number in range(65_500, 65_600):
            self.send(session.protect(self.packet(number)))
        self.send(self.outbound(goes_on=(5, 1)).protect(self.packet(65_590, b"\x55")))
        with self.assertRaisesRegex(Failed, r"^index 65590 of SSRC 00000005 used for two"):
            self.expect(50)
        self.assertEqual(len(self.watch.twice), 1)

    def test_an_index_used_on_both_legs(self):
        self.tell(self.key)
        self.tell(self.key, self.MEDIA + 2)
        self.send(self.outbound().protect(self.packet(7)))
        self.send(self.outbound().protect(self.packet(7, b"\x55")), self.MEDIA + 2)
        with self.assertRaisesRegex(Failed, r"^index 7 of SSRC 00000005 used for two"):
            self.expect(1)

    def test_an_index_of_srtcp_used_twice(self):
        self.tell(self.key)
        for report in (rtp.sender_report(5), rtp.sender_report(5) + bytes(4)):
            self.send(self.outbound().protect_report(report), self.MEDIA + 1)
        with self.assertRaisesRegex(Failed, r"^index 1 of SSRC 00000005 \(RTCP\) used for two"):
            self.expect(0)

    def test_nothing_is_not_enough(self):
        with self.assertRaisesRegex(Failed, "were to be seen: 0 packets"):
            self.expect(1, keys=0)

    def test_what_is_under_no_key_is_not_passed_over(self):
        self.tell(secure.new_key())
        self.send(self.outbound().protect(self.packet(7)))
        with self.assertRaisesRegex(Failed, "1 under no key"):
            self.expect(0, keys=0)


class Wire(secure_office.Secured):
    """The carrier speaks plain RTP, the telephone has SRTP. Each goes on when the test says so."""

    def scenario(self, name, *changes):
        """One of the rig's, its pauses ended by a word."""
        with open(f"{sipp.SCENARIOS}/{name}.xml", encoding="utf-8") as text:
            text = text.read()
        for old, new in changes:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        text = re.sub("<pause[^>]*/>", WORD, text)
        path = f"{self.folder}/{name}_on_word"
        with open(path + ".xml", "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def call(self, caller, make_callee=None, words=None):
        key = secure.new_key()
        callee = (make_callee or (lambda key: self.secured("uas", key)))(key)
        self.pbx = self.side(callee, "pbx", name="pbx", words=words)
        self.carrier = self.side(caller, "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                                 name="carrier", words=words)
        a, b = self.parties(key)
        to_b = self.pbx.media()
        self.ours = self.key_in(self.pbx)
        b.expect_key(self.ours)
        a.renumber(3000)
        a.talk(self.carrier.media())
        b.talk(to_b)
        return a, b

    def carrier_goes_on(self):
        secure.give_word(self.carrier, (CARRIER, SIP_PORT))

    def end(self, a, b):
        a.hush()
        b.hush()
        self.carrier_goes_on()
        self.carrier.expect_success()
        self.pbx.expect_success()
        self.expect_no_calls()

    def counter(self, *names):
        return sum(self.relay.state()["counters"].get(name, 0) for name in names)


class PlainSource(Wire):
    seen = {"packets": 200, "keys": 1, "reports": 3}

    # One stream at first and fifteen others (docs/packet.md section 6), then the last goes on.
    STREAMS, RESTARTS = 16, 20

    def report(self):
        address, port = self.carrier.media()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp:
            rtcp.bind((CARRIER, CARRIER_RTP + 1))
            for _ in range(3):
                rtcp.sendto(rtp.sender_report(0x7b000000 + CARRIER_RTP), (address, port + 1))

    def test_it_starts_its_numbers_again(self):
        a, b = self.call(self.scenario("uac"))
        a.interval = 0.005  # more packets in the same time

        def speak_from(number):
            a.hertz += 50  # another text under the same number
            a.renumber(number)
            b.expect_packets(len(b.of_type(8)) + 5, 8)
        b.expect_packets(5, 8)
        self.report()
        speak_from(3080)
        # Back by no more than a packet may be late, which is no other stream: what the numbers were
        # used for stays, and goes nowhere else.
        a.hertz += 50
        a.renumber(3000)
        wait_until(lambda: self.counter("srtp_index_used") >= 4, 5,
                   lambda: f"numbers that were used: {self.relay.state()['counters']}")
        for _ in range(self.RESTARTS):
            speak_from(3400)
            speak_from(3000)
        self.end(a, b)
        self.assertEqual(b.not_authentic, 0)
        self.watch.close()
        self.assertEqual(len(self.watch.streams), self.STREAMS)


class Hold(Wire):
    seen = {"packets": 40, "keys": 1}

    def test_a_call_is_held_and_taken_up(self):
        words = {"held": "inactive", "held_ip": CARRIER, "held_answer": "inactive"}
        a, b = self.call(self.scenario("uac_hold"), lambda key: self.secured("uas_hold", key),
                         words)
        self.expect_both_hear(a, b, 10)
        a.renumber(3200)
        self.expect_both_hear(a, b, 10)
        self.carrier_goes_on()
        wait_until(lambda: self.counter("not_receiving", "held") > 10, 5,
                   lambda: f"packets that are held: {self.relay.state()['counters']}")
        a.hertz = 500  # started again meanwhile: numbers that were used, with another text
        a.renumber(3000)
        self.carrier_goes_on()
        wait_until(lambda: len(self.pbx.received(r"^a=sendrecv")) >= 2, 5, "the call taken up")
        self.expect_both_hear(a, b, 20)
        self.end(a, b)
        self.assertEqual(b.not_authentic, 0)


class Digits(Wire):
    seen = {"packets": 70, "keys": 1}

    def test_digits_with_speech_between(self):
        """Pressed in the media (5 and 9), and made by the relay from INFO (7 and 8)."""
        a, b = self.call(self.scenario(
            "uac_info", ("text/plain", "application/dtmf-relay"),
            ("\nhello\n", "\nSignal=8\nDuration=80\n"),
            ("response=\"415\"/>", "response=\"200\"/>"),
            ("200\"/>\n  <send retrans=\"500\"><![CDATA[\nINFO",
             f"200\"/>\n  {WORD}\n  <send retrans=\"500\"><![CDATA[\nINFO")))
        events = 0
        for press, packets in ((lambda: a.press(5, 60), 3 + 2), (self.carrier_goes_on, 6 + 2),
                               (self.carrier_goes_on, 4 + 2), (lambda: a.press(9, 60), 3 + 2)):
            b.expect_packets(len(b.of_type(8)) + 10, 8)
            press()
            events += packets
            b.expect_packets(events, 101)
        b.expect_packets(len(b.of_type(8)) + 10, 8)
        self.end(a, b)
        self.assertEqual(b.not_authentic, 0)
        # As they came: speech and events by turns, no number twice, none left out.
        numbers = [p[2] for p in b.packets_heard]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        times = [p[3] for p in b.packets_heard]
        self.assertEqual(times, sorted(times))
        turns = "".join(str(p[4][0]) if p[0] == 101 else "-" for p in b.packets_heard)
        self.assertEqual(re.sub(r"(.)\1*", r"\1", turns), "-5-7-8-9-")
        self.assertEqual([turns.count(digit) for digit in "5789"], [5, 8, 6, 5])


class Branches(Wire):
    """Two telephones ring behind the PBX: the first with SRTP, the second without; then the first
    answers. Our key was told to both in one offer, and returns."""

    trunk_more = {"pbx": {"srtp": "optional"}}
    seen = {"packets": 30, "keys": 1, "unknown": True}

    def two_telephones(self, key):
        with open(f"{sipp.SCENARIOS}/uas.xml", encoding="utf-8") as text:
            answer = re.search(r"  <send retrans=\"500\">.*?</send>\n", text.read(), re.S).group(0)
        with_key = answer.replace("a=ptime", f"a=crypto:1 {secure.SUITE} inline:{key}\na=ptime")

        def early(message):
            return message.replace(" retrans=\"500\"", "").replace("200 OK", "183 Early")
        other = early(answer).replace("[last_To:];tag=", "[last_To:];tag=other")
        # Not by a word: what SIPp answers is the last message it received.
        path = self.scenario("uas", (answer, f"{early(with_key)}  PAUSE\n{other}  PAUSE\n"
                                             f"{with_key}"))
        with open(path + ".xml", "r+", encoding="utf-8") as scenario:
            text = scenario.read().replace("PAUSE", "<pause milliseconds=\"700\"/>")
            scenario.seek(0)
            scenario.write(text)
        return path

    def test_a_key_that_returns(self):
        a, b = self.call(self.scenario("uac"), self.two_telephones)
        a.interval = 0.005
        wait_until(lambda: b.heard_under[self.ours] > 10, 5, "speech under the key")
        a.renumber(3200)
        wait_until(lambda: b.not_authentic > 5, 5, "plain speech")
        # Whatever number is due when the key returns, it had it already, for another text.
        a.hertz = 500
        numbers, heard = itertools.cycle((3000, 3200)), b.heard_under[self.ours]

        def hears_again():
            a.renumber(next(numbers))
            return b.heard_under[self.ours] > heard + 30
        wait_until(hears_again, 5, "speech under the key again")
        self.end(a, b)


if __name__ == "__main__":
    office.main()
