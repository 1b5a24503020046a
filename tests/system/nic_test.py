#!/usr/bin/python3
"""scripts/nic against a made-up /sys: what it shows, refuses, and would do."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scripts/nic")
LOADER = importlib.machinery.SourceFileLoader("nic", SCRIPT)
nic = importlib.util.module_from_spec(importlib.util.spec_from_loader("nic", LOADER))
LOADER.exec_module(nic)


class Nic(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.addCleanup(setattr, nic, "PCI", nic.PCI)
        nic.PCI = self.root
        self.addCleanup(setattr, nic, "NET", nic.NET)
        nic.NET = os.path.join(self.root, "net")

    def stack(self, lower, kind, upper):
        """As the kernel shows that `upper` lies on `lower`: `master` or `upper_NAME`."""
        folder = os.path.join(nic.NET, lower)
        os.makedirs(folder, exist_ok=True)
        os.makedirs(os.path.join(nic.NET, upper), exist_ok=True)
        os.symlink(os.path.join("..", upper), os.path.join(folder, kind))

    def card(self, pci, driver, name=None, kind="0x020000"):
        folder = os.path.join(self.root, pci)
        os.makedirs(folder)
        for file, text in (("class", kind), ("vendor", "0x8086"), ("device", "0x1572"),
                           ("numa_node", "1")):
            with open(os.path.join(folder, file), "w", encoding="ascii") as out:
                out.write(text + "\n")
        os.makedirs(os.path.join(self.root, "drivers", driver), exist_ok=True)
        os.symlink(os.path.join(self.root, "drivers", driver), os.path.join(folder, "driver"))
        if name:
            os.makedirs(os.path.join(folder, "net", name))

    def said(self, act, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            act(*arguments)
        return out.getvalue()

    def test_only_network_cards_are_shown(self):
        self.card("0000:01:00.0", "i40e", "nosuch7")
        self.card("0000:02:00.0", "nvme", kind="0x010802")
        text = self.said(nic.show)
        self.assertIn("0000:01:00.0  8086:1572  i40e", text)
        self.assertIn("free to bind", text)
        self.assertNotIn("0000:02:00.0", text)

    def test_a_dry_run_says_what_it_would_do_and_does_nothing(self):
        self.card("0000:01:00.0", "i40e", "nosuch7")
        text = self.said(nic.bind, "nosuch7", True)
        self.assertIn(f"would write 'vfio-pci' to {self.root}/0000:01:00.0/driver_override", text)
        self.assertIn("would write '0000:01:00.0' to /sys/bus/pci/drivers_probe", text)
        self.assertFalse(os.path.exists(f"{self.root}/0000:01:00.0/driver_override"))

    def test_a_card_that_dpdk_shares_is_not_bound(self):
        self.card("0000:01:00.0", "mlx5_core", "nosuch7")
        with self.assertRaisesRegex(nic.Refused, "--port dpdk:0000:01:00.0@nosuch7"):
            nic.bind("0000:01:00.0", True)

    def test_a_card_in_use_is_not_bound(self):
        self.card("0000:01:00.0", "i40e", "lo")  # which has an address on every host
        with self.assertRaisesRegex(nic.Refused, "logged in by it"):
            # `host` scope is no link-local one: 127.0.0.1 counts.
            nic.bind("lo", True)

    def test_a_card_that_belongs_to_a_bond_or_bridge_is_not_bound(self):
        self.card("0000:01:00.0", "i40e", "nosuch7")
        self.stack("nosuch7", "master", "bond0")
        self.stack("nosuch7", "upper_bond0", "bond0")
        with self.assertRaisesRegex(nic.Refused, "nosuch7 is part of bond0"):
            nic.bind("nosuch7", True)

    def test_a_card_whose_vlan_is_in_use_is_not_bound(self):
        self.card("0000:01:00.0", "i40e", "nosuch7")
        self.stack("nosuch7", "upper_nosuch7.5", "nosuch7.5")
        self.assertIn("would write", self.said(nic.bind, "nosuch7", True))
        self.stack("nosuch7.5", "upper_lo", "lo")  # which has an address on every host
        with self.assertRaisesRegex(nic.Refused, "lo has an address, by nosuch7.5, by nosuch7"):
            nic.bind("nosuch7", True)

    def test_a_card_with_a_route_of_ipv6_alone_is_not_bound(self):
        self.card("0000:01:00.0", "i40e", "nosuch7")
        answers = {"-6": b'[{"dst":"fe80::/64"}]'}
        self.addCleanup(setattr, nic.subprocess, "run", nic.subprocess.run)
        nic.subprocess.run = lambda command, **_: nic.subprocess.CompletedProcess(
            command, 0, answers.get(command[2], b"[]"))
        self.assertIn("would write", self.said(nic.bind, "nosuch7", True))
        answers["-6"] = b'[{"dst":"default"},{"dst":"fe80::/64"}]'
        with self.assertRaisesRegex(nic.Refused, "nosuch7 has a route"):
            nic.bind("nosuch7", True)

    def test_a_bound_card_is_given_back(self):
        self.card("0000:01:00.0", "vfio-pci")
        self.assertIn("would write '\\n' to", self.said(nic.unbind, "01:00.0", True))
        self.assertIn("already", self.said(nic.bind, "01:00.0", True))

    def test_a_card_that_is_not_there(self):
        with self.assertRaisesRegex(nic.Refused, "scripts/nic show"):
            nic.bind("0000:09:00.0", True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
