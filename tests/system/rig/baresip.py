"""baresip as a telephone: answers by itself or dials, plays a file, hangs up at its end, and says
how many packets it sent and received. `more`: lines of its configuration; `registrar`: host and
port where it logs in."""

import os
import re
import subprocess

from .process import Program, wait_until

CONFIG = """poll_method epoll
sip_listen {address}:{port}
net_interface {interface}
audio_source aufile,{speech}
audio_player aufile,{heard}
audio_alert aufile,{speech}
audio_srate 8000
audio_channels 1
rtp_ports 27000-27100
rtp_stats yes
rtcp_mux {mux}
jitter_buffer_delay 0-1
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
{more}module_tmp account.so
module_app menu.so
"""


class Baresip(Program):
    def __init__(self, folder, address, port, user, speech, heard, interface, prefix=(), dial=None,
                 name=None, more=(), account="", transport="udp",
                 rtcp_mux=False, registrar=None):
        name = name or "baresip"
        home = os.path.join(folder, name + ".d")
        os.makedirs(home, exist_ok=True)
        with open(os.path.join(home, "config"), "w", encoding="utf-8") as out:
            out.write(CONFIG.format(address=address, port=port, speech=speech, heard=heard,
                                    interface=interface, mux="yes" if rtcp_mux else "no",
                                    more="".join(line + "\n" for line in more)))
        with open(os.path.join(home, "accounts"), "w", encoding="utf-8") as out:
            at, regint = (registrar, 60) if registrar else (f"{address}:{port}", 0)
            out.write(f"<sip:{user}@{at};transport={transport}>;regint={regint};"
                      f"answermode=auto;audio_codecs=pcma{';' + account if account else ''}\n")
        with open(os.path.join(home, "contacts"), "w", encoding="utf-8") as out:
            out.write("")
        command = ["/usr/bin/baresip", "-4", "-f", home]
        if dial:
            command += ["-e", f"/dial {dial}"]
        # It reads commands from its standard input and would end with that.
        super().__init__(name, command, folder, prefix, stdin=subprocess.PIPE,
                         env=dict(os.environ, HOME=home, TERM="dumb"))
        wait_until(lambda: "baresip is ready" in self.log(100_000) or not self.running(), 10,
                   lambda: f"readiness of baresip:\n{self.log()}")
        self.expect_running()

    def calls_ended(self):
        return len(re.findall(r"terminated \(duration", self.log(1_000_000)))

    def packets(self):
        """(sent, received) of the last call that ended."""
        found = re.findall(r"^packets:\s+(\d+)\s+(\d+)", self.log(1_000_000), re.M)
        return tuple(map(int, found[-1])) if found else (0, 0)
