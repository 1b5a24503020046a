#!/usr/bin/python3
"""When a process dies: what the other one does, and what the people on the telephone notice."""

import signal
import time

from rig import office
from rig.process import wait_until


class Restart(office.Office):
    def talk(self, caller="uac", callee="uas", hold_ms=20000):
        """A call with both sides talking; (SIPp carrier, SIPp pbx, voice, voice)."""
        at_carrier, at_pbx = self.voices()
        carrier, pbx = self.carrier_calls(caller, callee, hold_ms=hold_ms)
        at_carrier.talk(carrier.media())
        at_pbx.talk(pbx.media())
        at_carrier.expect_heard(25)
        at_pbx.expect_heard(25)
        return carrier, pbx, at_carrier, at_pbx

    def test_sipctl_is_killed_and_comes_back(self):
        carrier, pbx, at_carrier, at_pbx = self.talk("uac_hears_bye", "uas")
        self.sipctl.program.kill()
        heard = len(at_pbx.heard)
        at_pbx.expect_heard(heard + 50)  # a second without anybody who knows SIP
        sent = (at_carrier.hush(), at_pbx.hush())
        self.assertEqual(at_pbx.missing(0, sent[0] - 1), [], "audio was lost towards the PBX")
        self.assertEqual(at_carrier.missing(0, sent[1] - 1), [], "audio was lost to the carrier")
        self.expect_sessions(1)

        self.sipctl.start()
        carrier.expect_success()  # each heard BYE and answered it
        pbx.expect_success()
        self.expect_no_calls()

    def test_sipctl_is_killed_while_it_rings(self):
        carrier, pbx = self.carrier_calls("uac_rings_unavailable", "uas_cancelled")
        wait_until(lambda: carrier.received(r"^SIP/2.0 180"), 5, "ringing")
        self.sipctl.program.kill()
        self.sipctl.start()
        carrier.expect_success()  # 503 in the transaction that it began
        pbx.expect_success()      # CANCEL in the one that it has
        self.expect_no_calls()

    def test_relay_is_killed_and_comes_back(self):
        carrier, pbx, at_carrier, at_pbx = self.talk(hold_ms=8000)
        ports = (carrier.media(), pbx.media())
        self.relay.program.kill()
        self.relay.start()
        heard = (len(at_carrier.heard), len(at_pbx.heard))
        at_carrier.expect_heard(heard[0] + 50)  # on the same ports: nobody was told anything
        at_pbx.expect_heard(heard[1] + 50)
        self.assertEqual(at_carrier.sources, {ports[0]})
        self.assertEqual(at_pbx.sources, {ports[1]})
        self.assertLess(max(at_carrier.longest_silence(), at_pbx.longest_silence()), 4)
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_relay_stays_away(self):
        carrier, pbx, _, _ = self.talk("uac_hears_reason", "uas_hears_reason")
        self.relay.program.kill()
        begin = time.monotonic()
        carrier.expect_success(10)
        pbx.expect_success(10)
        took = time.monotonic() - begin
        self.assertGreater(took, 3, "it must give a restarted relay some time")
        self.assertLess(took, 8)
        self.relay.start()

    def test_sigterm_lets_calls_end(self):
        carrier, pbx, at_carrier, at_pbx = self.talk(hold_ms=3000)
        self.sipctl.program.signal(signal.SIGTERM)
        refused = self.side("uac_unavailable", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, name="refused", port=5061)
        refused.expect_success()
        heard = len(at_pbx.heard)
        at_pbx.expect_heard(heard + 25)
        carrier.expect_success()
        pbx.expect_success()
        self.assertEqual(self.sipctl.program.wait(10), 0)
        del at_carrier

    def test_relay_drains_at_sigterm(self):
        carrier, pbx, _, at_pbx = self.talk(hold_ms=3000)
        self.relay.program.signal(signal.SIGTERM)
        heard = len(at_pbx.heard)
        at_pbx.expect_heard(heard + 25)
        self.relay.program.expect_running()
        carrier.expect_success()
        pbx.expect_success()
        self.assertEqual(self.relay.program.wait(10), 0)


if __name__ == "__main__":
    office.main()
