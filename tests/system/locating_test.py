#!/usr/bin/python3
"""Where calls go: names and their records, dead addresses, and a carrier that asks who we are."""

import os
import socket

from rig import office
from rig.dnsmasq import ADDRESS, Dnsmasq
from rig.kamailio import Kamailio
from rig.office import CARRIER, NUMBER_AT_CARRIER, SIP_PORT, TANDEM
from rig.process import wait_until
from rig.sipp import Sipp

NOBODY = "127.0.0.8"
SECOND = "127.0.0.5"  # another address of the carrier


class Locating(office.Office):
    """The PBX calls the carrier, wherever that is."""

    def carrier_keys(self):
        return {}

    def config(self):
        config = office.office_config(self.folder, self.transport)
        config["name_servers"] = [f"{ADDRESS}:53"]
        carrier = config["trunks"][0]
        carrier["sources"] = [f"{CARRIER}/32", f"{SECOND}/32"]
        carrier.update(self.carrier_keys())
        if "destinations" in carrier:
            del carrier["destination"]
        return config

    def carrier_at(self, address, port=SIP_PORT, scenario="uas"):
        return self.begin(Sipp(
            self.folder, scenario, (address, port), transport=self.transport,
            keys={"rtp_ip": CARRIER, "rtp_port": office.CARRIER_RTP},
            name=f"carrier-{scenario}-{address}-{port}-{self.next_number()}"))

    def next_number(self):
        self.number = getattr(self, "number", 0) + 1
        return self.number

    def call(self, carrier):
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        more=["-d", 200], name=f"pbx-{self.next_number()}")
        pbx.expect_success()
        carrier.expect_success()


class DeadPop(Locating):
    def carrier_keys(self):
        return {"destinations": [{"to": f"{NOBODY}:{SIP_PORT}", "priority": 1},
                                 {"to": f"{CARRIER}:{SIP_PORT}", "priority": 2}],
                "response_timeout": "1s"}

    def test_the_other_one_is_taken(self):
        self.call(self.carrier_at(CARRIER))
        self.expect_no_calls()


class DeadPopOverTcp(DeadPop):
    transport = "tcp"


class RefusingPop(Locating):
    def carrier_keys(self):
        return {"destinations": [{"to": f"{SECOND}:{SIP_PORT}", "priority": 1},
                                 {"to": f"{CARRIER}:{SIP_PORT}", "priority": 2}]}

    def test_what_one_cannot_serve_the_other_one_does(self):
        edge = self.begin(Kamailio(
            self.folder, [f"udp:{SECOND}:{SIP_PORT}"], TANDEM, f"sip:{NOBODY}", f"sip:{TANDEM}",
            policy='    sl_send_reply("503", "Maintenance"); exit;'))
        self.call(self.carrier_at(CARRIER))
        # Dead for a while: the next call does not ask it.
        edge.stop()
        self.call(self.carrier_at(CARRIER))
        self.expect_no_calls()


class Health(Locating):
    def carrier_keys(self):
        return {"health": "1s"}

    def test_who_is_gone_is_noticed(self):
        edge = self.edge()
        wait_until(lambda: "answers again" in self.sipctl.log_text, 45, "first answer")
        edge.stop()
        wait_until(lambda: self.sipctl.log_text.count("does not answer") == 2, 60, "its end")

    def edge(self):
        wait_until(lambda: "does not answer" in self.sipctl.log_text, 45, "question to nobody")
        return self.begin(Kamailio(self.folder, [f"udp:{CARRIER}:{SIP_PORT}"], TANDEM,
                                   f"sip:{SECOND}", f"sip:{TANDEM}"))


class Named(Locating):
    def config(self):
        # The name server is there before sipctl, and what it says changes later.
        self.names({"edge.carrier.test": [CARRIER]})
        return super().config()

    def names(self, hosts, **more):
        if getattr(self, "dns", None):
            self.dns.stop()
        self.dns = self.begin(Dnsmasq(self.folder, hosts, **more))

    def carrier_keys(self):
        return {"destination": f"edge.carrier.test:{SIP_PORT}"}


class SeveralAddresses(Named):
    """Of the two addresses of a name one is deaf: no call is lost, whichever is drawn first."""

    calls = 20

    def config(self):
        self.names({"edge.carrier.test": [NOBODY, CARRIER]})
        config = Locating.config(self)
        config["trunks"][0]["response_timeout"] = "1s"
        return config

    def deaf(self):
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        deaf = socket.socket(socket.AF_INET, kind)
        self.addCleanup(deaf.close)
        deaf.bind((NOBODY, SIP_PORT))
        if self.transport == "tcp":
            deaf.listen()
        return deaf

    def test_every_call_finds_the_one_that_answers(self):
        deaf = self.deaf()
        wait_until(lambda: NOBODY in self.sipctl.log_text and CARRIER in self.sipctl.log_text, 10,
                   "both addresses")
        carrier = self.side("uas", "carrier", calls=self.calls)
        pbx = self.side("uac", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        calls=self.calls, rate=20, more=["-d", 500])
        pbx.expect_success()
        carrier.expect_success()
        # With equal chances, twenty calls have not all begun with the other one.
        deaf.settimeout(5)
        heard = deaf if self.transport == "udp" else deaf.accept()[0]
        self.addCleanup(heard.close)
        self.assertIn(b"INVITE ", heard.recv(65536))
        self.expect_no_calls()


class SeveralAddressesOverTcp(SeveralAddresses):
    transport = "tcp"


class Names(Named):
    def test_a_name_moves_and_outlives_its_server(self):
        self.call(self.carrier_at(CARRIER))
        self.names({"edge.carrier.test": [SECOND]})
        wait_until(lambda: f"is at {SECOND}:{SIP_PORT}/udp" in self.sipctl.log_text, 15,
                   "new address")
        self.call(self.carrier_at(SECOND))
        self.dns.stop()
        wait_until(lambda: "the last answer is kept" in self.sipctl.log_text, 30, "stale answer")
        self.call(self.carrier_at(SECOND))
        self.expect_no_calls()


class Service(Names):
    def config(self):
        config = office.Office.config(self)
        self.names({"pop1.carrier.test": [CARRIER], "pop2.carrier.test": [SECOND]},
                   servers=[("_sip._udp.carrier.test", "pop1.carrier.test", 5090, 1, 1),
                            ("_sip._udp.carrier.test", "pop2.carrier.test", 5091, 2, 1)])
        config["name_servers"] = [f"{ADDRESS}:53"]
        carrier = config["trunks"][0]
        carrier.update({"sources": [f"{CARRIER}/32", f"{SECOND}/32"],
                        "destination": "carrier.test", "response_timeout": "1s"})
        return config

    def test_a_name_moves_and_outlives_its_server(self):
        """Ports and order are those of the SRV records; the second server stands in."""
        self.call(self.carrier_at(CARRIER, 5090))
        self.call(self.carrier_at(SECOND, 5091))
        self.expect_no_calls()


class Digest(Locating):
    password = "correct horse"

    def carrier_keys(self):
        path = os.path.join(self.folder, "password")
        with open(path, "w", encoding="utf-8") as out:
            out.write("correct horse\n")
        return {"login": {"user": "tandem", "realm": "carrier.test", "password_file": path}}

    def edge(self):
        policy = f"""    if (is_method("INVITE") && !has_totag()) {{
        if (!pv_proxy_authenticate("carrier.test", "{self.password}", "0")) {{
            proxy_challenge("carrier.test", "1"); exit;
        }}
        consume_credentials();
    }}"""
        return self.begin(Kamailio(
            self.folder, [f"udp:{CARRIER}:{SIP_PORT}"], TANDEM, f"sip:{SECOND}:5080",
            f"sip:{TANDEM}", policy=policy, modules='loadmodule "auth.so"'))

    def test_the_carrier_is_told_who_we_are(self):
        self.edge()
        self.call(self.carrier_at(SECOND, 5080))
        self.expect_no_calls()


class WrongPassword(Digest):
    password = "another one"

    def test_the_carrier_is_told_who_we_are(self):
        """One try, and the caller hears that it is no fault of his."""
        self.edge()
        pbx = self.side("uac_unavailable", "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER)
        wait_until(lambda: pbx.received(r"^SIP/2.0 502"), 20, "502")
        self.expect_no_calls()


if __name__ == "__main__":
    office.main()
