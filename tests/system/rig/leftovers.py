"""What a test run may leave behind on the machine, and must not."""

import glob
import os
import subprocess
import time

PROGRAMS = {"relay", "sipctl", "relaystat", "loadgen", "callgen", "sipp", "baresip", "rtpengine",
            "kamailio"}


def _namespaces():
    out = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout.decode()
    return {f"namespace {line.split()[0]}" for line in out.splitlines() if line}


def _processes():
    found = set()
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8") as comm:
                name = comm.read().strip()
        except OSError:
            continue
        if name in PROGRAMS:
            found.add(f"process {name} {path.split('/')[2]}")
    return found


def _sockets():
    with open("/proc/net/unix", encoding="utf-8") as table:
        paths = [line.split()[7] for line in table if len(line.split()) > 7]
    return {f"socket {p}" for p in paths if "tandem" in p}


def _hugepages():
    with open("/proc/meminfo", encoding="utf-8") as info:
        total = [line.split()[1] for line in info if line.startswith("HugePages_Total")]
    return {f"hugepages {n}" for n in total if n != "0"}


def _firewall():
    out = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout.decode()
    return {f"nft {line}" for line in out.splitlines() if "tandem" in line}


def _programs():
    """XDP and tc programs of a relay. The kernel frees them a moment after their process."""
    deadline = time.monotonic() + 5
    while True:
        out = subprocess.run(["bpftool", "prog", "list"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout.decode()
        left = {line.split()[3] for line in out.splitlines()
                if len(line.split()) > 3 and line.split()[3] in ("steer", "guard")}
        if not left or time.monotonic() > deadline:
            return {f"BPF program {name}" for name in left}
        time.sleep(0.1)


def snapshot():
    found = _namespaces() | _processes() | _sockets() | _hugepages() | _firewall() | _programs()
    found |= {f"file {p}" for p in glob.glob("/dev/shm/*")}
    found |= {f"interface {i}" for i in os.listdir("/sys/class/net")}
    found |= {f"folder {p}" for p in glob.glob("/tmp/tandem-*")}
    return found


def difference(before, after):
    """Sorted sentences, empty when all is clean."""
    return sorted(after - before)
