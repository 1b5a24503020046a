#!/usr/bin/python3
"""What each port must be allowed: it starts with exactly that as nobody, refuses without, and keeps
of root's rights no more than it still needs; the workers keep none."""

import glob
import os
import subprocess
import unittest

from rig import laboratory, office, tandem

NEAR, FAR, DEVICE = "10.79.0.1", "10.79.0.2", "cable0"
# linux/capability.h
NUMBERS = {"net_admin": 12, "net_raw": 13, "ipc_lock": 14, "perfmon": 38, "bpf": 39}
NOBODY = 65534
OTHER_END = "02:00:00:00:00:02"  # nobody is asked who that is


def bits(names):
    return sum(1 << NUMBERS[name] for name in names)


def nobody_with(names):
    only = "".join(f",+{name}" for name in names)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", f"--inh-caps=-all{only}", f"--ambient-caps=-all{only}",
            f"--bounding-set=-all{only}"]


def rights(pid):
    """Of every thread: {name: [permitted]}; what is effective is the same."""
    found = {}
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as text:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)
        assert fields["CapEff"] == fields["CapPrm"] and int(fields["CapInh"], 16) == 0, fields
        assert fields["NoNewPrivs"] == "1", fields
        found.setdefault(fields["Name"], []).append(int(fields["CapPrm"], 16))
    return found


class Port(unittest.TestCase):
    """Each way in: what it needs to start, and what it keeps."""
    device, more = None, ()
    needs, keeps = (), ()
    instead = ()  # of a limit that systemd would set

    def setUp(self):
        self.host = laboratory.Namespace(f"tandem-rights-{os.getpid()}")
        self.addCleanup(self.host.remove)
        self.addCleanup(laboratory.run, ["ip", "link", "delete", DEVICE], False)
        laboratory.run(["ip", "link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE,
                        "netns", self.host.name])
        for run, address in ((laboratory.run, FAR), (self.host.run, NEAR)):
            run(["ip", "address", "add", f"{address}/24", "dev", DEVICE])
            run(["ethtool", "-K", DEVICE, "tx", "off"])
            run(["ip", "link", "set", DEVICE, "up"])
        self.host.run(["sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=10000-10999"])
        self.folder = tandem.scratch()
        os.chown(self.folder, NOBODY, NOBODY)
        self.addCleanup(laboratory.run, ["rm", "-rf", self.folder])

    def relay(self, prefix=()):
        relay = tandem.Relay(self.folder, f"{NEAR}:10000-10999", [*self.host.prefix, *prefix],
                             more=[*(["--port", self.device] if self.device else []), *self.more])
        self.addCleanup(relay.stop)
        return relay

    def expect_rights(self, relay, keeps):
        found = rights(relay.program.process.pid)
        self.assertEqual(found.pop("worker-0"), [0])
        self.assertEqual(found.pop("relay")[0], bits(keeps))
        for name, permitted in found.items():
            self.assertTrue(all(each & ~bits(keeps) == 0 for each in permitted), name)

    def expect_audio(self, relay):
        subprocess.run([tandem.program("loadgen"), "--relay", relay.socket, "--far", FAR, "--port",
                        "20000", "--calls", "4", "--seconds", "1", "--json",
                        os.path.join(self.folder, "result")], check=True, stdout=subprocess.DEVNULL)
        self.assertGreater(relay.state()["counters"]["forwarded"], 300, relay.log_text)

    def test_of_roots_rights_it_keeps_what_it_needs(self):
        relay = self.relay()
        self.expect_rights(relay, self.keeps)

    def test_nobody_with_exactly_what_it_needs(self):
        relay = self.relay(nobody_with((*self.needs, *self.instead)))
        self.expect_rights(relay, [name for name in self.keeps if name in self.needs])
        if not self.device or self.device.startswith("xdp"):
            self.expect_audio(relay)

    def test_without_one_of_them_it_says_so(self):
        for missing in self.needs:
            with self.subTest(missing=missing):
                rest = [*(name for name in self.needs if name != missing), *self.instead]
                done = subprocess.run(
                    [*self.host.prefix, *nobody_with(rest), tandem.program("relay"), "--socket",
                     os.path.join(self.folder, "refused.sock"), "--listen",
                     f"{NEAR}:10000-10999", "--port", self.device, *self.more],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False,
                    text=True)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(f"CAP_{missing.upper()}", done.stdout)


class Uring(Port):
    pass


class Xdp(Port):
    device = f"xdp:{DEVICE}"
    needs, keeps = ("net_admin", "net_raw", "bpf", "perfmon"), ("net_admin", "bpf", "perfmon")
    instead = ("ipc_lock",)  # of LimitMEMLOCK=


class DpdkWithAnEnd(Port):
    """The next hop is given: the kernel is asked for nothing."""
    device = f"dpdk:net_af_packet0,iface={DEVICE}@{OTHER_END}"
    more = ("--eal", "--no-huge --no-shconf")
    needs, keeps = ("net_admin", "net_raw"), ("net_admin", "net_raw", "ipc_lock")


class DpdkWithTheKernel(DpdkWithAnEnd):
    """Next hops are the kernel's, by a TAP."""
    device = f"dpdk:net_af_packet0,iface={DEVICE}@media0"


del Port  # a shape, no test of its own


if __name__ == "__main__":
    office.main()
