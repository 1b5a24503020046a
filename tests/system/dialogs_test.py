#!/usr/bin/python3
"""Dialogs as carriers shape them: routes and Contacts that disagree, PRACK, UPDATE, session timers,
requests too long for a datagram."""


from rig import office


class Dialogs(office.Office):
    def test_prack_update_and_a_session_timer(self):
        carrier, pbx = self.carrier_calls("uac_reliable", "uas_progress", hold_ms=300)
        carrier.expect_success()
        pbx.expect_success()
        self.assertFalse(pbx.received(r"^Require: .*100rel"), "each leg for itself")
        self.expect_no_calls()


    def test_the_description_is_taken_out_of_several_parts(self):
        carrier, pbx = self.carrier_calls("uac_multipart", "uas_multipart", hold_ms=300)
        carrier.expect_success()
        pbx.expect_success()
        [invite] = pbx.received(r"^INVITE ")
        self.assertRegex(invite, r"(?m)^Content-Type: application/sdp\s*$")
        self.assertNotIn("boundary", invite)
        self.expect_no_calls()

    def test_a_part_that_must_be_understood_is_refused(self):
        carrier = self.side("uac_multipart_required", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX)
        carrier.expect_success()
        self.expect_no_calls()

    def test_a_second_offer_before_the_first_answer_waits(self):
        carrier, pbx = self.carrier_calls("uac_overlap", "uas_rings", hold_ms=1000)
        carrier.expect_success()
        pbx.expect_success()
        self.assertEqual(len(pbx.received(r"^INVITE ")), 1)
        self.expect_no_calls()


class DialogsOverTcp(office.Office):
    transport = "tcp"

    def test_the_route_is_followed_and_not_the_contact(self):
        carrier, pbx = self.carrier_calls("uac", "uas_edge", hold_ms=500)
        carrier.expect_success()
        pbx.expect_success()  # ACK and BYE came by the route
        self.expect_no_calls()


class TooLongForUdp(office.Office):
    """A caller's name of 900 characters; the telephone takes TCP beside UDP."""

    def config(self):
        config = super().config()
        config["listeners"].append(
            {"name": "streams", "transport": "tcp", "bind": f"{office.TANDEM}:{office.SIP_PORT}"})
        return config

    def test_a_long_invite_goes_by_tcp(self):
        pbx = self.side("uas", "pbx", transport="tcp", more=["-d", 500])
        carrier = self.side("uac_long_name", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, more=["-d", 500])
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_and_by_udp_where_nobody_takes_it(self):
        carrier, pbx = self.carrier_calls("uac_long_name", "uas", hold_ms=500)
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

if __name__ == "__main__":
    office.main()
