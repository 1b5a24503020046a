"""linphone as a telephone: answers by itself or dials, plays a file, records what it hears.

There is no sound card: it takes its microphone from a file and writes its loudspeaker into one.
"""

import os
import subprocess

from .process import Program, wait_until

CONFIG = """[sip]
sip_port={port}
sip_tcp_port={port}
default_proxy=-1
contact="Desk" <sip:{user}@{address}>
guess_hostname=1
register_only_when_network_is_up=0
ping_with_options=0
inc_timeout=60
use_ipv6=0
media_encryption={encryption}
media_encryption_mandatory={mandatory}
[rtp]
audio_rtp_port=27000
audio_adaptive_jitt_comp_enabled=0
[video]
enabled=0
capture=0
display=0
[sound]
echocancellation=0
[net]
mtu=1300
[audio_codec_0]
mime=PCMA
rate=8000
channels=1
enabled=1
"""


class Linphone(Program):
    def __init__(self, folder, address, port, user, speech, heard, prefix=(), encryption="none",
                 name="linphone"):
        home = os.path.join(folder, name + ".d")
        os.makedirs(os.path.join(home, ".local/share/linphone"), exist_ok=True)
        config = os.path.join(home, "linphonerc")
        with open(config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(address=address, port=port, user=user, encryption=encryption,
                                    mandatory=int(encryption != "none")))
        super().__init__(name, ["/usr/bin/linphonec", "-a", "-c", config], folder, prefix,
                         stdin=subprocess.PIPE, env=dict(os.environ, HOME=home, TERM="dumb"))
        wait_until(lambda: "linphonec>" in self.log(100_000) or not self.running(), 10,
                   lambda: f"readiness of linphone:\n{self.log()}")
        self.expect_running()
        for line in ("soundcard use files", f"play {speech}", f"record {heard}"):
            self.say(line)

    def stop(self, seconds=5):
        super().stop(seconds)
        self.process.stdin.close()

    def say(self, line):
        """A command, as somebody would type it."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
