#!/usr/bin/python3
"""What happens between INVITE and BYE: CANCEL and its race, early media, hold, delayed offer."""

import time

from rig import office, rtp
from rig.office import PBX, PBX_EARLY_RTP
from rig.process import wait_until


class CallProgress(office.Office):
    def test_cancel_while_it_rings(self):
        carrier, pbx = self.carrier_calls("uac_cancel", "uas_cancelled", hold_ms=200)
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_cancel_crosses_the_answer(self):
        carrier, pbx = self.carrier_calls("uac_cancel", "uas_answers_cancelled", hold_ms=200)
        carrier.expect_success()  # 200 to CANCEL, 487 to INVITE
        pbx.expect_success()      # ACK and BYE for its 200
        self.expect_no_calls()

    def test_early_media_and_the_answer_of_another_fork(self):
        at_carrier, at_pbx = self.voices()
        early = self.party(PBX, PBX_EARLY_RTP, "early")
        pbx = self.side("uas_early", "pbx", more=["-d", 1500])
        carrier = self.side("uac", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, more=["-d", 2500])
        to_pbx = pbx.media()
        early.talk(to_pbx)
        at_carrier.expect_heard(20)
        early.hush()
        wait_until(lambda: pbx.received(r"^ACK "), 5, "answer")
        heard = len(at_carrier.heard)
        at_carrier.heard.clear()
        rtp.converse(at_carrier, at_pbx, carrier.media(), to_pbx, packets=30)
        self.assertGreaterEqual(heard, 20)
        self.assertEqual(at_pbx.missing(0, at_carrier.sent - 1), [])
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_hold_and_resume(self):
        self.hold_and_resume(held="sendonly", held_ip=office.CARRIER, held_answer="recvonly")

    def test_hold_where_neither_speaks(self):
        self.hold_and_resume(held="inactive", held_ip=office.CARRIER, held_answer="inactive")

    def test_hold_as_of_old(self):
        """RFC 2543: the address is 0.0.0.0, and no direction says so."""
        self.hold_and_resume(held="sendrecv", held_ip="0.0.0.0", held_answer="recvonly")

    def hold_and_resume(self, **words):
        at_carrier, at_pbx = self.voices()
        carrier, pbx = self.carrier_calls("uac_hold", "uas_hold", hold_ms=1500, words=words)
        to_carrier, to_pbx = carrier.media(), pbx.media()
        rtp.converse(at_carrier, at_pbx, to_carrier, to_pbx, packets=20)

        # On hold: the caller sends only, so nothing must reach it.
        wait_until(lambda: len(pbx.received(r"^ACK ")) >= 2, 5, "hold")
        heard = len(at_carrier.heard)
        at_pbx.talk(to_pbx)
        time.sleep(0.4)  # what must not happen has this long to happen
        at_pbx.hush()
        self.assertEqual(len(at_carrier.heard), heard)

        wait_until(lambda: len(pbx.received(r"^ACK ")) >= 3, 5, "resumption")
        rtp.converse(at_carrier, at_pbx, to_carrier, to_pbx, packets=20)
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_a_glare_is_tried_again_and_what_nobody_speaks_ends_no_call(self):
        carrier, pbx = self.carrier_calls("uac_offers_again", "uas_glare", hold_ms=500)
        carrier.expect_success()
        pbx.expect_success()
        self.assertTrue(carrier.received(r"^SIP/2.0 488"))
        self.expect_no_calls()

    def test_delayed_offer(self):
        at_carrier, at_pbx = self.voices()
        carrier, pbx = self.carrier_calls("uac_delayed_offer", "uas", hold_ms=2000)
        to_carrier, to_pbx = carrier.media(), pbx.media()
        rtp.converse(at_carrier, at_pbx, to_carrier, to_pbx, packets=30)
        self.assertEqual(at_pbx.missing(0, at_carrier.sent - 1), [])
        self.assertEqual(at_carrier.missing(0, at_pbx.sent - 1), [])
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()


if __name__ == "__main__":
    office.main()
