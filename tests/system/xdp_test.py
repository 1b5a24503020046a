#!/usr/bin/python3
"""Calls through AF_XDP over a veth cable: the relay on one host, carrier and PBX on another.

Also what may happen to such a port: a flapping cable, a program that somebody takes off, a dead
relay, a wrong device, no privilege; and two workers on two queues that hand packets over.
"""

import json
import os
import socket
import subprocess
import unittest

from rig import laboratory, office, rtp, tandem
from rig.process import wait_until

# The relay's host is a namespace, the test's own network is the far side.
office.TANDEM, office.CARRIER, office.PBX = "10.78.0.1", "10.78.0.2", "10.78.0.3"
from basic_call_test import Calls  # noqa: E402  (it copies the addresses)

DEVICE = "cable0"


def two_hosts(test, queues=1):
    """The relay's host, joined to this process's network by a cable of `queues` queues."""
    host = laboratory.Namespace(f"tandem-xdp-{os.getpid()}")
    test.addCleanup(host.remove)
    test.addCleanup(laboratory.run, ["ip", "link", "delete", DEVICE], False)
    lay_cable(host, queues)
    return host


def lay_cable(host, queues=1):
    wide = ["numrxqueues", queues, "numtxqueues", queues]
    laboratory.run(["ip", "link", "add", DEVICE, *wide, "type", "veth",
                    "peer", "name", DEVICE, *wide, "netns", host.name])
    for run, addresses in ((laboratory.run, (office.CARRIER, office.PBX)),
                           (host.run, (office.TANDEM,))):
        for address in addresses:
            run(["ip", "address", "add", f"{address}/24", "dev", DEVICE])
        run(["ethtool", "-K", DEVICE, "tx", "off"])
        run(["ip", "link", "set", DEVICE, "up"])


class XdpOffice(office.Office):
    relay_more = ("--port", f"xdp:{DEVICE}")

    def setUp(self):
        self.host = two_hosts(self)
        self.prefix = self.host.prefix
        super().setUp()

    def counters(self):
        return self.relay.state()["counters"]

    def call(self):
        """A call that is up, and its two voices."""
        carrier, pbx = self.carrier_calls(hold_ms=20000)
        a, b = self.voices()
        to_a, to_b = carrier.media(), pbx.media()
        rtp.converse(a, b, to_a, to_b, packets=25)
        return a, b, to_a, to_b

    def expect_both_ways(self, a, b, to_a, to_b):
        """From some moment on each hears the other again."""
        before = len(a.heard), len(b.heard)
        a.talk(to_a)
        b.talk(to_b)
        wait_until(lambda: len(a.heard) > before[0] + 25 and len(b.heard) > before[1] + 25, 15,
                   lambda: f"audio after the fault: {self.relay.log_text}")
        a.hush()
        b.hush()


class OverXdp(XdpOffice, Calls):
    """What basic_call_test asks of sockets."""

    def tearDown(self):
        counters = self.counters()
        modes = [counters.get(mode, 0) for mode in ("xdp_zero_copy", "xdp_copy", "xdp_generic")]
        self.assertEqual(modes, [0, 1, 0])  # a veth has no memory of its own to give away
        self.assertEqual(counters.get("unresolved", 0), 0)


class Faults(XdpOffice):
    def test_a_flapping_cable_costs_no_call(self):
        call = self.call()
        self.host.run(["ip", "link", "set", DEVICE, "down"])
        wait_until(lambda: "has lost its link" in self.relay.log_text, 5, "word of the link")
        self.host.run(["ip", "link", "set", DEVICE, "up"])
        self.expect_both_ways(*call)
        self.expect_sessions(1)

    def test_a_device_that_is_removed_is_told_and_its_calls_live_through_a_restart(self):
        call = self.call()
        laboratory.run(["ip", "link", "delete", DEVICE])
        wait_until(lambda: f"{DEVICE} was removed; its calls cannot be carried on until the device "
                   "is back and the relay is restarted" in self.relay.log_text, 5, "word of it")
        self.relay.program.expect_running()
        self.expect_sessions(1)
        lay_cable(self.host)
        self.relay.program.kill()
        self.relay.start()
        self.expect_both_ways(*call)
        self.expect_sessions(1)

    def test_a_program_that_was_taken_off_is_attached_again(self):
        call = self.call()
        device = json.loads(self.host.run(["ip", "-json", "link", "show", "dev", DEVICE]))[0]
        listing = subprocess.run(["bpftool", "--json", "link", "list"], check=True,
                                 stdout=subprocess.PIPE)
        # Links are the whole machine's.
        link, = (link["id"] for link in json.loads(listing.stdout)
                 if link.get("prog_id") == device["xdp"]["prog"]["id"])
        subprocess.run(["bpftool", "link", "detach", "id", str(link)], check=True)
        wait_until(lambda: "it is attached again" in self.relay.log_text, 5, "word of it")
        self.expect_both_ways(*call)
        self.assertEqual(self.counters().get("xdp_reattached"), 1)

    def test_a_gateway_that_changes_its_mac_is_followed(self):
        call = self.call()
        laboratory.run(["ip", "link", "set", DEVICE, "address", "02:00:00:00:66:02"])
        laboratory.run(["ip", "neigh", "flush", "dev", DEVICE], False)
        self.host.run(["ip", "neigh", "flush", "dev", DEVICE], False)
        self.expect_both_ways(*call)

    def test_a_gateway_that_is_gone_is_told_and_costs_no_call(self):
        call = self.call()
        mac = self.host.run(["cat", f"/sys/class/net/{DEVICE}/address"]).strip()
        # The far host neither answers for its addresses nor asks by itself.
        laboratory.run(["ip", "neigh", "replace", office.TANDEM, "lladdr", mac, "dev", DEVICE,
                        "nud", "permanent"])
        laboratory.run(["sysctl", "-qw", f"net.ipv4.conf.{DEVICE}.arp_ignore=8"])
        self.host.run(["ip", "neigh", "flush", "dev", DEVICE], False)
        wait_until(lambda: "does not say its link address" in self.relay.log_text, 15,
                   "word of the neighbour")
        call[0].talk(call[2])
        wait_until(lambda: self.counters().get("unresolved", 0) > 0, 5, "drops by name")
        call[0].hush()
        self.expect_sessions(1)
        laboratory.run(["sysctl", "-qw", f"net.ipv4.conf.{DEVICE}.arp_ignore=0"])
        self.expect_both_ways(*call)
        self.expect_sessions(1)

    def test_a_dead_relay_is_silent_and_not_refused(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((office.CARRIER, 0))
            s.settimeout(0.5)
            self.relay.program.kill()
            for port, refused in ((10000, False), (10998, False), (9998, True)):
                s.connect((office.TANDEM, port))
                s.send(b"anybody there?")
                with self.assertRaises(ConnectionRefusedError if refused else socket.timeout):
                    s.recv(100)
        self.relay.start()  # takes the same queue and the same filter again
        release = [*self.host.prefix, tandem.program("relay"), "--xdp-release", DEVICE]
        self.relay.stop()
        subprocess.run(release, check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            s.connect((office.TANDEM, 10000))
            s.send(b"now the kernel answers")
            with self.assertRaises(ConnectionRefusedError):
                s.recv(100)
        self.relay.start()


class Refusals(unittest.TestCase):
    """One sentence each: what, why, what to do."""

    def setUp(self):
        self.host = two_hosts(self)

    def refusal(self, *options, user=()):
        done = subprocess.run(
            [*self.host.prefix, *user, tandem.program("relay"), "--socket",
             f"/tmp/tandem-refused-{os.getpid()}", "--listen", f"{office.TANDEM}:10000-10999",
             *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        # What did not start is in nobody's way.
        self.assertEqual(self.host.run(["tc", "filter", "show", "dev", DEVICE, "ingress"]), "")
        return done.stdout.decode()

    def test_a_device_that_is_not_there(self):
        self.assertIn("there is no Ethernet device of that name; `ip -brief link`",
                      self.refusal("--port", "xdp:eth9"))

    def test_fewer_queues_than_workers(self):
        self.assertIn("has 1 queue for 2 workers",
                      self.refusal("--port", f"xdp:{DEVICE}", "--workers", "2"))

    def test_ports_that_the_kernel_lends(self):
        said = self.refusal("--port", f"xdp:{DEVICE}", "--listen",
                            f"[fd78::1]@{DEVICE}:40000-40999")
        self.assertIn("net.ipv4.ip_local_reserved_ports=", said)

    def test_a_mode_that_the_driver_has_not(self):
        self.assertIn("--xdp-mode zero-copy forbids to copy",
                      self.refusal("--port", f"xdp:{DEVICE}", "--xdp-mode", "zero-copy"))

    def test_memory_that_may_not_be_locked(self):
        said = self.refusal("--port", f"xdp:{DEVICE}", user=(
            "prlimit", "--memlock=8388608:8388608", "setpriv", "--bounding-set=-ipc_lock",
            "--inh-caps=-ipc_lock"))
        self.assertIn("KiB of memory, and the limit is 8192 KiB; start with LimitMEMLOCK", said)

    def test_no_privilege(self):
        said = self.refusal("--port", f"xdp:{DEVICE}", user=(
            "setpriv", "--bounding-set=-all,+ipc_lock", "--inh-caps=-all"))
        self.assertIn("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW", said)


class AfterXdp(XdpOffice):
    """The way back to sockets, on the same address."""

    def test_a_uring_relay_after_an_xdp_one_hears_its_calls(self):
        call = self.call()
        self.relay.stop()
        self.relay.command[self.relay.command.index(f"xdp:{DEVICE}")] = "uring"
        self.relay.start()
        self.assertIn(f"the guard that a relay with --port xdp:{DEVICE} had left",
                      self.relay.log_text)
        self.expect_both_ways(*call)
        self.expect_sessions(1)


class TwoWorkers(unittest.TestCase):
    def test_two_queues_carry_all_and_hand_over_in_order(self):
        host = two_hosts(self, queues=2)
        folder = tandem.scratch()
        self.addCleanup(laboratory.run, ["rm", "-rf", folder])
        relay = tandem.Relay(folder, f"{office.TANDEM}:10000-10999", host.prefix, workers=2,
                             more=["--port", f"xdp:{DEVICE}"])
        self.addCleanup(relay.stop)
        out = os.path.join(folder, "loadgen.json")
        subprocess.run([tandem.program("loadgen"), "--relay", relay.socket, "--far",
                        office.CARRIER, "--port", "20000", "--sockets", "8", "--calls", "20",
                        "--seconds", "2", "--json", out], check=True, stdout=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as text:
            row = json.load(text)["measurements"][0]
        self.assertEqual((row["lost"], row["duplicate"], row["reordered"]), (0, 0, 0), row)
        counters = relay.state()["counters"]
        self.assertGreater(counters.get("handed_over", 0), 0)
        self.assertEqual(counters.get("hand_over_full", 0), 0)
        self.assertIn("queue 1 to worker 1", relay.log_text)


if __name__ == "__main__":
    office.main()
