"""Relay and testpmd on one end of a memif, loadgen on the other: the dpdk port without a card.

A memif joins two processes by shared memory as a cable joins two cards. Both ends take large pages,
as with a card; or plain memory, for which nothing of the machine has to be changed.
"""

import json
import os
import subprocess

from . import laboratory, tandem
from .process import Program, wait_until

OURS, FAR = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESSES = ("192.0.2.1", "192.0.2.2")  # 7,500 calls of two port pairs on each
CALLS_AN_ADDRESS = 7500
FAR_ADDRESS = "192.0.2.9"
PLAIN_EAL = "--no-huge --no-shconf -m 512"
LARGE_MB = 384  # of each of two ends: so many pages of 2 MiB
LARGE_EAL = f"--in-memory -m {LARGE_MB}"
TESTPMD = "dpdk-testpmd"


class Memif:
    def __init__(self, relay_cpu=0, far_cpu=1, realtime=False, large_pages=True):
        self.rank = ["chrt", "--rr", "10"] if realtime else []
        self.folder = tandem.scratch()
        self.relay_cpu, self.far_cpu = relay_cpu, far_cpu
        self.serial = 0
        self.relay_counters, self.relay_log = {}, ""  # of the last measurement
        self.pages = laboratory.hugepages(LARGE_MB if large_pages else 0)
        self.eal = LARGE_EAL if large_pages else PLAIN_EAL

    def __enter__(self):
        self.pages.__enter__()
        return self

    def __exit__(self, *failure):
        self.pages.__exit__(*failure)
        laboratory.run(["rm", "-rf", self.folder])

    def _ends(self):
        """The devices of both ends of a new memif."""
        self.serial += 1
        # 16,384 places, the driver's most: what comes in the 4 ms that the kernel gives somebody
        # else waits, also at 3 million packets/s. In buffers of 2,048 bytes, its first choice,
        # the lines that frames fill would share an eighth of each cache's sets.
        common = f"socket={self.folder}/m{self.serial},socket-abstract=no,rsize=14,bsize=256"
        return (f"net_memif0,role=server,mac={OURS},{common}",
                f"net_memif0,role=client,mac={FAR},{common}")

    def _loadgen(self, device, sessions, pace, seconds, source, mode, queues):
        out = os.path.join(self.folder, "loadgen.json")
        generator = Program("loadgen", [
            tandem.program("loadgen"), *source, "--device", f"dpdk:{device}@{OURS}",
            "--eal", self.eal, "--far", FAR_ADDRESS, "--mode", mode, "--calls", sessions,
            "--pace", pace, "--queues", queues, "--sockets", 2 * queues, "--seconds", seconds,
            "--cpu", self.far_cpu, "--json", out], self.folder, self.rank)
        try:
            generator.expect_success(seconds + 60)
        finally:
            generator.stop()
        with open(out, encoding="utf-8") as text:
            result = json.load(text)
        return dict(result["measurements"][0], engine="memif", pace=pace, mode=mode,
                    p99_ms_max=result["p99_ms_max"])

    def _judge(self, system, program, device, sessions, pace, seconds, source, mode="plain",
               queues=1):
        before = program.cpu_seconds()
        row = self._loadgen(device, sessions, pace, seconds, source, mode, queues)
        # loadgen's warm second is carried by the same process.
        return dict(row, system=system, cpu=(program.cpu_seconds() - before) / (seconds + 1.5))

    def relay(self, sessions, pace, seconds, mode="plain", workers=1):
        """With several workers there are as many queues, and who gets another's packet hands it
        over."""
        ours, theirs = self._ends()
        relay = tandem.Relay(self.folder, ADDRESSES, self.rank, workers=workers, more=[
            "--port", f"dpdk:{ours}@{FAR}", "--eal", self.eal,
            "--cpus", ",".join([str(self.relay_cpu)] * workers)])
        try:
            row = self._judge("tandem", relay.program, theirs, sessions, pace, seconds,
                              ["--relay", relay.socket], mode, workers)
            self.relay_counters, self.relay_log = relay.state()["counters"], relay.log_text
            return dict(row, workers=workers)
        finally:
            relay.stop()

    def testpmd(self, sessions, pace, seconds):
        """Swaps two link addresses and knows no call: the ceiling."""
        ours, theirs = self._ends()
        listing = os.path.join(self.folder, "calls")
        with open(listing, "w", encoding="ascii") as out:
            for call in range(sessions):
                address, index = ADDRESSES[call // CALLS_AN_ADDRESS], call % CALLS_AN_ADDRESS
                out.write(f"{address} {10000 + 4 * index} {10002 + 4 * index}\n")
        testpmd = start_testpmd(self.folder, ours, self.relay_cpu, self.eal,
                                f"testpmd-{self.serial}", self.rank)
        try:
            return self._judge("testpmd", testpmd, theirs, sessions, pace, seconds,
                               ["--streams", listing, "--reflect"])
        finally:
            stop_testpmd(testpmd)


def start_testpmd(folder, device, cpu, eal, name="testpmd", prefix=(), more=()):
    # Its output would wait in a buffer for more.
    command = ["stdbuf", "-oL", TESTPMD, "--lcores", f"0@{cpu},1@{cpu}", *eal.split(), "--no-pci",
               "--no-telemetry", "--vdev", device, "--", "--forward-mode=macswap", "--nb-cores=1",
               "--burst=64", "--rxd=1024", "--txd=1024", "--total-num-mbufs=16384",
               "--no-mlockall", "--disable-link-check", *more]
    testpmd = Program(name, command, folder, prefix, stdin=subprocess.PIPE)

    def forwards():
        testpmd.expect_running()
        return "Press enter to exit" in testpmd.log()
    try:
        wait_until(forwards, 20, lambda: f"forwarding testpmd:\n{testpmd.log()}")
    except BaseException:
        testpmd.stop()
        raise
    return testpmd


def stop_testpmd(testpmd):
    testpmd.process.stdin.close()  # its sign to end
    testpmd.stop(10)
