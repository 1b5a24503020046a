#!/usr/bin/python3
"""One call each way, over UDP and TCP, with audio both ways; strangers get silence."""

import socket

from rig import office, rtp
from rig.office import CARRIER, NUMBER_AT_PBX, SIP_PORT, STRANGER, TANDEM


class Calls:
    def carry(self, caller, callee, voices):
        a, b = voices
        to_a, to_b = caller.media(), callee.media()
        self.assertEqual({to_a[0], to_b[0]}, {TANDEM})
        self.assertNotEqual(to_a[1], to_b[1])
        rtp.converse(a, b, to_a, to_b, packets=50)
        for party, other in ((a, b), (b, a)):
            self.assertEqual(other.missing(0, party.sent - 1), [], f"lost from {party.name}")
            self.assertEqual(other.twice, 0)
            self.assertEqual(other.strange, 0)
            self.assertEqual(other.payload_types, {rtp.PCMA})
        # Each hears the other from the very port its SDP named, and from nowhere else.
        self.assertEqual(a.sources, {to_a})
        self.assertEqual(b.sources, {to_b})
        caller.expect_success()
        callee.expect_success()
        self.expect_no_calls()

    def test_carrier_calls_the_pbx(self):
        carrier, pbx = self.carrier_calls()
        self.carry(carrier, pbx, self.voices())

    def test_pbx_calls_the_carrier(self):
        pbx, carrier = self.pbx_calls()
        at_carrier, at_pbx = self.voices()
        self.carry(pbx, carrier, (at_pbx, at_carrier))

    def test_the_callee_hangs_up(self):
        carrier, pbx = self.carrier_calls("uac_hears_bye", "uas_hangs_up", hold_ms=300)
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_nothing_of_one_dialog_shows_in_the_other(self):
        carrier, pbx = self.carrier_calls(hold_ms=100)
        carrier.expect_success()
        pbx.expect_success()
        invite = pbx.received(r"^INVITE ")[0]
        self.assertNotIn(CARRIER, invite)  # no Via, Contact, From host or SDP address of it
        call_id = carrier.received(r"^SIP/2.0 200")[0].split("Call-ID:")[1].split()[0]
        self.assertNotIn(call_id, invite)


class OverUdp(Calls, office.Office):
    transport = "udp"


class OverTcp(Calls, office.Office):
    transport = "tcp"


class Strangers(office.Office):
    def ask(self, address):
        """An OPTIONS by hand; the answer or None after a second."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((address, 0))
            s.settimeout(1)
            host, port = s.getsockname()
            s.sendto((f"OPTIONS sip:{TANDEM} SIP/2.0\r\n"
                      f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKstranger{port}\r\n"
                      f"From: <sip:x@{host}>;tag=1\r\nTo: <sip:{NUMBER_AT_PBX}@{TANDEM}>\r\n"
                      f"Call-ID: {port}@{host}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
                      f"Content-Length: 0\r\n\r\n").encode(), (TANDEM, SIP_PORT))
            try:
                return s.recv(4096).decode()
            except socket.timeout:
                return None

    def test_a_trunk_is_answered_and_a_stranger_is_not(self):
        self.assertIsNone(self.ask(STRANGER))
        self.assertTrue(self.ask(CARRIER).startswith("SIP/2.0 200"))
        counted = self.sipctl.counters()
        self.assertEqual(counted["transport"]["messages_in"], 1)
        self.assertEqual(counted["transport"]["kernel_drops"], 1)
        self.assertEqual(counted["transactions"]["requests_in"], 1)

    def test_a_strangers_connection_is_not_accepted(self):
        self.sipctl.stop()
        self.transport = "tcp"
        self.sipctl = self.begin(self.restart())
        for address, accepted in ((CARRIER, True), (STRANGER, False)):
            with socket.socket() as s, self.subTest(address):
                s.bind((address, 0))
                s.settimeout(1)
                if accepted:
                    s.connect((TANDEM, SIP_PORT))
                    continue
                with self.assertRaises(TimeoutError):  # its SYN has no answer
                    s.connect((TANDEM, SIP_PORT))

    def restart(self):
        from rig import tandem
        return tandem.Sipctl(self.folder, self.config(), name="sipctl-tcp")


if __name__ == "__main__":
    office.main()
