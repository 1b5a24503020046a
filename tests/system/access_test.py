#!/usr/bin/python3
"""PBXs without a fixed address: baresip logs in over UDP, TCP and TLS, from behind a NAT too, calls
and is called; and what strangers get at the door, of which most is nothing."""

import hashlib
import os
import re
import socket
import time

from rig import office
from rig.baresip import Baresip
from rig.certificates import Certificates
from rig.office import (NUMBER_AT_CARRIER, NUMBER_AT_PBX, SIP_PORT, STRANGER, TANDEM, TELEPHONE,
                        TO_DESK)
from rig.process import wait_until

DOOR, BEHIND_NAT = TO_DESK, "10.9.9.9"
TLS_PORT = 5061
REALM, PASSWORD = "acme", "open-sesame"


class AccessOffice(office.DeskOffice):
    """The carrier is a trunk as ever; the PBX is whoever knows the password."""

    digest = ["md5"]

    def config(self):
        self.certificates = Certificates(self.folder, [f"door=IP:{DOOR}"])
        password = os.path.join(self.folder, "password")
        with open(password, "w", encoding="utf-8") as out:
            out.write(PASSWORD + "\n")
        config = office.office_config(self.folder)
        for transport, port, more in (
                ("udp", SIP_PORT, {}), ("tcp", SIP_PORT, {}),
                ("tls", TLS_PORT, {"certificate": self.certificates("door.pem")})):
            config["listeners"].append({
                "name": f"door-{transport}", "transport": transport, "bind": f"{DOOR}:{port}",
                "role": "access", "realm": REALM, "digest": self.digest, "expires_max": "2m",
                **more})
        config["trunks"][1] = {
            "name": "pbx", "users": [{"user": NUMBER_AT_PBX, "password_file": password}],
            "media_networks": "any", "media_addresses": [{"local": DOOR}]}
        return config

    def registered(self):
        return self.sipctl.registrations()["registrations"]

    def counted(self, name):
        return self.sipctl.registrations()["counters"][name]


class WithBaresip(AccessOffice):
    address = TELEPHONE  # as the telephone sees itself

    def telephone(self, **more):
        port = TLS_PORT if self.transport_of_desk == "tls" else SIP_PORT
        telephone = self.begin(Baresip(
            self.folder, self.address, SIP_PORT, NUMBER_AT_PBX, self.song(),
            os.path.join(self.folder, "heard.wav"), more.pop("interface", self.desk.cable),
            prefix=self.desk.prefix, registrar=f"{DOOR}:{port}",
            account=f"auth_user={NUMBER_AT_PBX};auth_pass={PASSWORD}",
            transport=self.transport_of_desk,
            more=[f"sip_cafile {self.certificates('ca.pem')}", "sip_verify_server no"],
            **more))
        wait_until(self.registered, 10,
                   lambda: f"registration:\n{telephone.log(100_000)}\n{self.sipctl.log_text}")
        return telephone

    def expect_sound(self, carrier):
        voice = self.voice()
        voice.talk(carrier.media())
        voice.expect_packets(100, 8)
        carrier.expect_success()
        voice.hush()
        _, share = voice.tone("PCMA")
        self.assertGreater(share(620), 0.99)
        self.expect_no_calls()

    def test_it_is_called_where_it_has_logged_in(self):
        telephone = self.telephone()
        [at] = self.registered()
        self.assertEqual((at["user"], at["trunk"]), (NUMBER_AT_PBX, "pbx"))
        self.assertRegex(at["from"], rf"^{TELEPHONE}:\d+ over {self.transport_of_desk.upper()}$")
        self.assertIn(self.address, at["contact"])
        carrier = self.side("uac", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            more=["-d", 3000])
        self.expect_sound(carrier)
        wait_until(telephone.calls_ended, 10, "end of the call at the telephone")
        self.assertGreater(telephone.packets()[1], 100)

    def test_it_calls(self):
        carrier = self.side("uas_hangs_up", "carrier", more=["-d", 3000])
        port = TLS_PORT if self.transport_of_desk == "tls" else SIP_PORT
        self.telephone(dial=f"sip:{NUMBER_AT_CARRIER}@{DOOR}:{port}"
                            f";transport={self.transport_of_desk}")
        wait_until(lambda: carrier.received(r"^ACK "), 10, "a call")
        self.expect_sound(carrier)


class WithBaresipOverTcp(WithBaresip):
    transport_of_desk = "tcp"


class WithBaresipOverTls(WithBaresip):
    transport_of_desk = "tls"


class BehindNat(WithBaresip):
    """Contact and SDP name an address that nobody else has; every flow leaves by another port."""

    address = BEHIND_NAT

    def setUp(self):
        super().setUp()
        for command in (["ip", "link", "add", "inside", "type", "veth", "peer", "name", "other"],
                        ["ip", "address", "add", f"{BEHIND_NAT}/24", "dev", "inside"],
                        ["ip", "link", "set", "inside", "up"],
                        ["ip", "link", "set", "other", "up"]):
            self.desk.run(command)
        self.desk.nft("table ip nat {\n chain out {\n  type nat hook postrouting priority 100\n"
                      f"  ip saddr {BEHIND_NAT} meta l4proto {{ tcp, udp }} "
                      "masquerade to :40000-40999 random\n }\n}\n")

    def telephone(self, **more):
        return super().telephone(interface="inside", **more)


class BehindNatOverTcp(BehindNat):
    transport_of_desk = "tcp"


class Stranger:
    """Somebody with a socket of its own, who answers a challenge by Python's hashes."""

    def __init__(self, address, door=(DOOR, SIP_PORT), tcp=False):
        self.socket = socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(5)
        self.socket.connect(door)
        self.address, self.port = self.socket.getsockname()
        self.transport, self.number, self.count = "TCP" if tcp else "UDP", 0, 0

    def close(self):
        self.socket.close()

    def request(self, method, more=(), user=NUMBER_AT_PBX, uri=f"sip:{DOOR}", tag=""):
        self.number += 1
        lines = [f"{method} {uri} SIP/2.0",
                 f"Via: SIP/2.0/{self.transport} {self.address}:{self.port};rport;"
                 f"branch=z9hG4bK{self.port}x{self.number}",
                 f"From: <sip:{user}@{DOOR}>;tag=s{self.port}", f"To: <sip:{user}@{DOOR}>{tag}",
                 f"Call-ID: stranger-{self.port}", f"CSeq: {self.number} {method}",
                 f"Contact: <sip:{user}@{self.address}:{self.port}>", "Max-Forwards: 70", *more,
                 "Content-Length: 0", "", ""]
        return "\r\n".join(lines).encode()

    def send(self, message):
        self.socket.send(message)

    def answer(self, seconds=5):
        """The next one; empty when nothing comes."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65536).decode()
        except TimeoutError:
            return ""

    def ask(self, method="REGISTER", more=(), **keys):
        self.send(self.request(method, more, **keys))
        return self.answer()

    def log_in(self, password=PASSWORD, name="MD5", user=NUMBER_AT_PBX, challenge=None):
        """Status of the answer to REGISTER with a password; 0: there was none."""
        challenge = challenge or self.ask(user=user)
        found = re.search(rf'realm="(.*?)", nonce="(.*?)", algorithm={name},', challenge)
        digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[name]

        def hashed(text):
            return digest(text.encode()).hexdigest()
        realm, nonce = found.groups()
        self.count += 1
        count, uri = "00000001", f"sip:{DOOR}"
        response = hashed(f"{hashed(f'{user}:{realm}:{password}')}:{nonce}:{count}:c{self.count}"
                          f":auth:{hashed(f'REGISTER:{uri}')}")
        answer = self.ask(user=user, more=[
            f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", '
            f'uri="{uri}", response="{response}", algorithm={name}, qop=auth, nc={count}, '
            f'cnonce="c{self.count}"'])
        return int(answer.split()[1]) if answer else 0


class AtTheDoor(AccessOffice):
    digest = ["sha-256", "md5"]

    def stranger(self, address=DOOR, **more):
        stranger = Stranger(address, **more)
        self.addCleanup(stranger.close)
        return stranger

    def test_both_hashes_open_it(self):
        for tcp in (False, True):
            for name in ("MD5", "SHA-256"):
                with self.subTest(name=name, tcp=tcp):
                    self.assertEqual(self.stranger(tcp=tcp).log_in(name=name), 200)
        self.assertEqual(self.counted("admitted"), 4)
        self.assertEqual(len(self.registered()), 4)

    def test_only_register_and_invite_are_answered(self):
        for tcp in (False, True):
            stranger = self.stranger(tcp=tcp)
            for method in ("OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "CANCEL", "UPDATE", "NOTIFY"):
                stranger.send(stranger.request(method))
            stranger.send(stranger.request("INVITE", tag=";tag=guessed"))
            malformed = stranger.request("REGISTER").replace(b"Max-Forwards: 70", b"Via: nonsense")
            stranger.send(malformed)
            if not tcp:  # over TCP this would end the connection
                stranger.send(b"\x16\x03\x01 nonsense")
            # One after the other: an answer to any of them would come first.
            self.assertRegex(stranger.ask("REGISTER"), r"^SIP/2.0 401 (?s:.*)CSeq: \d+ REGISTER")
            self.assertRegex(stranger.ask("INVITE"), r"^SIP/2.0 401 (?s:.*)CSeq: \d+ INVITE")
        self.assertEqual(self.counted("unserved"), 16)

    def test_the_listener_of_trunks_is_no_door(self):
        stranger = self.stranger(STRANGER, door=(TANDEM, SIP_PORT))
        stranger.send(stranger.request("REGISTER"))
        self.assertEqual(stranger.answer(1), "")

    def test_wrong_passwords_end_in_silence(self):
        guesser = self.stranger()
        for _ in range(5):
            self.assertEqual(guesser.log_in("guess", challenge=guesser.ask()), 401)
        self.assertEqual(guesser.ask(), "")
        self.assertIn("has guessed 5 wrong passwords", self.sipctl.log_text)
        self.assertEqual(self.counted("wrong"), 5)
        # Who is elsewhere notices nothing.
        self.assertEqual(self.stranger(TANDEM).log_in(), 200)

    def test_a_flood_is_answered_for_a_little(self):
        flood = self.stranger()
        begun = time.monotonic()
        for _ in range(500):
            flood.send(flood.request("REGISTER"))
        answers = 0
        while flood.answer(0.5):
            answers += 1
        seconds = time.monotonic() - begun
        self.assertGreaterEqual(answers, 20)
        self.assertLess(answers, 25 + 10 * seconds)
        self.assertGreater(self.counted("limited"), 300)
        self.assertEqual(self.stranger(TANDEM).log_in(), 200)  # from another address

    def test_nobody_is_there_until_somebody_logs_in(self):
        carrier = self.side("uac_refused", "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX)
        carrier.wait(10)
        self.assertTrue(carrier.received(r"^SIP/2.0 480 "), carrier.messages())


if __name__ == "__main__":
    office.main()
