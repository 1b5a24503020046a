"""One measurement: a fresh relay of either make, exactly the calls it needs, loadgen against it."""

import itertools
import json
import os

from . import laboratory, memif, rtpengine, tandem
from .process import Failed, Program

NEAR, FAR = "10.77.0.1", "10.77.0.2"
NG_PORT = 2223
PORT_FIRST, SOCKETS = 50000, 2
# The driver of af_xdp loses the buffers behind the gaps of a pool (relay/port/dpdk.cc). With these,
# 762 of which fill 2 MiB to 128 bytes, there is none.
WITHOUT_GAPS, TESTPMD_PAGES = "--mbuf-size=2560", 64
PORT_LAST = PORT_FIRST + 4 * SOCKETS - 1
PACE = 50  # packets/s of a stream; a call is two
# What goes to loadgen's ports has been taken at the device; the kernel need not look further.
TAKEN = f"""table netdev loadgen {{
  chain ingress {{
    type filter hook ingress device "v0" priority 0;
    udp dport {PORT_FIRST}-{PORT_LAST} drop
  }}
}}
"""


class Bench:
    """Two namespaces and a folder; `relay_cpu` carries the system under test, `far_cpu` loadgen.
    `wire`: loadgen works through `sockets`, with `frames` on the cable itself by a packet socket,
    or by `xdp`, which takes and gives them before the kernel's stack. `realtime`: both go before
    whatever else the machine does."""

    def __init__(self, name, relay_cpu=0, far_cpu=1, wire="frames", realtime=False,
                 queues=1):
        tandem.raise_descriptor_limit()
        self.folder = tandem.scratch()
        self.relay_cpu, self.far_cpu = relay_cpu, far_cpu
        self.rank = ["chrt", "--rr", "10"] if realtime else []
        self.pair = laboratory.Pair(name, queues=queues)
        self.wire = []
        if wire == "frames":
            self.wire = ["--device", "v0"]
            self.pair.far.nft(TAKEN)
        if wire == "xdp":
            # testpmd's end answers nobody who asks for it.
            self.pair.far.run(["ip", "neigh", "replace", NEAR, "lladdr", mac_of(self.pair.near),
                               "dev", "v0", "nud", "permanent"])
            self.wire = ["--device", "xdp:v0"]
        # What xdp asks for: the ranges overlap the kernel's ephemeral ports. loadgen's includes
        # the relay's when packets come back as they were.
        for host, last in ((self.pair.near, 39999), (self.pair.far, PORT_LAST)):
            host.run(["sysctl", "-qw", f"net.ipv4.ip_local_reserved_ports=10000-{last}"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pair.remove()
        laboratory.run(["rm", "-rf", self.folder])

    def _loadgen(self, calls, seconds, source, more=()):
        out = os.path.join(self.folder, "loadgen.json")
        if os.path.exists(out):
            os.unlink(out)
        command = [tandem.program("loadgen"), *source, "--far", FAR, "--port", PORT_FIRST,
                   "--sockets", SOCKETS, "--calls", calls, "--seconds", seconds,
                   "--cpu", self.far_cpu, "--json", out, *self.wire, *more]
        generator = Program("loadgen", command, self.folder, [*self.pair.far.prefix, *self.rank])
        try:
            generator.expect_success(seconds + 60)
        finally:
            generator.stop()
        with open(out, encoding="utf-8") as text:
            return json.load(text)

    def _judge(self, system, engine, program, cpu_before, result, seconds, mode="plain"):
        row = dict(result["measurements"][0], system=system, engine=engine, mode=mode,
                   p99_ms_max=result["p99_ms_max"])
        # loadgen's warm second is carried by the same process.
        row["cpu"] = (program.cpu_seconds() - cpu_before) / (seconds + 1.5)
        row["rss_mib"] = program.rss_bytes() / 2**20
        row["relay"] = result.get("relay")
        return row

    def _near(self):
        return [*self.pair.near.prefix, *self.rank, "taskset", "-c", str(self.relay_cpu)]

    def relay(self, calls, seconds, engine="uring", more=(), workers=1, mode="plain"):
        """`engine`: one of the uring port's, or xdp; `mode`: loadgen's."""
        by_xdp = engine == "xdp"
        cpus = ",".join([str(self.relay_cpu)] * workers)
        relay = tandem.Relay(self.folder, f"{NEAR}:10000-39999", self._near(), workers=workers,
                             engine="auto" if by_xdp else engine,
                             more=["--cpus", cpus, *(["--port", "xdp:v0"] if by_xdp else [])])
        try:
            before = relay.program.cpu_seconds()
            result = self._loadgen(calls, seconds, ["--relay", relay.socket, "--mode", mode], more)
            row = self._judge("tandem", engine, relay.program, before, result, seconds, mode)
            return dict(row, workers=workers)
        finally:
            relay.stop()
            if by_xdp:  # else its guard drops what comes for rtpengine
                self.pair.near.run([tandem.program("relay"), "--xdp-release", "v0"])

    def testpmd(self, calls, seconds):
        """Gives frames back by AF_XDP, with their link addresses swapped: the ceiling."""
        listing = os.path.join(self.folder, "calls")
        with open(listing, "w", encoding="ascii") as out:
            for call in range(calls):
                out.write(f"{NEAR} {10000 + 4 * call} {10002 + 4 * call}\n")
        with laboratory.hugepages(TESTPMD_PAGES):
            testpmd = memif.start_testpmd(self.folder, "net_af_xdp0,iface=v0", self.relay_cpu,
                                          "--in-memory",
                                          more=[WITHOUT_GAPS, "--rxd=4096", "--txd=4096"],
                                          prefix=[*self.pair.near.prefix, *self.rank])
            try:
                before = testpmd.cpu_seconds()
                result = self._loadgen(calls, seconds, ["--streams", listing], ["--reflect"])
                return self._judge("testpmd", "af_xdp", testpmd, before, result, seconds)
            finally:
                memif.stop_testpmd(testpmd)

    def rtpengine(self, calls, seconds, mode="plain"):
        engine = rtpengine.start(self.folder, NEAR, NG_PORT, self._near())
        try:
            listing = os.path.join(self.folder, "calls")
            driver = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ng_calls.py")
            laboratory.run([*self.pair.far.prefix, "/usr/bin/python3", driver, NEAR, NG_PORT, FAR,
                            PORT_FIRST, SOCKETS, calls, listing, mode])
            before = engine.cpu_seconds()
            result = self._loadgen(calls, seconds, ["--streams", listing, "--mode", mode])
            return self._judge("rtpengine", "", engine, before, result, seconds, mode)
        finally:
            engine.stop()


def mac_of(host):
    return host.run(["cat", "/sys/class/net/v0/address"]).strip()


class Climb:
    """Looks for the highest clean rate of one system, a measurement at a time: up by a quarter
    until it is not clean, then `halvings` times into the gap."""

    def __init__(self, measure, first, most, halvings=2):
        self.measure, self.next, self.most, self.halvings = measure, first, most, halvings
        self.clean = self.broken = 0
        self.rows = []

    @property
    def done(self):
        return self.next == 0

    def _measure(self, calls, seconds):
        row = self.measure(calls, seconds)
        if not row["clean"]:  # once more: a hiccup of the machine is no property of a relay
            row = self.measure(calls, seconds)
        self.rows.append(row)
        return row

    def step(self, seconds):
        calls = self.next
        row = self._measure(calls, seconds)
        if row["clean"]:
            self.clean = max(self.clean, calls)
        else:
            self.broken = calls
        if self.broken == 0:
            self.next = min(self.most, calls + max(1, calls // 4)) if calls < self.most else 0
        else:
            middle = self.clean + (self.broken - self.clean) // 2
            self.next = middle if self.halvings > 0 and middle > self.clean else 0
            self.halvings -= 1
        return row

    def _clean(self):
        return [row for row in self.rows if row["clean"]]

    def best(self):
        """The highest clean rate as a row of the result, in the form that all our tools share."""
        clean = self._clean()
        nearly = [row for row in self.rows if nearly_clean(row)]
        last = max(clean, key=lambda row: rate([row])) if clean else self.rows[0]
        return dict(_common(last), pps_clean=rate(clean), pps_loss_1e4=rate(nearly),
                    pps_carried=max(map(carried, self.rows)))


def rate(rows):
    return max((row["calls"] * 2 * row.get("pace", PACE) for row in rows), default=0)


class Ladder(Climb):
    """The same at given rates, upwards: clean is what lies below the first that is not."""

    def __init__(self, measure, steps):
        super().__init__(measure, steps[0], steps[-1])
        self.left = list(steps)

    def step(self, seconds):
        row = self._measure(self.left.pop(0), seconds)
        self.next = len(self.left)
        return row

    def _clean(self):
        return list(itertools.takewhile(lambda row: row["clean"], self.rows))


def carried(row):
    """What came back a second, lost or not: a system that is asked for too much shows its most."""
    return round(row["received"] / max(row["seconds"], row["seconds_taken"]))


def nearly_clean(row):
    """No more than 0.01 % lost, all else as in a clean one."""
    return row["clean"] or (row["seconds_taken"] <= 1.01 * row["seconds"] and
                            row["lost"] <= 1e-4 * row["sent"] and row["out_of_step"] == 0 and
                            row["wrong_side"] == 0 and row["latency_ms"]["p99"] < row["p99_ms_max"])


def _port(row):
    if row["system"] == "rtpengine":
        return "kernel"
    return {"xdp": "xdp", "af_xdp": "xdp", "memif": "memif"}.get(row["engine"], "uring")


def _common(row):
    return {"system": row["system"], "port": _port(row), "engine": row["engine"],
            "mode": row.get("mode", "plain"),
            "workers": row.get("workers", 1), "sessions": row["calls"],
            "pace": row.get("pace", PACE), "cpu": row["cpu"],
            "latency_us": {name: 1000 * row["latency_ms"][name]
                           for name in ("p50", "p99", "p999", "max")}}


def single(row):
    """A measurement at one rate as a row of the result."""
    return dict(_common(row), pps_clean=rate([row]) if row["clean"] else 0,
                pps_loss_1e4=rate([row]) if nearly_clean(row) else 0, pps_carried=carried(row))


def check(condition, sentence):
    if not condition:
        raise Failed(sentence)
