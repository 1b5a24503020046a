"""Programs started by a test: output in a file, waits with a deadline, an end in every case."""

import ctypes
import os
import signal
import subprocess
import time


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    """A test that is killed (by meson's time limit, say) takes its programs along."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Failed(AssertionError):
    """What a test did not get; carries the sentence that a reader needs."""


def wait_until(condition, seconds, what):
    """Returns the first true value of `condition()`; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still no {what() if callable(what) else what}")
        time.sleep(0.02)


def cpu_seconds_of(pid):
    """What a process has taken so far, its threads together."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Program:
    """A running program. `prefix` puts it into a namespace or onto a CPU."""

    def __init__(self, name, command, folder, prefix=(), stdin=None, env=None, cwd=None):
        self.name = name
        self.log_path = os.path.join(folder, name + ".log")
        self.command = [*prefix, *map(str, command)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=stdin or subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env=env, cwd=cwd or folder, start_new_session=True,
                preexec_fn=_die_with_parent)
        self.ended = False

    @property
    def pid(self):
        return self.process.pid

    def log(self, tail=4000):
        with open(self.log_path, "rb") as log:
            return log.read()[-tail:].decode(errors="replace")

    @property
    def log_text(self):
        return self.log()

    def running(self):
        return self.process.poll() is None

    def expect_running(self):
        if not self.running():
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")

    def wait(self, seconds):
        """The exit status; fails when the program is still there after `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {seconds} s:\n{self.log()}") from None

    def expect_success(self, seconds):
        status = self.wait(seconds)
        if status != 0:
            raise Failed(f"{self.name} ended with {status}:\n{self.log()}")

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        """As a crash would end it."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds=5):
        """Asks first, and what it had forked goes with it. Safe to call twice."""
        if self.ended:
            return self.process.returncode
        self.ended = True
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.returncode

    def cpu_seconds(self):
        return cpu_seconds_of(self.pid)

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="utf-8") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
