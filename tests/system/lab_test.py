#!/usr/bin/python3
"""scripts/lab: says what it will do, does it, and takes it away again."""

import os
import subprocess
import unittest

from rig import tandem

NAME = f"lab-{os.getpid()}"


def lab(*arguments):
    done = subprocess.run([os.path.join(tandem.ROOT, "scripts/lab"), *arguments],
                          stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def namespaces():
    return subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


class Lab(unittest.TestCase):
    def test_it_says_what_it_would_do_and_does_nothing(self):
        status, said = lab("up", NAME, "--dry-run")
        self.assertEqual(status, 0)
        self.assertIn(f"{NAME}-near and {NAME}-far", said)
        self.assertNotIn(NAME, namespaces())
        self.assertEqual(lab("sideways")[0], 2)

    def test_up_status_down(self):
        self.addCleanup(lab, "down", NAME)
        status, said = lab("up", NAME)
        self.assertEqual(status, 0)
        self.assertLess(said.index("making two network namespaces"), said.index("lab: up"))
        # Who refuses has been reached.
        done = subprocess.run(["ip", "netns", "exec", f"{NAME}-near", "/usr/bin/python3", "-c",
                               "import socket; socket.create_connection(('10.77.0.2', 9), 5)"],
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertIn("ConnectionRefusedError", done.stderr)
        self.assertIn("10.77.0.1/16", lab("status", NAME)[1])
        self.assertEqual(lab("down", NAME)[0], 0)
        self.assertNotIn(NAME, namespaces())
        self.assertIn(f"{NAME}-far is not there", lab("status", NAME)[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
