#!/usr/bin/python3
"""A session timer of 90 s on the clock, on both legs of a call, each by itself: the callee is
refreshed by us after 45 and 90 s, the caller refreshes once, after 40 s, and is hung up 60 s later.

Takes 100 s: `scripts/test --gates` runs it.
"""

from rig import office


class SessionExpiry(office.Office):
    trunk_more = {name: {"media_timeout": "off"} for name in ("carrier", "pbx")}  # nobody speaks

    def test_each_leg_lives_by_its_own_timer(self):
        pbx = self.side("uas_refreshed", "pbx", words={"interval": 90}, timeout=130)
        carrier = self.side("uac_stops_refreshing", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, timeout=130, more=["-d", 40_000])
        carrier.expect_success(125)
        pbx.expect_success()
        self.assertEqual(len(pbx.received(r"^INVITE ")), 3)
        self.assertEqual(len(pbx.received(r"^BYE ")), 1)
        self.expect_no_calls()


if __name__ == "__main__":
    office.main()
