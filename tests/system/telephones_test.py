#!/usr/bin/python3
"""Other independent telephones as the PBX, called and calling, over UDP and TCP: linphone, with
SRTP too, and twinkle."""

import json
import os
import re
import struct
import wave

from rig import office, singer
from rig.linphone import Linphone
from rig.office import NUMBER_AT_CARRIER, NUMBER_AT_PBX, SIP_PORT, TANDEM, TELEPHONE, TO_DESK
from rig.process import wait_until
from rig.twinkle import Twinkle


class Desk(office.DeskOffice):
    suite = ""

    def is_called(self):
        telephone = self.telephone()
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 3000])
        self.expect_call(carrier, self.voice(), telephone, leg=1)

    def calls(self):
        carrier = self.side("uas_hangs_up", "carrier", more=["-d", 3000])
        telephone = self.telephone()
        telephone.say(f"call sip:{NUMBER_AT_CARRIER}@{TO_DESK};transport={self.transport_of_desk}")
        wait_until(lambda: carrier.received(r"^ACK "), 10, lambda: f"a call:\n{telephone.log()}")
        self.expect_call(carrier, self.voice(), telephone, leg=0)

    def expect_call(self, carrier, voice, telephone, leg, packets=100):
        voice.talk(carrier.media())
        voice.expect_packets(packets, 8)
        carrier.expect_success()
        voice.hush()
        telephone.say("quit")
        telephone.wait(10)
        self.expect_no_calls()
        record = wait_until(lambda: re.search(r"\{\"call\":.*\}", self.sipctl.log_text), 10,
                            "the call's record")
        record = json.loads(record[0])["legs"][leg]
        self.assertEqual(record["srtp"], self.suite)
        self.assertGreater(record["sent_packets"], 100)


class WithLinphone(Desk):
    def setUp(self):
        super().setUp()
        self.heard = os.path.join(self.folder, "heard.wav")

    def telephone(self):
        return self.begin(Linphone(self.folder, TELEPHONE, SIP_PORT, NUMBER_AT_PBX, self.song(),
                                   self.heard, prefix=self.desk.prefix,
                                   encryption="srtp" if self.srtp == "required" else "none"))

    def expect_call(self, carrier, voice, telephone, leg):
        super().expect_call(carrier, voice, telephone, leg)
        _, share = voice.tone("PCMA")
        self.assertGreater(share(620), 0.99)
        with wave.open(self.heard) as recorded:
            samples = recorded.readframes(recorded.getnframes())
        samples = [sample[0] for sample in struct.iter_unpack("=h", samples)]
        self.assertGreater(singer.usual_share_of(1004, samples), 0.9)

    def test_the_carrier_calls_linphone(self):
        self.is_called()

    def test_linphone_calls_the_carrier(self):
        self.calls()


class WithLinphoneOverTcp(WithLinphone):
    transport_of_desk = "tcp"


class WithLinphoneAndSrtp(WithLinphone):
    srtp, suite = "required", "AES_CM_128_HMAC_SHA1_80"


class WithTwinkle(Desk):
    """Without a sound card it sends next to nothing."""

    def expect_call(self, carrier, voice, telephone, leg):
        super().expect_call(carrier, voice, telephone, leg, packets=0)

    def telephone(self):
        return self.begin(Twinkle(self.folder, TELEPHONE, SIP_PORT, NUMBER_AT_PBX,
                                  prefix=self.desk.prefix, transport=self.transport_of_desk))

    def test_the_carrier_calls_twinkle(self):
        self.is_called()

    def test_twinkle_calls_the_carrier(self):
        self.calls()


class WithTwinkleOverTcp(WithTwinkle):
    transport_of_desk = "tcp"


if __name__ == "__main__":
    office.main()
