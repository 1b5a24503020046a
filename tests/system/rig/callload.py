"""Calls per second through sipctl, the relay programmed for each: SIPp calls, SIPp answers. Then
the same calls through Kamailio as a stateful proxy, which has no media and one dialog for our two.
"""

import csv
import os
import shutil
import time

from . import office, tandem
from .kamailio import Kamailio
from .process import Failed
from .sipp import Sipp

STEADY_AFTER = 60  # seconds
# Released ports rest 30 s: 15,000 pairs of an address carry so many new calls a second.
RATE_OF_AN_ADDRESS = 150


def _statistics(path):
    """SIPp's rows, one a second, and one at the end."""
    with open(path, encoding="utf-8") as text:
        return list(csv.DictReader(text, delimiter=";"))


def _calls_per_second(rows, calls):
    """The rate at which calls were begun, until the last of them was."""
    for row in rows:
        if int(row["TotalCallCreated"]) >= calls:
            return float(row["CallRate(C)"])
    return 0.0


def _local_addresses(rate):
    more = max(4, -(-rate // RATE_OF_AN_ADDRESS)) - 1
    return [office.TANDEM, *(f"127.0.0.{11 + i}" for i in range(more))]


def _load_config(folder, addresses, transport):
    many = {"calls_max": 200_000}
    config = office.office_config(folder, transport, trunk_more={"carrier": many, "pbx": many})
    config["calls_max"] = 200_000
    config["relay"]["addresses"] = [{"local": a} for a in addresses]
    return config


class Run:
    """One turn: what is measured on a CPU of its own, all else on the other one."""

    def __init__(self, rate, seconds, hold_ms, transport, measured_cpu=0, other_cpu=1):
        self.rate, self.seconds, self.hold_ms, self.transport = rate, seconds, hold_ms, transport
        self.measured = ["taskset", "-c", str(measured_cpu)]
        self.others = ["taskset", "-c", str(min(other_cpu, os.cpu_count() - 1))]
        self.folder = tandem.scratch()
        self.started = []

    def begin(self, thing):
        self.started.append(thing)
        return thing

    def stop(self):
        while self.started:
            self.started.pop().stop()

    def sipctl(self):
        addresses = _local_addresses(self.rate)
        relay = self.begin(tandem.Relay(self.folder, [f"{a}:10000-39999" for a in addresses],
                                        self.others, more=["--sessions", 65536]))
        sipctl = self.begin(tandem.Sipctl(
            self.folder, _load_config(self.folder, addresses, self.transport), self.measured,
            more=["--log-level", "error"]))
        return _load(self, "sipctl", sipctl.program, relay.program)

    def kamailio(self):
        proxy = self.begin(Kamailio(
            self.folder, [f"{self.transport}:{office.TANDEM}:{office.SIP_PORT}"], "none", "none",
            f"sip:{office.PBX}:{office.SIP_PORT};transport={self.transport}",
            prefix=self.measured, shared_mb=512))
        return _load(self, "kamailio", proxy)


def run(rate, seconds, hold_ms, transport):
    """Prints a table and returns the numbers; fails when a call failed or the rate was not kept."""
    office.own_network()
    tandem.raise_descriptor_limit()
    turn = Run(rate, seconds, hold_ms, transport)
    results, failures = {}, []
    try:
        for name in ("sipctl", "kamailio"):
            try:
                results[name] = getattr(turn, name)()
            except Failed as failure:  # the other one may tell whether the generator is to blame
                failures.append(str(failure))
            turn.stop()
    finally:
        turn.stop()
        shutil.rmtree(turn.folder, True)
    if failures:
        raise Failed("\n".join(failures))
    ours, theirs = (results[name]["cpu_ms_per_call"] for name in ("sipctl", "kamailio"))
    print(f"calls: sipctl takes {ours:.2f} ms of CPU a call, Kamailio {theirs:.2f}")
    return results


def _sipp(turn, scenario, who, calls, more):
    address = office.CARRIER if who == "carrier" else office.PBX
    remote = (office.TANDEM, office.SIP_PORT) if who == "carrier" else None
    return Sipp(turn.folder, scenario, (address, office.SIP_PORT), remote, turn.transport,
                calls=calls, service=office.NUMBER_AT_PBX, prefix=turn.others, trace=False,
                name=who, timeout=900, keys={"rtp_ip": address, "rtp_port": 40000},
                more=["-trace_stat", "-stf", os.path.join(turn.folder, who + ".csv"), "-fd", "1",
                      "-buff_size", 8 << 20, *more])


def _load(turn, name, measured, relay=None):
    rate, seconds, hold_ms = turn.rate, turn.seconds, turn.hold_ms
    calls = int(rate * seconds)
    programs = [measured] if relay is None else [measured, relay]
    rss_before = measured.rss_bytes()
    cpu_before = [program.cpu_seconds() for program in programs]
    begin = time.monotonic()
    turn.begin(_sipp(turn, "uas", "pbx", calls, []))
    carrier = turn.begin(_sipp(turn, "uac", "carrier", calls, [
        "-r", rate, "-d", hold_ms, "-l", int(rate * (hold_ms / 1000 + 10))]))
    samples = []
    while carrier.running():
        time.sleep(0.5)
        for program in programs:
            program.expect_running()
        samples.append((time.monotonic() - begin, measured.rss_bytes()))
        if time.monotonic() - begin > 4 * seconds + 60:
            raise Failed("calls: the load does not end")
    elapsed = time.monotonic() - begin
    cpu = [program.cpu_seconds() - before for program, before in zip(programs, cpu_before)]
    rows = _statistics(os.path.join(turn.folder, "carrier.csv"))
    statistics = rows[-1]
    done = int(statistics["SuccessfulCall(C)"])
    failed = int(statistics["FailedCall(C)"]) + (calls - done - int(statistics["FailedCall(C)"]))
    result = {
        "transport": turn.transport, "calls": calls, "rate_wanted": rate, "hold_ms": hold_ms,
        "successful": done, "failed": failed, "seconds": elapsed,
        "calls_per_second": _calls_per_second(rows, calls),
        "retransmissions": int(statistics["Retransmissions(C)"]),
        "cpu_seconds": cpu[0], "cpu_ms_per_call": 1000 * cpu[0] / max(done, 1),
    }
    if relay is not None:
        result["relay_cpu_ms_per_call"] = 1000 * cpu[1] / max(done, 1)
        result.update(_memory(turn, rss_before, samples))
    for what, value in result.items():
        if what == "rss_samples":
            continue
        shown = f"{value:12,.2f}" if isinstance(value, float) else f"{value:>12}"
        print(f"{name:10}{what:28}{shown}")
    if failed:
        raise Failed(f"calls: {failed} of {calls} calls through {name} failed:\n"
                     f"{carrier.log(1500)}")
    # SIPp looks at its clock once a second, which a short run does not forgive.
    if seconds >= 10 and result["calls_per_second"] < 0.95 * rate:
        raise Failed(f"calls: only {result['calls_per_second']:.0f} calls/s came about")
    print(f"calls: {calls} calls through {name} at {result['calls_per_second']:.0f}/s, 0 failed")
    return result


def _memory(turn, before, samples):
    result = {"rss_mib_before": before / 2**20,
              "rss_mib_peak": max(rss for _, rss in samples) / 2**20, "rss_samples": samples}
    # In steady state a second brings `rate` calls: live for hold_ms, then lingering 32 s (64*T1).
    lingering = min(turn.seconds, 32) * turn.rate
    grown = result["rss_mib_peak"] - result["rss_mib_before"]
    result["kib_per_call_kept"] = 1024 * grown / (lingering + turn.rate * turn.hold_ms / 1000)
    # Everything that grows with the calls has its size by then; what still grows is a leak.
    steady = [rss for at, rss in samples if STEADY_AFTER <= at <= turn.seconds]
    if len(steady) > 1:
        result["rss_mib_at_60_s"] = steady[0] / 2**20
        result["rss_kib_grown_after_60_s"] = (max(steady) - steady[0]) / 2**10
    return result
