"""relay and sipctl as a test starts them: own folder, own sockets, ready when it returns."""

import json
import os
import resource
import subprocess
import tempfile

from .process import Failed, Program, wait_until

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))


def build_folder():
    """Where the programs are: given by meson (TANDEM_BUILD), else the build of scripts/test."""
    folder = os.environ.get("TANDEM_BUILD") or os.path.join(ROOT, "build", "gcc")
    return os.path.realpath(folder)


def program(name):
    """The path of one of our programs."""
    places = {"relay": "relay/relay", "relaystat": "relay/tools/relaystat",
              "sipctl": "sipctl/sipctl", "loadgen": "bench/loadgen/loadgen",
              "callgen": "bench/callgen/callgen",
              "torture_list": "tests/system/torture_list"}
    for candidate in (places[name], f"relay/{name}", name):
        path = os.path.join(build_folder(), candidate)
        if os.path.isfile(path):
            return path
    raise Failed(f"{name} is not built in {build_folder()}")


def raise_descriptor_limit(wanted=200_000):
    """As far as this user may; one socket a leg, two with RTCP on a port of its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):
            continue
    return hard


def scratch():
    """A folder for sockets and logs; short, because a Unix socket's path is."""
    return tempfile.mkdtemp(prefix="tandem-")


def relaystat(socket, prefix=()):
    """What relaystat --json says, parsed; None while it cannot attach."""
    done = subprocess.run([*prefix, program("relaystat"), "--socket", socket, "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout)


class Relay:
    def __init__(self, folder, listen, prefix=(), workers=1, engine="auto", more=(), name="relay"):
        self.folder, self.prefix = folder, list(prefix)
        self.socket = os.path.join(folder, "relay.sock")
        self.command = [program("relay"), "--socket", self.socket, "--workers", workers,
                        "--port-engine", engine, *more]
        for address in [listen] if isinstance(listen, str) else listen:
            self.command += ["--listen", address]
        self.name, self.program = name, None
        self.start()

    def start(self):
        self.program = Program(self.name, self.command, self.folder, self.prefix)

        def answers():
            self.program.expect_running()
            return self.state()
        try:
            wait_until(answers, 10, lambda: f"answer of the relay:\n{self.program.log()}")
        except BaseException:
            self.program.stop()
            raise
        return self

    def state(self):
        return relaystat(self.socket)

    @property
    def log_text(self):
        return self.program.log()

    def stop(self):
        return self.program.stop(10)


class Sipctl:
    """`config` is a plain dictionary (JSON is YAML) or the text of a file."""

    def __init__(self, folder, config, prefix=(), name="sipctl", more=()):
        self.folder, self.prefix, self.name = folder, list(prefix), name
        self.config_path = os.path.join(folder, f"{name}.yaml")
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.control = os.path.join(folder, "sipctl.sock")
        with open(self.config_path, "w", encoding="utf-8") as out:
            out.write(text)
        self.command = [program("sipctl"), "run", self.config_path, *more]
        self.program = None
        self.start()

    def start(self):
        self.program = Program(self.name, self.command, self.folder, self.prefix)

        def answers():
            self.program.expect_running()
            return self.calls() is not None
        try:
            wait_until(answers, 10, lambda: f"answer of sipctl:\n{self.program.log()}")
        except BaseException:
            self.program.stop()
            raise
        return self

    @property
    def log_text(self):
        return self.program.log()

    def calls(self):
        return self._ask("calls")

    def counters(self):
        return self._ask("counters")

    def _ask(self, command):
        done = subprocess.run([program("sipctl"), command, "--control", self.control, "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def registrations(self):
        """Who has logged in, and what the door has counted."""
        done = subprocess.run([program("sipctl"), "registrations", "--control", self.control,
                               "--json"], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def stop(self):
        return self.program.stop(10)
