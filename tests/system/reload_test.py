#!/usr/bin/python3
"""A configuration that is read again: whole or not at all, and no live call notices."""

import json
import signal
import subprocess

from rig import office, rtp, tandem
from rig.process import wait_until


class Reload(office.Office):
    def write(self, config):
        with open(self.sipctl.config_path, "w", encoding="utf-8") as out:
            out.write(config if isinstance(config, str) else json.dumps(config, indent=1))

    def ask(self, *arguments):
        return subprocess.run(
            [tandem.program("sipctl"), *arguments, "--control", self.sipctl.control],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=30, text=True)

    def test_a_live_call_goes_on_while_its_trunks_and_routes_change(self):
        carrier, pbx = self.carrier_calls(hold_ms=6000)
        a, b = self.voices()
        to_a, to_b = carrier.media(), pbx.media()
        rtp.converse(a, b, to_a, to_b, packets=20)

        config = self.config()
        config["trunks"][0]["dscp"] = 0
        config["trunks"][1]["media_networks"] = ["127.0.0.77/32"]
        config["routes"][0]["prefix"] = "+77"
        self.write(config)
        compared = self.ask("diff", self.sipctl.config_path)
        self.assertEqual(compared.returncode, 0, compared.stdout)
        self.assertIn("trunk pbx: media_networks: [127.0.0.3/32] -> [127.0.0.77/32]",
                      compared.stdout)
        self.assertIn("trunk carrier: dscp: new: 0", compared.stdout)
        self.assertIn("route from carrier prefix +77: new: ", compared.stdout)
        done = self.ask("reload")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("reloaded: 2 trunks, 2 routes; 1 calls go on as they began", done.stdout)

        rtp.converse(a, b, to_a, to_b, packets=30)
        for party, other in ((a, b), (b, a)):
            self.assertEqual(other.missing(0, party.sent - 1), [], f"lost from {party.name}")
        # A new call takes the new routes: the number of the first one leads nowhere now.
        late = self.side("uac_refused", "carrier", (office.TANDEM, office.SIP_PORT),
                         service=office.NUMBER_AT_PBX, port=5099, name="late")
        wait_until(lambda: late.received(r"^SIP/2.0 404"), 5, "404 for the late caller")
        carrier.expect_success()
        pbx.expect_success()
        self.expect_no_calls()

    def test_a_wrong_configuration_changes_nothing(self):
        good = self.config()
        bad = self.config()
        bad["trunks"][0]["destinaton"] = "127.0.0.2"
        self.write(bad)
        for question in (("reload",), ("diff", self.sipctl.config_path)):
            done = self.ask(*question)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("has no key 'destinaton'; write destination", done.stdout)
        moved = self.config()
        moved["listeners"][0]["bind"] = "127.0.0.1:5077"
        self.write(moved)
        for question in (("reload",), ("diff", self.sipctl.config_path)):
            done = self.ask(*question)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("the listeners are bound once, at start", done.stdout)
        # It runs as before, and takes the next good file, this time by signal.
        carrier, pbx = self.carrier_calls(hold_ms=200)
        carrier.expect_success()
        pbx.expect_success()
        good["trunks"][0]["calls_max"] = 7
        self.write(good)
        self.sipctl.program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded: 2 trunks" in self.sipctl.log_text, 10,
                   lambda: f"reload in the log:\n{self.sipctl.log_text}")
        same = self.ask("diff", self.sipctl.config_path)
        self.assertEqual((same.returncode, same.stdout.split(" against")[0]),
                         (0, "diff: 0 changes"))
        self.expect_no_calls()


if __name__ == "__main__":
    office.main()
