"""Calls per second through sipctl, the relay programmed for each: SIPp calls, SIPp answers."""

import csv
import os
import shutil
import time

from . import office, tandem
from .process import Failed
from .sipp import Sipp

STEADY_AFTER = 60  # seconds
LOCAL_ADDRESSES = ["127.0.0.1", "127.0.0.11", "127.0.0.12", "127.0.0.13"]


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


def _load_config(folder):
    many = {"calls_max": 200_000}
    config = office.office_config(folder, trunk_more={"carrier": many, "pbx": many})
    config["calls_max"] = 200_000
    config["relay"]["addresses"] = [{"local": a} for a in LOCAL_ADDRESSES]
    return config


def run(rate, seconds, hold_ms, sipctl_cpu=0, other_cpu=1):
    """Prints a table and returns the numbers; fails when a call failed or the rate was not kept."""
    office.own_network()
    tandem.raise_descriptor_limit()
    folder = tandem.scratch()
    others = ["taskset", "-c", str(min(other_cpu, os.cpu_count() - 1))]
    started = []
    try:
        relay = tandem.Relay(folder, [f"{a}:10000-39999" for a in LOCAL_ADDRESSES], others,
                             more=["--sessions", 65536])
        started.append(relay)
        sipctl = tandem.Sipctl(folder, _load_config(folder),
                               ["taskset", "-c", str(sipctl_cpu)], more=["--log-level", "error"])
        started.append(sipctl)
        return _load(folder, relay, sipctl, others, started, rate, seconds, hold_ms)
    finally:
        for thing in reversed(started):
            thing.stop()
        shutil.rmtree(folder, True)


def _sipp(folder, scenario, who, others, calls, more):
    address = office.CARRIER if who == "carrier" else office.PBX
    remote = (office.TANDEM, office.SIP_PORT) if who == "carrier" else None
    return Sipp(folder, scenario, (address, office.SIP_PORT), remote, calls=calls,
                service=office.NUMBER_AT_PBX, prefix=others, trace=False, name=who, timeout=900,
                keys={"rtp_ip": address, "rtp_port": 40000},
                more=["-trace_stat", "-stf", os.path.join(folder, who + ".csv"), "-fd", "1",
                      "-buff_size", 8 << 20, *more])


def _load(folder, relay, sipctl, others, started, rate, seconds, hold_ms):
    calls = int(rate * seconds)
    rss_before = sipctl.program.rss_bytes()
    cpu_before, relay_before = sipctl.program.cpu_seconds(), relay.program.cpu_seconds()
    begin = time.monotonic()
    pbx = _sipp(folder, "uas", "pbx", others, calls, [])
    started.append(pbx)
    carrier = _sipp(folder, "uac", "carrier", others, calls,
                    ["-r", rate, "-d", hold_ms, "-l", int(rate * (hold_ms / 1000 + 10))])
    started.append(carrier)
    samples = []
    while carrier.running():
        time.sleep(0.5)
        sipctl.program.expect_running()
        relay.program.expect_running()
        samples.append((time.monotonic() - begin, sipctl.program.rss_bytes()))
        if time.monotonic() - begin > 4 * seconds + 60:
            raise Failed("calls: the load does not end")
    elapsed = time.monotonic() - begin
    cpu = sipctl.program.cpu_seconds() - cpu_before
    relay_cpu = relay.program.cpu_seconds() - relay_before
    rows = _statistics(os.path.join(folder, "carrier.csv"))
    statistics = rows[-1]
    done = int(statistics["SuccessfulCall(C)"])
    failed = int(statistics["FailedCall(C)"]) + (calls - done - int(statistics["FailedCall(C)"]))
    result = {
        "calls": calls, "rate_wanted": rate, "hold_ms": hold_ms, "successful": done,
        "failed": failed, "seconds": elapsed,
        "calls_per_second": _calls_per_second(rows, calls),
        "retransmissions": int(statistics["Retransmissions(C)"]),
        "sipctl_cpu_seconds": cpu, "sipctl_cpu_ms_per_call": 1000 * cpu / max(done, 1),
        "relay_cpu_ms_per_call": 1000 * relay_cpu / max(done, 1),
        "sipctl_rss_mib_before": rss_before / 2**20,
        "sipctl_rss_mib_peak": max(r for _, r in samples) / 2**20,
        "rss_samples": samples,
    }
    # In steady state a second brings `rate` calls: live for hold_ms, then lingering 32 s (64*T1).
    lingering = min(seconds, 32) * rate
    grown = result["sipctl_rss_mib_peak"] - result["sipctl_rss_mib_before"]
    result["sipctl_kib_per_call_kept"] = 1024 * grown / (lingering + rate * hold_ms / 1000)
    # Everything that grows with the calls has its size by then; what still grows is a leak.
    steady = [rss for at, rss in samples if STEADY_AFTER <= at <= seconds]
    if len(steady) > 1:
        result["sipctl_rss_mib_at_60_s"] = steady[0] / 2**20
        result["sipctl_rss_kib_grown_after_60_s"] = (max(steady) - steady[0]) / 2**10
    for name, value in result.items():
        if name != "rss_samples":
            digits = ".2f" if isinstance(value, float) else ""
            print(f"{name:28}{value:12,{digits}}")
    if failed:
        raise Failed(f"calls: {failed} of {calls} calls failed:\n{carrier.log(1500)}")
    # SIPp looks at its clock once a second, which a short run does not forgive.
    if seconds >= 10 and result["calls_per_second"] < 0.95 * rate:
        raise Failed(f"calls: only {result['calls_per_second']:.0f} calls/s came about")
    print(f"calls: {calls} calls at {result['calls_per_second']:.0f}/s, 0 failed")
    return result
