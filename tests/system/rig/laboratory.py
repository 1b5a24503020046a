"""Network namespaces, veth pairs and packet loss, made by a test and removed by it."""

import contextlib
import os
import subprocess

from .process import Failed


def run(command, check=True, quiet=False):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {text}")
    return text if not quiet else ""


@contextlib.contextmanager
def hugepages(count):
    """So many pages of 2 MiB more, for as long as the block lasts."""
    path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

    def read():
        with open(path, encoding="ascii") as now:
            return int(now.read())

    def write(number):
        with open(path, "w", encoding="ascii") as out:
            out.write(str(number))
    before = read()
    try:
        write(before + count)  # takes a while, and may be ended meanwhile
        if read() < before + count:
            raise Failed(f"this machine has no {count} free pages of 2 MiB in one piece")
        yield
    finally:
        write(before)


class Namespace:
    """One host of the laboratory: its own interfaces, ports and firewall."""

    def __init__(self, name):
        self.name, self.cable = name, ""
        run(["ip", "netns", "add", name])
        self.run(["ip", "link", "set", "lo", "up"])

    @property
    def prefix(self):
        return ["ip", "netns", "exec", self.name]

    def run(self, command, check=True):
        return run([*self.prefix, *command], check=check)

    def join(self, here, there):
        """A veth cable between this process's own network and the namespace: an address each."""
        cable = self.cable = "cable0"
        run(["ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", self.name])
        run(["ip", "address", "add", f"{here}/24", "dev", cable])
        run(["ip", "link", "set", cable, "up"])
        self.run(["ip", "address", "add", f"{there}/24", "dev", cable])
        self.run(["ip", "link", "set", cable, "up"])
        return cable

    def stop(self):
        self.remove()

    def nft(self, rules):
        subprocess.run([*self.prefix, "nft", "-f", "-"], input=rules.encode(), check=True)

    def remove(self):
        if self.cable:  # the kernel takes it away with the namespace, but some time later
            run(["ip", "link", "delete", self.cable], check=False)
        run(["ip", "netns", "delete", self.name], check=False)


class Pair:
    """Two hosts joined by a veth cable: `near` carries what is measured, `far` measures."""

    def __init__(self, name, near_addresses=("10.77.0.1",), far_addresses=("10.77.0.2",),
                 queues=1):
        self.near = self.far = None
        try:
            self.near = Namespace(f"{name}-near")
            self.far = Namespace(f"{name}-far")
            wide = ["numrxqueues", queues, "numtxqueues", queues]
            run(["ip", "link", "add", "v0", "netns", self.near.name, *wide, "type", "veth",
                 "peer", "name", "v0", *wide, "netns", self.far.name])
            for host, addresses in ((self.near, near_addresses), (self.far, far_addresses)):
                for address in addresses:
                    host.run(["ip", "address", "add", f"{address}/16", "dev", "v0"])
                # A sender in the kernel would leave only the pseudo-header sum in UDP: as no wire
                # would ever bring it.
                host.run(["ethtool", "-K", "v0", "tx", "off"])
                host.run(["ip", "link", "set", "v0", "txqueuelen", "10000", "up"])
                host.run(["sysctl", "-qw", "net.core.rmem_max=268435456"], check=False)
        except BaseException:
            self.remove()
            raise

    def remove(self):
        for host in (self.near, self.far):
            if host:
                host.remove()


def remove_pair(name):
    """Removes what `Pair(name)` made, in whatever state it is."""
    for side in ("near", "far"):
        if os.path.exists(f"/run/netns/{name}-{side}"):
            run(["ip", "netns", "delete", f"{name}-{side}"])
