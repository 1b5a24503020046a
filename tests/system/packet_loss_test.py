#!/usr/bin/python3
"""A third of all SIP datagrams is lost in each direction: calls still come about and end."""

import subprocess

from rig import office

# Both ways and on both trunks: everything to port 5060 passes here once. On its way in, because a
# packet dropped on its way out is an error to the sender, which no network would tell it.
LOSS = """
table inet tandem_loss {
  chain input {
    type filter hook input priority 0;
    udp dport 5060 numgen random mod 100 < 30 drop
  }
}
"""


class PacketLoss(office.Office):
    def test_calls_survive_lost_datagrams(self):
        subprocess.run(["nft", "-f", "-"], input=LOSS.encode(), check=True)
        self.addCleanup(subprocess.run, ["nft", "delete", "table", "inet", "tandem_loss"],
                        check=True)
        calls = 10
        pbx = self.side("uas", "pbx", calls=calls)
        carrier = self.side("uac", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, calls=calls, rate=5,
                            more=["-d", 200, "-max_retrans", 20])
        carrier.expect_success(60)
        dropped = subprocess.run(["nft", "list", "table", "inet", "tandem_loss"],
                                 stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"drop", dropped)
        # Something was lost, or the test has shown nothing.
        self.assertGreater(len(pbx.received(r"^INVITE ")) + len(carrier.received(r"^SIP/2.0 ")),
                           calls)
        self.expect_no_calls(40)


if __name__ == "__main__":
    office.main()
