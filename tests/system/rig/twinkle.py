"""twinkle as a telephone: answers by itself or dials. Its sound devices are ALSA's null: it sends
silence and hears nothing."""

import os
import subprocess

from .process import Program, wait_until

USER = """user_name={user}
user_domain={address}
user_display=
use_outbound_proxy=no
register_at_startup=no
codecs=g711a
ext_100rel=supported
persist_sip_connections=yes
sip_transport={transport}
"""
SYSTEM = """dev_ringtone=alsa:null
dev_speaker=alsa:null
dev_mic=alsa:null
validate_audio_dev=no
play_ringtone=no
play_ringback=no
sip_port={port}
rtp_port=27000
"""


class Twinkle(Program):
    def __init__(self, folder, address, port, user, prefix=(), transport="udp", name="twinkle"):
        home = os.path.join(folder, name + ".d")
        os.makedirs(os.path.join(home, ".twinkle"), exist_ok=True)
        for path, text in (("desk.cfg", USER), ("twinkle.sys", SYSTEM)):
            with open(os.path.join(home, ".twinkle", path), "w", encoding="utf-8") as out:
                out.write(text.format(user=user, address=address, port=port, transport=transport))
        super().__init__(name, ["/usr/bin/twinkle-console", "desk.cfg"], folder, prefix,
                         stdin=subprocess.PIPE, env=dict(os.environ, HOME=home, TERM="dumb"))
        wait_until(lambda: "Twinkle>" in self.log(100_000) or not self.running(), 10,
                   lambda: f"readiness of twinkle:\n{self.log()}")
        self.expect_running()
        self.say("auto_answer -a on")

    def stop(self, seconds=5):
        super().stop(seconds)
        self.process.stdin.close()

    def say(self, line):
        """A command, as somebody would type it."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
