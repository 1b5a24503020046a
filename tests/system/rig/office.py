"""A whole office for one test: a network of its own, a relay, a sipctl, a carrier and a PBX.

The test's process moves into a fresh network namespace, so ports and addresses are free to choose
and everything on the network is gone with the process.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import unittest

from . import laboratory, rtp, singer, tandem
from .process import wait_until
from .sipp import Sipp

# All on the namespace's loopback.
TANDEM, CARRIER, PBX, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
SIP_PORT = 5060
CARRIER_SIP, PBX_SIP = (CARRIER, 5060), (PBX, 5060)
CARRIER_RTP, PBX_RTP, PBX_EARLY_RTP = 40000, 40010, 40020
NUMBER_AT_PBX, NUMBER_AT_CARRIER = "+912212345678", "+919999000011"
# The cable of a DeskOffice: Tandem's end and the telephone's.
TO_DESK, TELEPHONE = "192.0.2.10", "192.0.2.30"

_CLONE_NEWNET = 0x40000000
_SKIP = 77  # meson: skipped


def own_network():
    """Moves this process into a network namespace of its own. Needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        print("a network namespace needs root:", os.strerror(ctypes.get_errno()))
        sys.exit(_SKIP)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main(**numbers):
    """What every test file ends with. `numbers` are long options of its own, --name=N, with what
    they are without being given; returned by asked()."""
    _numbers.update(numbers)
    for argument in sys.argv[1:]:
        name, _, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and name in numbers:
            _numbers[name] = int(value)
            sys.argv.remove(argument)
    own_network()
    tandem.raise_descriptor_limit(65536)
    unittest.main(verbosity=2)


_numbers = {}


def asked(name):
    return _numbers[name]


class Office(unittest.TestCase):
    """setUp starts relay and sipctl; what a test starts by `self.begin` ends with it."""

    transport = "udp"
    relay_more = ()
    relay_prefix = ()  # of its command: the namespace it lives in
    trunk_more = {}
    with_sipctl = True
    prefix = ()  # what relay and sipctl are started by: `ip netns exec ...`

    def setUp(self):
        self.folder = tandem.scratch()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(self.show_logs)
        self.relay = self.sipctl = None
        self.relay = self.begin(tandem.Relay(self.folder, self.in_between(),
                                             self.relay_prefix or self.prefix,
                                             more=self.relay_more))
        if self.with_sipctl:
            self.sipctl = self.begin(tandem.Sipctl(self.folder, self.config(), self.prefix))

    def begin(self, thing):
        self.addCleanup(thing.stop)
        return thing

    def show_logs(self):
        if not self._outcome.success:
            for program in (self.relay, self.sipctl):
                if program and program.program:
                    print(f"---- {program.name}:\n{program.log_text}", flush=True)

    def config(self):
        return office_config(self.folder, self.transport, self.trunk_more)

    # ---- the two sides ----

    def party(self, address, port, name):
        party = rtp.Party(address, port, name)
        self.addCleanup(party.close)
        return party

    def side(self, scenario, who, remote=None, port=SIP_PORT, words=None, **more):
        """SIPp as carrier or PBX, with its media at a Party's port. `words`: of the scenario."""
        address, rtp_port = (CARRIER, CARRIER_RTP) if who == "carrier" else (PBX, PBX_RTP)
        keys = {"rtp_ip": address, "rtp_port": rtp_port, "early_port": PBX_EARLY_RTP,
                **(words or {})}
        more.setdefault("name", f"{who}-{scenario}")
        more.setdefault("transport", self.transport)
        return self.begin(Sipp(self.folder, scenario, (address, port), remote, keys=keys,
                               **more))

    def carrier_calls(self, caller="uac", callee="uas", hold_ms=3000, words=None, **more):
        """The telephone waits, then the carrier calls it."""
        pbx = self.side(callee, "pbx", words=words, more=["-d", hold_ms])
        carrier = self.side(caller, "carrier", (TANDEM, SIP_PORT), service=NUMBER_AT_PBX,
                            words=words, more=["-d", hold_ms], **more)
        return carrier, pbx

    def pbx_calls(self, caller="uac", callee="uas", hold_ms=3000):
        carrier = self.side(callee, "carrier", more=["-d", hold_ms])
        pbx = self.side(caller, "pbx", (TANDEM, SIP_PORT), service=NUMBER_AT_CARRIER,
                        more=["-d", hold_ms])
        return pbx, carrier

    def voices(self):
        return (self.party(CARRIER, CARRIER_RTP, "carrier"), self.party(PBX, PBX_RTP, "pbx"))

    def in_between(self):
        """What relay and sipctl are to listen on, where a test needs more than TANDEM."""
        return f"{TANDEM}:10000-10999"

    # ---- what must be true ----

    def expect_no_calls(self, seconds=5):
        """Neither process remembers a call, and the relay's ports are given back."""
        wait_until(lambda: not live_calls(self.sipctl.calls()), seconds,
                   lambda: f"end of the calls: {self.sipctl.calls()}")
        wait_until(lambda: not live_sessions(self.relay.state()), seconds,
                   lambda: f"end of the sessions: {self.relay.state()}")

    def expect_sessions(self, count, seconds=5):
        wait_until(lambda: len(live_sessions(self.relay.state())) == count, seconds,
                   f"{count} sessions in the relay")


class DeskOffice(Office):
    """The telephone at the PBX is a real one on a host of its own, `self.desk`: telephones leave
    their source address to the kernel."""

    transport_of_desk = "udp"
    srtp = "off"

    def setUp(self):
        self.desk = laboratory.Namespace(f"tandem-desk-{os.getpid()}")
        self.addCleanup(self.desk.stop)
        self.desk.join(TO_DESK, TELEPHONE)
        # Without a way out linphone believes that there is no network.
        self.desk.run(["ip", "route", "add", "default", "via", TO_DESK])
        super().setUp()

    def in_between(self):
        return [f"{TANDEM}:10000-10999", f"{TO_DESK}:10000-10999"]

    def config(self):
        config = office_config(self.folder)
        config["listeners"].append({"name": "desk", "transport": self.transport_of_desk,
                                    "bind": f"{TO_DESK}:{SIP_PORT}"})
        config["trunks"][1].update({
            "sources": [f"{TELEPHONE}/32"], "destination": f"{TELEPHONE}:{SIP_PORT}",
            "transport": self.transport_of_desk, "media_networks": [f"{TELEPHONE}/32"],
            "media_addresses": [{"local": TO_DESK}], "listener": "desk", "srtp": self.srtp})
        return config

    def song(self):
        """A file with what the telephone is to sing: a minute of 620 Hz."""
        path = os.path.join(self.folder, "song.wav")
        subprocess.run(["sox", "-n", "-r", "8000", "-c", "1", "-b", "16", path, "synth", "60",
                        "sine", "620", "gain", "-10"], check=True)
        return path

    def voice(self):
        """The carrier's, at 1004 Hz."""
        voice = singer.Singer(CARRIER, CARRIER_RTP, "carrier", "PCMA", hertz=1004)
        self.addCleanup(voice.close)
        return voice


def live_calls(answer):
    return answer.get("calls", answer) if isinstance(answer, dict) else answer


def live_sessions(state):
    return state["sessions"] if state else []


def office_config(folder, transport="udp", trunk_more=None):
    """Two trunks, carrier and pbx; numbers of +9122 live at the PBX, all others at the carrier."""
    def trunk(name, address):
        return {"name": name, "sources": [f"{address}/32"], "transport": transport,
                "destination": f"{address}:{SIP_PORT}", "media_networks": [f"{address}/32"],
                **(trunk_more or {}).get(name, {})}
    return {
        "control": os.path.join(folder, "sipctl.sock"),
        "relay": {"socket": os.path.join(folder, "relay.sock"), "addresses": [{"local": TANDEM}]},
        "listeners": [{"name": "office", "transport": transport, "bind": f"{TANDEM}:{SIP_PORT}"}],
        "trunks": [trunk("carrier", CARRIER), trunk("pbx", PBX)],
        "routes": [{"from": "carrier", "prefix": "+9122", "to": "pbx"},
                   {"from": "pbx", "to": "carrier"}],
    }
