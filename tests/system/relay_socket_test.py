#!/usr/bin/python3
"""One relay a socket: who may listen on the path, who may attach, what SIGTERM does."""

import os
import signal
import subprocess

from rig import office, tandem
from rig.process import Program


class RelaySocket(office.Office):
    with_sipctl = False

    def test_a_second_relay_on_the_path_is_refused(self):
        command = [tandem.program("relay"), "--socket", self.relay.socket, "--listen",
                   "127.0.0.1:20000-20999"]
        second = self.begin(Program("second", command, self.folder))
        self.assertNotEqual(second.wait(5), 0)
        self.assertIn(self.relay.socket, second.log())
        self.assertTrue(self.relay.state())  # the first has not noticed

    def test_a_dead_relays_socket_file_is_no_obstacle(self):
        self.relay.program.kill()
        self.assertTrue(os.path.exists(self.relay.socket))
        self.relay.start()  # waits for its answer

    def test_sigterm_without_calls_ends_at_once_and_cleans_up(self):
        self.relay.program.signal(signal.SIGTERM)
        self.assertEqual(self.relay.program.wait(5), 0)
        self.assertFalse(os.path.exists(self.relay.socket))

    def test_another_user_is_not_served(self):
        os.chmod(self.folder, 0o755)
        done = subprocess.run(
            [tandem.program("relaystat"), "--socket", self.relay.socket], user="nobody",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn(b"sessions", done.stdout)


if __name__ == "__main__":
    office.main()
