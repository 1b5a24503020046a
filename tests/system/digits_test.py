#!/usr/bin/python3
"""DTMF: keys pressed in the media cross under each side's payload type and stand in the call's
record; keys that come by INFO become telephone events for the other side."""

import json
import os
import re

from rig import office, singer, sipp
from rig.office import (CARRIER, CARRIER_RTP, NUMBER_AT_PBX, PBX, PBX_RTP, SIP_PORT, STRANGER,
                        TANDEM)
from rig.process import wait_until


class Digits(office.Office):
    def scenario(self, name, event_type):
        with open(os.path.join(sipp.SCENARIOS, name + ".xml"), encoding="utf-8") as text:
            changed = text.read().replace("8 0 101", f"8 0 {event_type}").replace(
                ":101 ", f":{event_type} ")
        path = os.path.join(self.folder, f"{name}_{event_type}")
        with open(path + ".xml", "w", encoding="utf-8") as out:
            out.write(changed)
        return path

    def call(self, caller="uac", hold_ms=3000):
        """A carrier with events on 96, a telephone with 101; both sing."""
        pbx = self.side("uas", "pbx", more=["-d", hold_ms], name="pbx")
        carrier = self.side(self.scenario(caller, 96), "carrier", (TANDEM, SIP_PORT),
                            service=NUMBER_AT_PBX, more=["-d", hold_ms], name="carrier")
        a = singer.Singer(CARRIER, CARRIER_RTP, "carrier", "PCMA", hertz=1004, event_type=96)
        b = singer.Singer(PBX, PBX_RTP, "pbx", "PCMA", hertz=620, event_type=101)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        a.talk(carrier.media())
        b.talk(pbx.media())
        return carrier, pbx, a, b

    def end(self, carrier, pbx):
        """The record of the call, after its end."""
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

        def record():
            found = re.findall(r"\{\"call\":.*\}", self.sipctl.log_text)
            return json.loads(found[-1]) if found else None
        return wait_until(record, 10, "the call's record")

    def live(self, key):
        calls = self.sipctl.calls()["calls"]
        return calls[0][key] if calls else None

    def test_keys_in_the_media(self):
        carrier, pbx, a, b = self.call()
        b.expect_packets(10, 8)
        a.expect_packets(10, 8)
        a.press(5, 100)
        b.expect_packets(7, 101)
        a.press(11, 60)
        b.press(0, 80)
        b.expect_packets(12, 101)
        a.expect_packets(6, 96)
        wait_until(lambda: (self.live("caller_digits"), self.live("callee_digits")) == ("5#", "0"),
                   5, lambda: f"digits in sipctl calls: {self.sipctl.calls()}")
        events = b.of_type(101)
        self.assertEqual([p[4][0] for p in events], [5] * 7 + [11] * 5)
        self.assertEqual(sum(p[4][1] >> 7 for p in events), 6)  # each end three times
        self.assertEqual(len({p[3] for p in events}), 2)  # one timestamp a key
        record = self.end(carrier, pbx)
        self.assertEqual(record["legs"][0]["digits"],
                         [{"digit": "5", "ms": 100}, {"digit": "#", "ms": 60}])
        self.assertEqual(record["legs"][1]["digits"], [{"digit": "0", "ms": 80}])

    def test_a_strangers_keys_are_nobodys(self):
        carrier, pbx, a, b = self.call(hold_ms=1500)
        b.expect_packets(10, 8)
        stranger = singer.Singer(STRANGER, 40000, "stranger", "PCMA", hertz=300, event_type=96)
        self.addCleanup(stranger.close)
        stranger.press(9, 100)
        stranger.talk(carrier.media())
        wait_until(lambda: stranger.sent > 20, 5, "packets of the stranger")
        stranger.hush()
        record = self.end(carrier, pbx)
        self.assertEqual(b.of_type(101), [])
        self.assertNotIn("digits", record["legs"][0])
        self.assertGreater(record["legs"][0]["dropped_packets"], 20)

    def test_keys_by_info(self):
        carrier, pbx, a, b = self.call("uac_info", hold_ms=1500)
        b.expect_packets(8, 101)
        events = b.of_type(101)
        self.assertEqual({p[4][0] for p in events}, {7})
        self.assertEqual([p[4][1] >> 7 for p in events], [0] * 5 + [1] * 3)
        self.assertEqual(int.from_bytes(events[-1][4][2:4], "big"), 120 * 8)
        self.assertTrue(events[0][1], "marker")
        record = self.end(carrier, pbx)
        self.assertEqual(record["legs"][0]["digits"], [{"digit": "7", "ms": 120}])
        # One stream: no number twice, none left out, time goes on.
        heard = sorted(b.packets_heard, key=lambda p: p[2])
        numbers = [p[2] for p in heard]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        times = [p[3] for p in heard]
        self.assertEqual(times, sorted(times))


if __name__ == "__main__":
    office.main()
