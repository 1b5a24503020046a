"""dnsmasq as the name system: a few records, changed by starting it again."""

import os
import socket
import struct

from .process import Program, wait_until

ADDRESS = "127.0.0.53"


class Dnsmasq(Program):
    """`hosts`: {name: [addresses]}; `servers`: [(service, target, port, priority, weight)]."""

    def __init__(self, folder, hosts, servers=(), ttl_s=1, name="dnsmasq"):
        command = ["/usr/sbin/dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                   "--no-hosts", "--user=root", "--port=53", "--bind-interfaces",
                   f"--listen-address={ADDRESS}", "--local=/test/",
                   f"--pid-file={os.path.join(folder, name + '.pid')}", f"--local-ttl={ttl_s}"]
        for host, addresses in hosts.items():
            command += [f"--host-record={host},{address},{ttl_s}" for address in addresses]
        for service, target, port, priority, weight in servers:
            command.append(f"--srv-host={service},{target},{port},{priority},{weight}")
        super().__init__(name, command, folder)
        wait_until(self._answers, 10, lambda: f"answer of dnsmasq:\n{self.log()}")

    def _answers(self):
        self.expect_running()
        question = struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\1x\4test\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            try:
                probe.connect((ADDRESS, 53))
                probe.send(question)
                return probe.recv(512)
            except OSError:
                return None
