"""SIPp as one of the two sides."""

import glob
import os
import re

from .process import Failed, Program, wait_until

SCENARIOS = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                          "../scenarios"))


class Sipp(Program):
    """Runs one scenario, by name or by path without the ending. `keys` are the scenario's own
    words, [like_this]."""

    def __init__(self, folder, scenario, local, remote=None, transport="udp", service="service",
                 calls=1, keys=None, rate=None, prefix=(), more=(), name=None, trace=True,
                 timeout=60):
        name = name or f"sipp-{os.path.basename(scenario)}"
        self.messages_path = os.path.join(folder, f"{name}.messages")
        self.errors_path = os.path.join(folder, f"{name}.errors")
        for old in (self.messages_path, self.errors_path):  # of a former one with this name
            if os.path.exists(old):
                os.remove(old)
        command = ["/usr/bin/sipp", "-sf", os.path.join(SCENARIOS, scenario + ".xml"),
                   "-i", local[0], "-p", local[1], "-t", "u1" if transport == "udp" else "t1",
                   "-m", calls, "-s", service, "-nostdin", "-timeout", timeout, "-timeout_error",
                   "-trace_err", "-error_file", self.errors_path, *more]
        if trace:
            command += ["-trace_msg", "-message_file", self.messages_path]
        for key, value in (keys or {}).items():
            command += ["-key", key, value]
        if rate:
            command += ["-r", rate]
        if remote:
            host = f"[{remote[0]}]" if ":" in remote[0] else remote[0]
            command.append(f"{host}:{remote[1]}")
        super().__init__(name, command, folder, prefix)
        if not remote:
            self._wait_bound(local, transport)

    def _wait_bound(self, local, transport):
        table = f"/proc/{self.pid}/net/{transport}{'6' if ':' in local[0] else ''}"
        port = f":{local[1]:04X} "

        def bound():
            self.expect_running()
            with open(table, encoding="utf-8") as lines:
                return any(port in line.split(None, 2)[1] + " " for line in list(lines)[1:])
        wait_until(bound, 5, f"socket of {self.name}")

    def messages(self):
        try:
            with open(self.messages_path, encoding="utf-8", errors="replace") as text:
                return re.split(r"^-{20,} .*$", text.read(), flags=re.M)
        except OSError:
            return []

    def received(self, pattern):
        """Messages received whose text matches."""
        return [m for m in self.messages()
                if re.match(r"\s*(UDP|TCP) message received", m) and re.search(pattern, m, re.M)]

    def media(self, index=-1, seconds=5):
        """(address, port) where the SDP last received wants our packets."""
        def found():
            bodies = self.received(r"^m=audio ")
            return bodies[index] if bodies else None
        body = wait_until(found, seconds, lambda: f"SDP at {self.name}:\n{self.log(500)}")
        address = re.search(r"^c=IN IP[46] (\S+)", body, re.M).group(1)
        return address, int(re.search(r"^m=audio (\d+) ", body, re.M).group(1))

    def expect_success(self, seconds=30):
        status = self.wait(seconds)
        if status != 0:
            errors = ""
            for path in glob.glob(self.errors_path + "*"):
                with open(path, encoding="utf-8", errors="replace") as text:
                    errors += text.read()[-3000:]
            raise Failed(f"{self.name} ended with {status}:\n{errors or self.log(3000)}")
