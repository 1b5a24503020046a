"""A name server for one test: answers A from a table, and that there is no such name otherwise."""

import ctypes
import os
import socket
import struct
import subprocess
import threading

_CLONE_NEWNS = 0x00020000


def own_files():
    """Moves this process into a mount namespace of its own, for a resolv.conf of its own."""
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        raise SystemExit(77)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def _name_of(question):
    labels, at = [], 0
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode("ascii"))
        at += 1 + question[at]
    return ".".join(labels).lower(), at + 1


class Names:
    """Serves `table`, name to address, on 127.0.0.1:53 of this network namespace."""

    def __init__(self, table, folder, ttl=30):
        self.table, self.ttl, self.asked = table, ttl, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        path = os.path.join(folder, "resolv.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        subprocess.run(["mount", "--bind", path, os.path.realpath("/etc/resolv.conf")], check=True)
        self.socket.settimeout(0.1)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self):
        subprocess.run(["umount", os.path.realpath("/etc/resolv.conf")], check=False)
        self.ended.set()
        self.thread.join()
        self.socket.close()

    def _serve(self):
        while not self.ended.is_set():
            try:
                packet, sender = self.socket.recvfrom(4096)
            except socket.timeout:
                continue
            name, end = _name_of(packet[12:])
            kind = struct.unpack("!H", packet[12 + end:14 + end])[0]
            self.asked.append((name, kind))
            address = self.table.get(name)
            answers = b""
            if address and kind == 1:
                answers = (b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, self.ttl, 4) +
                           socket.inet_aton(address))
            head = packet[:2] + struct.pack("!HHHHH", 0x8180 if address else 0x8183, 1,
                                            1 if answers else 0, 0, 0)
            self.socket.sendto(head + packet[12:16 + end] + answers, sender)
