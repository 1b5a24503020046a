"""Calls per second through sipctl, the relay programmed for each: bench/callgen plays the carrier
that calls and the PBX that is called. Then the same load through Kamailio as a stateful proxy,
which has no media and one dialog for our two.
"""

import json
import os
import shutil
import time

from . import office, tandem
from .certificates import Certificates
from .kamailio import Kamailio
from .process import Failed, Program

GOAL = {"udp": 1500, "tcp": 1000, "tls": 500}  # calls/s
TRANSPORTS = tuple(GOAL)
SYSTEMS = ("sipctl", "kamailio")
TRYING_P99_MS = 20  # at PART of the rate
RSS_MIB = 500
HELD_MB = 300
OVERLOAD_PATIENCE_MS = 10_000  # a caller that heard nothing final for so long has gone
OVERLOAD_PART = 0.7  # of what would fill the core, while more is asked for
PART = 0.8
# Released ports rest 30 s: 15,000 pairs of an address carry so many new calls a second.
RATE_OF_AN_ADDRESS = 150
RELAY_ADDRESSES = [office.TANDEM, *(f"127.0.0.{11 + i}" for i in range(9))]
# Ports for 20 s of more calls than a core can do.
OVERLOAD_ADDRESSES = [office.TANDEM, *(f"127.0.0.{11 + i}" for i in range(19))]
CALLERS = [f"127.0.1.{1 + i}" for i in range(10)]
CALLEES = [f"127.0.2.{1 + i}" for i in range(10)]
LINGERING = 34  # seconds after the last call until its transactions are gone (64*T1 = 32 s)
PATIENCE_MS = 32_000
CALLS_MAX = 12_000  # each has 4 KiB of the journal


def _port(transport):
    return 5061 if transport == "tls" else office.SIP_PORT


def _config(folder, transport, certificates, addresses):
    port = _port(transport)

    listener = {"name": "office", "transport": transport, "bind": f"{office.TANDEM}:{port}"}
    tls = {}
    if transport == "tls":
        listener["certificate"] = certificates("edge.pem")
        tls = {"tls_name": "edge.example.test", "tls_trust": certificates("ca.pem")}

    def trunk(name, network, more):
        return {"name": name, "sources": [network], "media_networks": [network],
                "transport": transport, "calls_max": CALLS_MAX, **tls, **more}
    return {
        "control": os.path.join(folder, "sipctl.sock"),
        "calls_max": CALLS_MAX,
        "relay": {"socket": os.path.join(folder, "relay.sock"),
                  "addresses": [{"local": address} for address in addresses]},
        "listeners": [listener],
        "trunks": [trunk("carrier", "127.0.1.0/24", {"direction": "inbound"}),
                   trunk("pbx", "127.0.2.0/24",
                         {"destinations": [{"to": f"{each}:{port}"} for each in CALLEES]})],
        "routes": [{"from": "carrier", "to": "pbx"}],
    }


class Turn:
    """What is measured, on a CPU of its own; the load and the relay on the other one."""

    def __init__(self, options, transport):
        self.options, self.transport = options, transport
        self.rate = options.rate or GOAL[transport]
        # Not truly real-time: relay and load share a core and must take turns.
        first = ["nice", "-n", "-20"] if options.realtime else []
        self.measured_cpu = [*first, "taskset", "-c", str(options.relay_cpu)]
        self.other_cpu = [*first, "taskset", "-c",
                          str(min(options.far_cpu, os.cpu_count() - 1))]
        self.folder = tandem.scratch()
        self.certificates = Certificates(self.folder) if transport == "tls" else None
        self.started = []
        self.measured = self.relay = self.sipctl = None
        self.samples = []  # seconds, bytes
        self.patience_ms = OVERLOAD_PATIENCE_MS if options.overload else PATIENCE_MS

    def stop(self):
        while self.started:
            self.started.pop().stop()
        shutil.rmtree(self.folder, True)

    def begin(self, thing):
        self.started.append(thing)
        return thing

    def start(self, system):
        getattr(self, "_" + system)()

    def _sipctl(self):
        addresses = OVERLOAD_ADDRESSES if self.options.overload else RELAY_ADDRESSES
        if self.rate > RATE_OF_AN_ADDRESS * len(addresses):
            raise Failed(f"calls: {self.rate}/s are more than the resting ports of "
                         f"{len(addresses)} addresses allow")
        relay = self.begin(tandem.Relay(
            self.folder, [f"{address}:10000-39999" for address in addresses], self.other_cpu,
            more=["--port", "memory", "--sessions", 65536, "--journal-bytes", 64 << 20]))
        sipctl = self.begin(tandem.Sipctl(
            self.folder, _config(self.folder, self.transport, self.certificates, addresses),
            self.measured_cpu, more=["--log-level", "error"]))
        self.measured, self.relay, self.sipctl = sipctl.program, relay.program, sipctl

    def _kamailio(self):
        port, tls = _port(self.transport), {}
        if self.transport == "tls":
            tls = {"certificate": self.certificates("edge.pem"),
                   "client_certificate": self.certificates("client.pem"),
                   "trust": self.certificates("ca.pem")}
        self.measured = self.begin(Kamailio(
            self.folder, [f"{self.transport}:{office.TANDEM}:{port}"], "none", "none",
            f"sip:{CALLEES[0]}:{port};transport={self.transport}", prefix=self.measured_cpu,
            shared_mb=1024, **tls))

    def callgen(self, lasts, *more):
        """One load of about `lasts` seconds; its report, and what it cost."""
        port, path = _port(self.transport), os.path.join(self.folder, "load.json")
        command = [tandem.program("callgen"), "--transport", self.transport,
                   "--to", f"{office.TANDEM}:{port}", "--from", ",".join(CALLERS),
                   "--at", ",".join(f"{each}:{port}" for each in CALLEES),
                   "--connections", self.options.connections, "--number", office.NUMBER_AT_PBX,
                   "--patience-ms", self.patience_ms, "--json", path, *more]
        if self.certificates:
            command += ["--certificate", self.certificates("edge.pem"),
                        "--trust", self.certificates("ca.pem"), "--tls-name", "edge.example.test"]
        programs = [self.measured] + ([self.relay] if self.relay else [])
        cpu_before = [program.cpu_seconds() for program in programs]
        begin = time.monotonic()
        load = self.begin(Program("callgen", command, self.folder, self.other_cpu))
        while load.running():
            if time.monotonic() - begin > 4 * lasts + 3 * self.patience_ms / 1000:
                raise Failed(f"calls: the load does not end:\n{load.log()}")
            self.sample(0.25)
            for program in programs:
                program.expect_running()
        took = time.monotonic() - begin
        load.expect_success(1)
        self.started.remove(load)
        with open(path, encoding="utf-8") as text:
            report = json.load(text)
        cpu = [program.cpu_seconds() - before for program, before in zip(programs, cpu_before)]
        placed = max(report["placed"], 1)
        report.update(cpu_ms_per_call=1000 * cpu[0] / placed, core=cpu[0] / took,
                      load_cpu_ms_per_call=1000 * report["cpu_seconds"] / placed)
        if self.relay:
            report["relay_cpu_ms_per_call"] = 1000 * cpu[1] / placed
        return report

    def sample(self, seconds):
        time.sleep(seconds)
        self.samples.append((time.monotonic(), self.measured.rss_bytes()))

    def rss_mib(self):
        return self.measured.rss_bytes() / 2**20


def _one(options, system, transport):
    """Part of the rate for the latencies, the whole of it for failures and memory."""
    turn = Turn(options, transport)
    try:
        turn.start(system)
        row = {"system": system, "transport": transport, "rate": turn.rate,
               "hold_ms": options.hold_ms, "seconds": options.seconds,
               "connections": options.connections, "rss_mib_before": turn.rss_mib()}
        seconds = options.seconds
        ramp = min(2, seconds / 4)
        load = ["--hold-ms", options.hold_ms, "--ramp", ramp]
        hold = options.hold_ms / 1000
        part = ramp + max(2, seconds / 3)
        row["at_part"] = turn.callgen(part + hold, "--rate", PART * turn.rate, "--seconds", part,
                                      *load)
        turn.samples.clear()
        row["whole"] = turn.callgen(ramp + seconds + hold, "--rate", turn.rate,
                                    "--seconds", ramp + seconds, *load)
        row["rss_mib_max"] = max(rss for _, rss in turn.samples) / 2**20
        if system == "sipctl" and not options.smoke:
            turn.sample(LINGERING)
        row["rss_mib_after"] = turn.rss_mib()
        return row
    finally:
        turn.stop()


def megabytes(row):
    return row["rss_mib_max"] * 2**20 / 1e6


def _held(options):
    """So many calls at a time: how much memory they take."""
    transport = options.transport[0]
    turn = Turn(options, transport)
    try:
        turn.start("sipctl")
        before, rate = turn.rss_mib(), min(turn.rate, 500)
        stays = 1 if options.smoke else 5
        hold = options.held / rate + stays
        report = turn.callgen(options.held / rate + hold, "--rate", rate, "--calls", options.held,
                              "--ramp", 0, "--hold-ms", int(1000 * hold))
        row = {"system": "sipctl", "transport": transport, "held": report["open_max"],
               "failed": report["failed"], "failures": report["failures"],
               "rss_mib_before": before,
               "rss_mib_max": max(rss for _, rss in turn.samples) / 2**20}
    finally:
        turn.stop()
    print(f"{row['held']} calls held over {transport}: sipctl has {row['rss_mib_max']:.0f} MiB, "
          f"{row['rss_mib_before']:.0f} before; {row['failed']} failed {row['failures'] or ''}")
    if row["failed"] or row["held"] < options.held:
        raise Failed("calls: not all calls could be held")
    if megabytes(row) >= HELD_MB:
        raise Failed(f"calls: they take {HELD_MB} MB or more")
    return row


def _overload(options, transport):
    """A load that fits tells what a call costs, and so how many a second would take the whole core;
    then so many times that are asked for. What counts is how many end well meanwhile."""
    turn = Turn(options, transport)
    try:
        turn.start("sipctl")
        seconds, hold = options.seconds, options.hold_ms / 1000
        load = ["--hold-ms", options.hold_ms, "--ramp", 1]
        fits = turn.callgen(5 + hold, "--rate", turn.rate, "--seconds", 5, *load)
        capacity = 1000 / fits["cpu_ms_per_call"]
        offered = int(options.overload * capacity)
        row = {"system": "sipctl", "transport": transport, "rate": turn.rate,
               "capacity": capacity, "offered": offered, "seconds": seconds, "fits": fits,
               "over": turn.callgen(1 + seconds + hold, "--rate", offered,
                                    "--seconds", 1 + seconds, *load),
               "counters": turn.sipctl.counters()}
    finally:
        turn.stop()
    over, counters = row["over"], row["counters"]
    part = over["ended_per_second"] / capacity
    print(f"{transport}: {capacity:.0f} calls/s would fill the core; "
          f"{over['calls_per_second']:.0f} asked for, {over['ended_per_second']:.0f} ended well "
          f"a second ({part:.0%})")
    print(f"  of {over['placed']}: {over['ended']} ended well, {over['failures'] or 'none'} "
          f"failed; {over['repeated']} requests and {over['answers_repeated']} answers sent again; "
          f"the load was {over['late_ms_max']:.0f} ms behind at most")
    for name in ("trying_ms", "setup_ms", "hangup_ms"):
        print(f"  {name:10} p50 {over[name]['p50']:.0f} p99 {over[name]['p99']:.0f}")
    moved = {name: value for group in counters.values() for name, value in group.items()
             if value and name in ("shed", "shed_again", "kernel_drops", "retransmissions_in",
                                   "retransmissions_out", "no_ack", "timeouts")}
    print(f"  sipctl: {moved}", flush=True)
    if fits["failed"]:
        raise Failed(f"overload over {transport}: {fits['failed']} calls of what fits failed")
    if part < OVERLOAD_PART and not options.smoke:
        raise Failed(f"overload over {transport}: only {part:.0%} of what fits was carried")
    return row


_HEADING = (f"{'system':10}{'via':5}{'calls/s':>9}{'calls':>8}{'failed':>8}{'again':>7}"
            f"{'setup p99':>11}{'100 p99':>9}{'max ms':>8}{'CPU':>6}{'ms/call':>9}{'load':>7}"
            f"{'late ms':>9}{'RSS MiB before, most, after':>29}")


def _memory(row):
    if row["system"] != "sipctl":  # several processes and a pool that they share
        return ""
    return f"{row['rss_mib_before']:13.0f}{row['rss_mib_max']:8.0f}{row['rss_mib_after']:8.0f}"


def _show(row):
    whole, part = row["whole"], row["at_part"]
    print(f"{row['system']:10}{row['transport']:5}{whole['calls_per_second']:9.0f}"
          f"{whole['placed']:8}{whole['failed']:8}{whole['repeated']:7}"
          f"{part['setup_ms']['p99']:11.2f}{part['trying_ms']['p99']:9.2f}"
          f"{part['trying_ms']['max']:8.1f}{whole['core']:6.0%}{whole['cpu_ms_per_call']:9.2f}"
          f"{whole['load_cpu_ms_per_call']:7.2f}{whole['late_ms_max']:9.1f}"
          + _memory(row), flush=True)
    for name in ("at_part", "whole"):
        if row[name]["failures"]:
            print(f"{'':15}{name}: {row[name]['failures']}", flush=True)


def _faults(row):
    """What sipctl must not show, whatever the machine."""
    faults = [f"{row[name]['failed']} of {row[name]['placed']} calls failed ({name})"
              for name in ("at_part", "whole") if row[name]["failed"]]
    # Of so few calls one may wait for a machine that builds meanwhile.
    if row["seconds"] >= 10 and row["whole"]["calls_per_second"] < 0.95 * row["rate"]:
        faults.append(f"only {row['whole']['calls_per_second']:.0f} calls/s came about")
    return [f"{row['system']} over {row['transport']}: {fault}" for fault in faults]


def run(options):
    """Prints a table and returns its rows; fails when a call through sipctl failed or the rate was
    not kept."""
    office.own_network()
    tandem.raise_descriptor_limit()
    if options.held:
        return [_held(options)]
    if options.overload:
        return [_overload(options, transport) for transport in options.transport]
    rows, faults = [], []
    print(_HEADING, flush=True)
    for transport in options.transport:
        for system in options.systems:
            rows.append(_one(options, system, transport))
            _show(rows[-1])
            if system == "sipctl":
                faults += _faults(rows[-1])
    if faults:
        raise Failed("\n".join(faults))
    print(f"calls: 0 failed through sipctl; CPU and what stands left of it: at the whole rate but "
          f"for p99 and max, which are at {PART:.0%}")
    return rows
