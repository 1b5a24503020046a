#!/usr/bin/python3
"""The demo's three calls: a carrier (SIPp) and a telephone (baresip) speak through sipctl and
relay, the third time with SRTP on the telephone's side and the other law of G.711 on the carrier's.

Started by scripts/demo after the build. An independent witness counts every packet on the wire; the
two programs' own counts must agree with it. Exit status 0 only if nothing was lost.
"""

import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")))
from rig import laboratory, office, sipp, tandem  # noqa: E402
from rig.baresip import Baresip  # noqa: E402
from rig.process import Failed, wait_until  # noqa: E402
from rig.witness import Witness  # noqa: E402

# Carrier and Tandem's side towards it as in docs/examples/sipctl.yaml. The telephone is a host of
# its own (baresip leaves the choice of its source address to the kernel), so its side is replaced.
TO_CARRIER, CARRIER = "127.0.0.10", "127.0.0.20"
TO_PBX, PBX = "192.0.2.10", "192.0.2.30"
REPLACED = {"127.0.0.11": TO_PBX, "127.0.0.30": PBX}
NUMBER_AT_PBX, NUMBER_AT_CARRIER = "+912212345678", "+919999000011"
SIP_PORT = 5060

CARRIER_SAYS = ("Good morning. This is the carrier, calling from the public network. "
                "Every word you hear has passed through Tandem.")
PBX_SAYS = ("Good morning, carrier. This is the telephone on the desk. I hear you loud and clear, "
            "and my voice comes back to you the same way, through the relay, one packet every "
            "twenty milliseconds. Thank you for the call, and goodbye.")
ENCRYPTED_SAYS = ("Once more, and now nobody on the way can listen to my side, while the carrier "
                  "speaks another law.")
# For the third call; the first two need nothing of it and are as without.
ALLOWED = {"    listener: carrier-side\n": "    transcode: true\n",
           "    listener: pbx-side\n": "    transcode: true\n    srtp: optional\n"}
SUITE = "AES_CM_128_HMAC_SHA1_80"


class Demo:
    def __init__(self, keep):
        self.keep = keep  # where the recordings stay
        self.folder = tandem.scratch()
        self.started = []
        self.scenarios = os.path.join(self.folder, "scenarios")

    def begin(self, thing):
        self.started.append(thing)
        return thing

    def end(self):
        for thing in reversed(self.started):
            thing.stop()
        shutil.rmtree(self.folder, True)

    # ---- preparation ----

    def speech(self, name, text):
        """Synthesised speech as telephone audio: a WAV for baresip, bare G.711 for SIPp."""
        spoken = os.path.join(self.folder, name + "-spoken.wav")
        wav, alaw, ulaw = (os.path.join(self.folder, f"{name}.{kind}")
                           for kind in ("wav", "al", "ul"))
        subprocess.run(["espeak-ng", "-v", "en", "-w", spoken, text], check=True)
        subprocess.run(["sox", spoken, "-r", "8000", "-c", "1", "-b", "16", wav, "gain", "-3"],
                       check=True, stderr=subprocess.DEVNULL)
        for law, path in (("a-law", alaw), ("mu-law", ulaw)):
            subprocess.run(["sox", wav, "-t", "raw", "-e", law, path], check=True)
        return wav, alaw, ulaw

    def prepare(self):
        office.own_network()
        self.desk = self.begin(laboratory.Namespace(f"tandem-desk-{os.getpid()}"))
        self.cable = self.desk.join(TO_PBX, PBX)
        self.pbx_wav = self.speech("pbx", PBX_SAYS)[0]
        self.encrypted_wav = self.speech("encrypted", ENCRYPTED_SAYS)[0]
        _, alaw, ulaw = self.speech("carrier", CARRIER_SAYS)
        os.makedirs(self.scenarios)
        self.scenario("demo_uac", "demo_uac", {"SPEECH": alaw})
        self.scenario("demo_uas", "demo_uas", {"SPEECH": alaw})
        self.scenario("demo_uas", "demo_uas_ulaw",
                      {"SPEECH,1,8": f"{ulaw},1,0", "RTP/AVP 8 0 101": "RTP/AVP 0 101",
                       "a=rtpmap:8 PCMA/8000\n": ""})

    def scenario(self, name, as_name, words):
        with open(os.path.join(sipp.SCENARIOS, name + ".xml"), encoding="utf-8") as text:
            scenario = text.read()
        for word, instead in words.items():
            if word not in scenario:
                raise Failed(f"{name}.xml has no {word}")
            scenario = scenario.replace(word, instead)
        with open(os.path.join(self.scenarios, as_name + ".xml"), "w", encoding="utf-8") as out:
            out.write(scenario)

    def office(self):
        """relay and sipctl, with the example configuration."""
        listen = [f"{address}:10000-19999" for address in (TO_CARRIER, TO_PBX)]
        self.relay = self.begin(tandem.Relay(self.folder, listen, engine="uring"))
        example = os.path.join(tandem.ROOT, "docs/examples/sipctl.yaml")
        with open(example, encoding="utf-8") as text:
            config = text.read().replace("/run/tandem/", self.folder + "/")
        for address, here in REPLACED.items():
            config = config.replace(address, here)
        for line, more in ALLOWED.items():
            config = config.replace(line, line + more)
        if "control:" not in config:
            config += f"\ncontrol: {self.folder}/sipctl.sock\n"
        self.sipctl = self.begin(tandem.Sipctl(self.folder, config))
        print(f"relay    pid {self.relay.program.pid}, io_uring, {TO_CARRIER} and {TO_PBX}")
        print(f"sipctl   pid {self.sipctl.program.pid}, docs/examples/sipctl.yaml, "
              "SRTP and transcoding allowed")
        print(f"carrier  SIPp at {CARRIER}\nPBX      baresip at {PBX}")

    # ---- one call ----

    def carrier(self, scenario, remote=None, name=None):
        return self.begin(sipp.Sipp(
            self.folder, os.path.join(self.scenarios, scenario), (CARRIER, SIP_PORT), remote,
            service=NUMBER_AT_PBX, name=name, keys={"rtp_ip": CARRIER},
            more=["-mi", CARRIER, "-mp", "28000"]))

    def telephone(self, name, dial=None, says=None, **more):
        heard = os.path.join(self.keep, f"heard-by-pbx-{name}.wav")
        return self.begin(Baresip(self.folder, PBX, SIP_PORT, NUMBER_AT_PBX, says or self.pbx_wav,
                                  heard, self.cable, prefix=self.desk.prefix, dial=dial,
                                  name=f"baresip-{name}", **more))

    def carrier_to_pbx(self):
        telephone = self.telephone("call-1")
        carrier = self.carrier("demo_uac", (TO_CARRIER, SIP_PORT), "sipp-call-1")
        return self.watch("call 1", "carrier -> PBX", CARRIER, carrier, telephone)

    def pbx_to_carrier(self):
        carrier = self.carrier("demo_uas", None, "sipp-call-2")
        telephone = self.telephone("call-2", f"sip:{NUMBER_AT_CARRIER}@{TO_PBX}")
        return self.watch("call 2", "PBX -> carrier", PBX, carrier, telephone)

    def encrypted_pbx_to_carrier(self):
        carrier = self.carrier("demo_uas_ulaw", None, "sipp-call-3")
        telephone = self.telephone("call-3", f"sip:{NUMBER_AT_CARRIER}@{TO_PBX}",
                                   self.encrypted_wav, more=["module srtp.so"],
                                   account="mediaenc=srtp-mand")
        return self.watch("call 3", "PBX -> carrier", PBX, carrier, telephone,
                          {"carrier": ("PCMU", ""), "PBX": ("PCMA", SUITE)})

    def suites(self):
        """By sipctl's record of the call that has just ended: {leg: suite or \"\"}."""
        record = json.loads(re.findall(r"\{\"call\":.*\}", self.sipctl.log_text)[-1])
        names = {"exotel": "carrier", "pbx": "PBX"}
        return {names[leg["trunk"]]: leg["srtp"] for leg in record["legs"]}

    def watch(self, title, way, caller, carrier, telephone, expected=None):
        """Waits for the end of the call and says what the witness saw."""
        carrier.expect_success(60)
        wait_until(telephone.packets, 10, "packet counts of baresip")
        telephone.stop()
        wait_until(lambda: not self.relay.state()["sessions"], 5, "end of the relay's session")
        return Call(title, way, self.witness, caller, telephone.packets(), self.suites(),
                    expected or {"carrier": ("PCMA", ""), "PBX": ("PCMA", "")})

    def run(self):
        self.prepare()
        self.office()
        calls = []
        for place in (self.carrier_to_pbx, self.pbx_to_carrier, self.encrypted_pbx_to_carrier):
            self.witness = Witness()
            try:
                calls.append(place())
            finally:
                self.witness.close()
            calls[-1].show()
        counters = self.relay.state()["counters"]
        return calls, counters


class Call:
    def __init__(self, title, way, witness, caller, telephone_packets, suites, expected):
        self.title, self.way, self.suites, self.expected = title, way, suites, expected
        self.setup_ms = witness.setup_ms(caller)
        # baresip's last packet leaves together with its BYE and may find the leg closed.
        self.in_flight_after = witness.hang_up() - 0.025
        self.telephone_sent, self.telephone_heard = telephone_packets
        self.streams = {(a, b): witness.between(a, b) for a, b in (
            (CARRIER, TO_CARRIER), (TO_CARRIER, CARRIER), (PBX, TO_PBX), (TO_PBX, PBX))}
        if None in self.streams.values():
            missing = [f"{a} -> {b}" for (a, b), s in self.streams.items() if s is None]
            raise Failed(f"{title}: no audio {' and '.join(missing)}")

        # Who called learns the other's key from the 200; what overtakes it cannot be read.
        answered = witness.setup(caller)
        self.unreadable = 0
        if caller == PBX and suites["PBX"] and answered:
            self.unreadable = self.streams[TO_PBX, PBX].packets_before(answered[1] + 0.1)

    @property
    def forward(self):
        """(packets the carrier sent, packets of them that reached the PBX)."""
        return self.streams[CARRIER, TO_CARRIER].packets, self.streams[TO_PBX, PBX].packets

    @property
    def backward(self):
        return self.streams[PBX, TO_PBX].packets, self.streams[TO_CARRIER, CARRIER].packets

    @property
    def lost(self):
        gaps = sum(s.missing for s in self.streams.values())
        lost = 0
        for into, out in ((self.streams[CARRIER, TO_CARRIER], self.streams[TO_PBX, PBX]),
                          (self.streams[PBX, TO_PBX], self.streams[TO_CARRIER, CARRIER])):
            lost += max(0, into.packets_before(self.in_flight_after) - out.packets)
        return lost + gaps

    def faults(self):
        if self.lost:
            yield f"{self.lost} packets lost"
        if not self.forward[1] - self.unreadable <= self.telephone_heard <= self.forward[1]:
            yield f"baresip heard {self.telephone_heard} packets, {self.forward[1]} were sent to it"
        if self.telephone_sent != self.backward[0]:
            yield f"baresip counts {self.telephone_sent} packets sent, {self.backward[0]} came"
        for (a, b), stream in self.streams.items():
            leg = "PBX" if PBX in (a, b) else "carrier"
            if (stream.codec, self.suites[leg]) != self.expected[leg]:
                yield f"{a} -> {b} carries {stream.codec} {self.suites[leg]}"
        if min(*self.forward, *self.backward) < 100:
            yield "less than two seconds of speech"
        if self.setup_ms is None:
            yield "no answer was seen"

    def show(self):
        setup = f"{self.setup_ms:.1f} ms" if self.setup_ms is not None else "never"
        print(f"\n{self.title}: {self.way}   answered after {setup}")
        print(f"  {'leg':9}{'program':9}{'address':13}{'codec':6}{'media':6}{'in':>6}{'out':>6}"
              f"{'lost':>6}"
              f"{'jitter in':>12}{'jitter out':>12}")
        for name, program, address, ours in (("carrier", "SIPp", CARRIER, TO_CARRIER),
                                             ("PBX", "baresip", PBX, TO_PBX)):
            into, out = self.streams[address, ours], self.streams[ours, address]
            media = "SRTP" if self.suites[name] else "RTP"
            print(f"  {name:9}{program:9}{address:13}{into.codec:6}{media:6}{into.packets:6}"
                  f"{out.packets:6}"
                  f"{into.missing + out.missing:6}{into.jitter_ms:9.2f} ms{out.jitter_ms:9.2f} ms")


def main():
    keep = os.path.join(tandem.build_folder(), "demo")
    os.makedirs(keep, exist_ok=True)
    demo = Demo(keep)
    faults = []
    try:
        calls, counters = demo.run()
        for call in calls:
            faults += [f"{call.title}: {fault}" for fault in call.faults()]
    except Failed as failure:
        calls, faults = [], [str(failure)]
        for program in demo.started:
            if hasattr(program, "log_text"):
                print(f"---- {program.name}:\n{program.log_text}", file=sys.stderr)
    finally:
        demo.end()
    for fault in faults:
        print(f"demo: {fault}")
    if faults:
        return 1
    each_way = min(sum(c.forward[1] for c in calls), sum(c.backward[1] for c in calls))
    lost = sum(c.lost for c in calls)
    drops = {n: v for n, v in counters.items() if v and n in ("no_leg", "wrong_source",
                                                            "wrong_network", "send_failed")}
    print(f"\nwhat the telephone heard: {os.path.relpath(keep)}/heard-by-pbx-call-*.wav")
    print(f"the relay dropped: {drops or 'nothing'}")
    print(f"demo: {len(calls)} calls, {each_way} packets each way, {lost} lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
