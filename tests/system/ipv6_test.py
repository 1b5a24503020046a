#!/usr/bin/python3
"""A carrier on IPv6 and a PBX on IPv4: signalling and audio cross from one to the other."""

import subprocess

from rig import office, rtp
from rig.office import NUMBER_AT_CARRIER, NUMBER_AT_PBX, PBX, PBX_RTP, SIP_PORT, TANDEM
from rig.sipp import Sipp

TANDEM6, CARRIER6, CARRIER_RTP = "fd00::1", "fd00::2", 40000


class BetweenFamilies(office.Office):
    @classmethod
    def setUpClass(cls):
        for address in (TANDEM6, CARRIER6):
            subprocess.run(["ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad"],
                           check=True)

    def in_between(self):
        return [f"{TANDEM}:10000-10999", f"[{TANDEM6}]:10000-10999"]

    def config(self):
        config = super().config()
        config["listeners"].append({"name": "six", "transport": "udp",
                                    "bind": f"[{TANDEM6}]:{SIP_PORT}"})
        config["relay"]["addresses"] = [{"local": TANDEM}, {"local": TANDEM6}]
        config["trunks"][0].update({
            "sources": [f"{CARRIER6}/128"], "destination": f"[{CARRIER6}]:{SIP_PORT}",
            "listener": "six", "media_networks": [f"{CARRIER6}/128"],
            "media_addresses": [{"local": TANDEM6}]})
        config["trunks"][1].update({"listener": "office", "media_addresses": [{"local": TANDEM}]})
        return config

    def carrier(self, scenario, remote=None, **more):
        return self.begin(Sipp(self.folder, scenario, (CARRIER6, SIP_PORT), remote,
                               keys={"rtp_ip": CARRIER6, "rtp_port": CARRIER_RTP},
                               name=f"carrier-{scenario}", more=["-d", 3000], **more))

    def carry(self, carrier, pbx):
        at_carrier = self.party(CARRIER6, CARRIER_RTP, "carrier")
        at_pbx = self.party(PBX, PBX_RTP, "pbx")
        to_carrier, to_pbx = carrier.media(), pbx.media()
        self.assertEqual((to_carrier[0], to_pbx[0]), (TANDEM6, TANDEM))
        rtp.converse(at_carrier, at_pbx, to_carrier, to_pbx)
        self.assertEqual(at_pbx.missing(0, at_carrier.sent - 1), [])
        self.assertEqual(at_carrier.missing(0, at_pbx.sent - 1), [])
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_from_ipv6_to_ipv4(self):
        pbx = self.side("uas", "pbx")
        carrier = self.carrier("uac", (TANDEM6, SIP_PORT), service=NUMBER_AT_PBX)
        self.carry(carrier, pbx)

    def test_from_ipv4_to_ipv6(self):
        carrier = self.carrier("uas")
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        more=["-d", 3000])
        self.carry(carrier, pbx)


if __name__ == "__main__":
    office.main()
