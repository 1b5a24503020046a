#!/usr/bin/python3
"""What README and docs tell people to type works: blocks marked ```sh run are run, in order.

A relay and a sipctl with the example configuration stand on their default sockets meanwhile. Blocks
marked ```sh alone are for by-hand use; their programs must exist.
"""

import ctypes
import glob
import os
import re
import shutil
import subprocess
import unittest

from rig import office, report, tandem
from rig.process import wait_until

_CLONE_NEWNS = 0x00020000
EXAMPLE = os.path.join(tandem.ROOT, "docs/examples/sipctl.yaml")
# Other tests run these; running them here would run this test again.
PROVEN_ELSEWHERE = {"scripts/demo", "scripts/test", "scripts/bench", "scripts/setup"}


def documents():
    return [os.path.join(tandem.ROOT, "README.md"),
            *sorted(glob.glob(os.path.join(tandem.ROOT, "docs/**/*.md"), recursive=True))]


def blocks(path):
    """(first line, info string, commands) of the fenced sh blocks."""
    found, current = [], None
    with open(path, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            if line.startswith("```"):
                if current is None:
                    current = (number, line[3:].strip(), [])
                    if current[1].split()[:1] == ["sh"]:
                        found.append(current)
                else:
                    current = None
            elif current is not None and line.strip() and not line.startswith("#"):
                current[2].append(line.rstrip("\n"))
    return found


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tandem.scratch()
        os.makedirs("/run/tandem", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tandem", "/run/tandem"], check=True)
        cls.bin = os.path.join(cls.folder, "bin")
        os.makedirs(cls.bin)
        for name in ("relay", "relaystat", "sipctl", "loadgen"):
            os.symlink(tandem.program(name), os.path.join(cls.bin, name))
        cls.environment = dict(os.environ, PATH=f"{cls.bin}:{os.environ['PATH']}")
        cls.relay = tandem.Program("relay", ["relay", "--listen", "127.0.0.10", "--listen",
                                             "127.0.0.11"], cls.folder, env=cls.environment)
        wait_until(lambda: tandem.relaystat("/run/tandem/relay.sock"), 10, "relay")
        cls.sipctl = tandem.Program("sipctl", ["sipctl", "run", EXAMPLE], cls.folder,
                                    env=cls.environment)
        wait_until(lambda: cls.run_line("sipctl calls").returncode == 0, 10,
                   lambda: f"sipctl: {cls.sipctl.log()}")

    @classmethod
    def tearDownClass(cls):
        cls.sipctl.stop()
        cls.relay.stop()
        shutil.rmtree(cls.folder, True)

    @classmethod
    def run_line(cls, line):
        return subprocess.run(["bash", "-c", line], cwd=tandem.ROOT, env=cls.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=60)

    def test_marked_blocks_run(self):
        ran = 0
        for path in documents():
            for number, info, commands in blocks(path):
                if info.split() != ["sh", "run"]:
                    continue
                for line in commands:
                    with self.subTest(document=os.path.relpath(path, tandem.ROOT), line=number):
                        done = self.run_line(line)
                        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout.decode()}")
                        ran += 1
        self.assertGreater(ran, 0)

    def test_tables_of_results_are_what_the_results_say(self):
        """To bring a table up to date: scripts/bench report --fill DOCUMENT."""
        tables = 0
        for path in documents():
            with open(path, encoding="utf-8") as text:
                document = text.read()
            tables += document.count(report.BEGIN)
            with self.subTest(document=os.path.relpath(path, tandem.ROOT)):
                self.assertMultiLineEqual(report.filled(document), document)
        self.assertGreater(tables, 0)

    def test_programs_of_other_blocks_exist(self):
        for path in documents():
            for number, info, commands in blocks(path):
                for line in commands if info == "sh" else []:
                    line = re.sub(r"^(sudo|ip netns exec \S+) ", "", line)
                    word = line.split()[0]
                    with self.subTest(document=os.path.relpath(path, tandem.ROOT), line=number):
                        if word in PROVEN_ELSEWHERE or word.startswith(("scripts/", "tests/")):
                            self.assertTrue(os.access(os.path.join(tandem.ROOT, word), os.X_OK))
                        elif word.startswith("build/gcc/"):
                            program = os.path.join(tandem.build_folder(), word[len("build/gcc/"):])
                            self.assertTrue(os.access(program, os.X_OK), f"{word} is not built")
                        else:
                            self.assertIsNotNone(shutil.which(word, path=self.environment["PATH"]),
                                                 f"{word} is neither ours nor installed")


if __name__ == "__main__":
    office.own_network()
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        raise SystemExit(77)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    unittest.main(verbosity=2)
