#!/usr/bin/python3
"""Calls through a device that DPDK has taken from the kernel.

The relay's host is a namespace whose only cable belongs to DPDK (net_af_xdp: the kernel sees no
frame of it). What is not media - ARP, SIP - reaches the kernel by the TAP that the relay makes, and
the kernel answers the same way; next hops of the media are the kernel's neighbours on that TAP. And
two workers over a memif, which cannot steer: they hand over.
"""

import os
import socket
import subprocess
import unittest

from rig import laboratory, memif, office, rtp, tandem
from rig.process import wait_until

HOST, CABLE = f"dpdk-{os.getpid()}", "cable0"
office.TANDEM, office.CARRIER, office.PBX = "10.78.0.1", "10.78.0.2", "10.78.0.3"
DEVICE = f"dpdk:net_af_xdp0,iface={CABLE}@media0"


def relay_on(device, prefix=(), eal="--no-huge --no-shconf"):
    """A relay that is not expected to start: what it says."""
    command = [*prefix, tandem.program("relay"), "--socket", "/nowhere/at/all/relay.sock",
               "--listen", f"{office.TANDEM}:10000-10999", "--port", device]
    if eal:
        command += ["--eal", eal]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                          check=False, text=True)
    return done.returncode, done.stdout


class OnDpdk(office.Office):
    with_sipctl = False  # its address exists when the relay has made the TAP
    relay_more = ("--port", DEVICE, "--eal", "--no-huge --no-shconf")

    def setUp(self):
        self.host = laboratory.Namespace(HOST)
        self.addCleanup(self.host.remove)
        laboratory.run(["ip", "link", "add", CABLE, "type", "veth",
                        "peer", "name", CABLE, "netns", HOST])
        for address in (office.CARRIER, office.PBX):
            laboratory.run(["ip", "address", "add", f"{address}/24", "dev", CABLE])
        # A frame as a wire brings it: checksums complete.
        laboratory.run(["ethtool", "-K", CABLE, "tx", "off"])
        laboratory.run(["ip", "link", "set", CABLE, "up"])
        self.host.run(["ip", "link", "set", CABLE, "up"])
        self.host.run(["sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=10000-10999"])
        self.relay_prefix = self.host.prefix
        super().setUp()
        # The kernel's end of the relay's device: who else is on this host speaks through it.
        self.host.run(["ip", "address", "add", f"{office.TANDEM}/24", "dev", "media0"])
        self.sipctl = self.begin(tandem.Sipctl(self.folder, self.config(), self.host.prefix))

    def test_a_call_with_audio_both_ways(self):
        carrier, pbx = self.carrier_calls()
        at_carrier, at_pbx = self.voices()
        to_carrier, to_pbx = carrier.media(), pbx.media()
        rtp.converse(at_carrier, at_pbx, to_carrier, to_pbx, packets=50)
        for party, other in ((at_carrier, at_pbx), (at_pbx, at_carrier)):
            self.assertEqual(other.missing(0, party.sent - 1), [], f"lost from {party.name}")
            self.assertEqual(other.twice, 0)
            self.assertEqual(other.strange, 0)
        self.assertEqual(at_carrier.sources, {to_carrier})
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()
        log = self.relay.log_text
        self.assertIn("driver net_af_xdp", log)
        self.assertIn("what is not ours goes to the kernel by media0", log)
        self.assertIn("link is up", log)
        self.assertIn("dpdk:net_af_xdp0: queue 0 to worker 0", log)

    @staticmethod
    def _kernel_answers():
        with socket.socket() as s:
            s.settimeout(1)
            try:
                s.connect((office.TANDEM, 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False

    def test_the_rest_of_the_host_is_reached(self):
        wait_until(self._kernel_answers, 10, "the answer of the host's kernel through the TAP")

    def test_a_restart_finds_addresses_and_routes_again(self):
        self.host.run(["ip", "route", "add", "192.0.2.0/24", "via", office.CARRIER])
        wait_until(self._kernel_answers, 10, "the answer of the host's kernel through the TAP")
        self.relay.stop()
        self.assertIn(office.TANDEM, self.host.run(["ip", "address", "show", "media0"]))
        self.relay.start()
        wait_until(self._kernel_answers, 10, "the same after a restart")
        self.assertIn("media0 was there and is used again", self.relay.log_text)
        self.assertIn(f"via {office.CARRIER} dev media0",
                      self.host.run(["ip", "route", "get", "192.0.2.9"]))
        second = subprocess.run(
            [*self.host.prefix, tandem.program("relay"), "--socket", self.relay.socket + ".2",
             "--listen", "10.78.0.9:10000-10999", "--eal", "--no-huge --no-shconf",
             "--port", "dpdk:net_null0@media0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn("media0 is held by another process", second.stdout)


class TwoWorkers(unittest.TestCase):
    def test_two_queues_of_a_memif_carry_all_and_hand_over_in_order(self):
        with memif.Memif(0, os.cpu_count() - 1, large_pages=False) as bench:
            row = bench.relay(sessions=20, pace=50, seconds=2, workers=2)
        self.assertEqual((row["lost"], row["duplicate"], row["reordered"]), (0, 0, 0), row)
        # Of two workers each gets about half of the other's.
        handed = bench.relay_counters.get("handed_over", 0)
        self.assertGreater(handed, row["received"] // 4)
        self.assertEqual(bench.relay_counters.get("hand_over_full", 0), 0)
        self.assertIn("queue 0 to worker 0, queue 1 to worker 1; it cannot steer",
                      bench.relay_log)
        self.assertIn("has no receive hash", bench.relay_log)


class Faults(office.Office):
    with_sipctl = False

    def setUp(self):
        pass

    def test_a_device_that_is_not_there(self):
        status, said = relay_on("dpdk:net_af_packet0,iface=nosuch0@02:00:00:00:00:02")
        self.assertEqual(status, 1)
        self.assertIn("dpdk:net_af_packet0 cannot be opened", said)
        self.assertIn("No such device", said)

    def test_no_privilege(self):
        status, said = relay_on("dpdk:net_af_packet0,iface=lo@02:00:00:00:00:02",
                                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        self.assertEqual(status, 1)
        self.assertIn("no permission: start as root, or with CAP_NET_RAW", said)

    def test_ports_that_the_kernel_may_take(self):
        subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=",
                        "net.ipv4.ip_local_port_range=10500 60999"], check=True)
        status, said = relay_on("dpdk:net_af_packet0,iface=lo@lo")
        self.assertEqual(status, 1)
        self.assertIn("sysctl -w net.ipv4.ip_local_reserved_ports=10000-10999", said)

    def test_no_hugepages(self):
        with open("/proc/meminfo", encoding="ascii") as info:
            free = [line for line in info if line.startswith("HugePages_Free")][0].split()[1]
        status, said = relay_on("dpdk:net_null0@02:00:00:00:00:02", eal="")
        self.assertEqual(status, 1)
        # With hugepages it gets as far as its socket.
        self.assertIn("no hugepage is free" if free == "0" else "/nowhere/at/all", said)

    def test_words_that_eal_does_not_know(self):
        status, said = relay_on("dpdk:net_null0@02:00:00:00:00:02", eal="--no-huge --what-is-this")
        self.assertEqual(status, 1)
        self.assertIn("look at --eal", said)


if __name__ == "__main__":
    office.main()
