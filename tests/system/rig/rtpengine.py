"""Debian's rtpengine as the relay to compare with, driven over its NG protocol (bencode, UDP)."""

import base64
import re
import socket

from .process import Failed, Program, wait_until


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    data = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(data), data)


def bdecode(data):
    def decode(at):
        kind = data[at:at + 1]
        if kind == b"i":
            end = data.index(b"e", at)
            return int(data[at + 1:end]), end + 1
        if kind in (b"l", b"d"):
            items, at = [], at + 1
            while data[at:at + 1] != b"e":
                item, at = decode(at)
                items.append(item)
            if kind == b"l":
                return items, at + 1
            return dict(zip(items[::2], items[1::2])), at + 1
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        return data[colon + 1:end].decode(), end
    return decode(0)[0]


CM, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"
KEY_LENGTHS = {CM: 30, GCM: 28}  # with the salt
# What bench/loadgen/speech.cc calls so: the suites of both sides, "" for RTP; or their laws.
SUITES = {"plain": ("", ""), "transcode": ("", ""), "srtp": ("", CM), "srtp-both": (CM, CM),
          "gcm": ("", GCM)}


def far_key(suite, side):
    """FarKey of bench/loadgen/speech.cc."""
    return base64.b64encode(bytes((1 + side + 7 * i) & 255
                                  for i in range(KEY_LENGTHS[suite]))).decode()


def sdp(address, port, law="PCMA", crypto=""):
    kind = {"PCMA": 8, "PCMU": 0}[law]
    return (f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {port} {'RTP/SAVP' if crypto else 'RTP/AVP'} {kind}\r\n"
            f"a=rtpmap:{kind} {law}/8000\r\na=rtcp-mux\r\na=sendrecv\r\n{crypto}")


def crypto_line(suite, side, tag="1"):
    return f"a=crypto:{tag} {suite} inline:{far_key(suite, side)}\r\n" if suite else ""


def crypto_of(answer, suite):
    """Tag and key of the line with this suite."""
    match = re.search(rf"^a=crypto:(\d+) {suite} inline:([^|\s]+)", answer, re.M)
    if not match:
        raise Failed(f"rtpengine does not offer {suite}:\n{answer}")
    return match.groups()


class Client:
    """Speaks NG to one rtpengine. Runs in the namespace of whoever made its socket."""

    def __init__(self, address, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1)
        self.peer, self.cookie = (address, port), 0

    def ask(self, **words):
        self.cookie += 1
        cookie = b"c%d" % self.cookie
        message = cookie + b" " + bencode({k.replace("_", "-"): v for k, v in words.items()})
        for _ in range(5):
            self.socket.sendto(message, self.peer)
            try:
                while True:
                    answer = self.socket.recv(65536)
                    if answer.startswith(cookie + b" "):
                        return bdecode(answer[len(cookie) + 1:])
            except socket.timeout:
                continue
        raise Failed("rtpengine does not answer")

    def open_call(self, name, far, port_a, port_b, mode="plain"):
        """rtpengine's ports towards A and towards B, and the keys it sends under, "-" for none."""
        suite_a, suite_b = SUITES[mode]
        more = {"ICE": "remove", "rtcp_mux": ["accept"], "replace": ["origin"]}
        offered = dict(more)
        if mode == "transcode":
            offered["codec"] = {"mask": ["PCMA"], "transcode": ["PCMU"]}
        elif mode != "plain":
            offered.update({"transport_protocol": "RTP/SAVP", "DTLS": "off"})
        offer = self.ask(command="offer", call_id=name, from_tag="a",
                         sdp=sdp(far, port_a, crypto=crypto_line(suite_a, 0)), **offered)
        law, key_b, crypto = "PCMU" if mode == "transcode" else "PCMA", "-", ""
        if suite_b:
            tag, key_b = crypto_of(offer.get("sdp", ""), suite_b)
            crypto = crypto_line(suite_b, 1, tag)
        answer = self.ask(command="answer", call_id=name, from_tag="a", to_tag="b",
                          sdp=sdp(far, port_b, law, crypto), **more)
        ports = []
        for reply in (answer, offer):  # the answer goes to A: it shows the port that faces A
            match = re.search(r"m=audio (\d+) ", reply.get("sdp", ""))
            if reply.get("result") != "ok" or not match:
                raise Failed(f"rtpengine: {reply}")
            ports.append(int(match.group(1)))
        key_a = crypto_of(answer["sdp"], suite_a)[1] if suite_a else "-"
        return ports, (key_a, key_b)

    def close(self):
        self.socket.close()


def start(folder, address, port_ng, prefix=(), threads=1, binary="/usr/bin/rtpengine"):
    """In user space, one media thread, nothing to the kernel module."""
    program = Program(
        "rtpengine",
        [binary, "--config-file=none", "--foreground", "--log-stderr", "--log-level=4",
         "--table=-1", f"--interface={address}", f"--listen-ng={address}:{port_ng}",
         f"--num-threads={threads}", "--media-num-threads=1", "--port-min=10000",
         "--port-max=39999", "--timeout=3600", "--silent-timeout=3600", "--offer-timeout=3600",
         "--delete-delay=0"],
        folder, prefix)

    def listening():
        program.expect_running()
        with open(f"/proc/{program.pid}/net/udp", encoding="utf-8") as table:
            return any(f":{port_ng:04X} " in line for line in table)
    wait_until(listening, 10, "NG port of rtpengine")
    return program
