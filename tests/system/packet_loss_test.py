#!/usr/bin/python3
"""A quarter of all SIP datagrams is lost in each direction: calls still come about and end."""

import subprocess

from rig import office

# Everything between the carrier and us, both ways, and everything to the PBX; not what the PBX
# sends: SIPp as a telephone does not repeat its 200 after it has heard a second INVITE. On the way
# in, because a packet dropped on its way out is an error to the sender, which no network tells it.
LOSS = f"""
table inet tandem_loss {{
  chain input {{
    type filter hook input priority 0;
    udp dport 5060 ip saddr != {office.PBX} numgen random mod 100 < 25 drop
  }}
}}
"""


class PacketLoss(office.Office):
    def test_calls_survive_lost_datagrams(self):
        subprocess.run(["nft", "-f", "-"], input=LOSS.encode(), check=True)
        self.addCleanup(subprocess.run, ["nft", "delete", "table", "inet", "tandem_loss"],
                        check=True)
        # The calls last until lost ACKs were made good: SIPp takes a late 200 for that of its BYE.
        calls = 10
        # No limit for the telephone: SIPp would count a late copy of an INVITE as a call.
        pbx = self.side("uas", "pbx", calls=10 * calls, timeout=120)
        # Of some hundred runs one lost all six copies of an INVITE that SIPp sends by itself.
        carrier = self.side("uac", "carrier", (office.TANDEM, office.SIP_PORT),
                            service=office.NUMBER_AT_PBX, calls=calls, rate=5, timeout=120,
                            more=["-d", 6000, "-max_retrans", 20, "-max_invite_retrans", 7,
                                  "-max_non_invite_retrans", 20])
        carrier.expect_success(120)
        dropped = subprocess.run(["nft", "list", "table", "inet", "tandem_loss"],
                                 stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"drop", dropped)
        # Something was lost, or the test has shown nothing.
        self.assertGreater(len(pbx.received(r"^INVITE ")) + len(carrier.received(r"^SIP/2.0 ")),
                           calls)
        self.expect_no_calls(40)


if __name__ == "__main__":
    office.main()
