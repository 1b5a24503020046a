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


class SessionTimers(office.Office):
    def test_we_refresh_where_we_are_asked_to(self):
        interval = office.asked("interval")
        pbx = self.side("uas_refreshed", "pbx", words={"interval": interval})
        carrier = self.side("uac", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, more=["-d", (interval // 2 + 2) * 1000])
        carrier.expect_success(interval + 20)
        pbx.expect_success()
        self.assertEqual(len(pbx.received(r"^INVITE ")), 2)
        self.expect_no_calls()


class Copies(office.Office):
    """The PBX may send all headers of its own making, and the carrier is Exotel's."""

    trunk_more = {"carrier": {"profile": "exotel", "from_domain": "acme1.pstn.exotel.com",
                              "headers_to": ["X-*"], "confirmed": ["CV-02", "CV-05", "CV-20"]},
                  "pbx": {"headers_from": ["X-*"]}}

    def test_what_is_the_carriers_is_not_sent_to_it_and_a_reason_crosses(self):
        carrier = self.side("uas_hears_reason", "carrier")
        pbx = self.side("uac_copies", "pbx", (office.TANDEM, office.SIP_PORT),
                        service=office.NUMBER_AT_CARRIER, more=["-d", 300])
        pbx.expect_success()
        carrier.expect_success()
        [invite] = carrier.received(r"^INVITE ")
        self.assertRegex(invite, r"(?m)^X-Ticket: 4711")
        self.assertNotIn("X-Exotel", invite)
        [bye] = carrier.received(r"^BYE ")
        self.assertRegex(bye, r'(?m)^Reason: .*Q\.850;cause=31;text="ticket closed"')
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
    office.main(interval=30)
