"""SRTP for a Singer by libsrtp2: a program of its own beside the relay's engines."""

import base64
import collections
import ctypes
import os
import re
import socket

from .process import wait_until
from .singer import Singer
from .sipp import SCENARIOS

SUITE = "AES_CM_128_HMAC_SHA1_80"

_ONE_STREAM, _ANY_INBOUND, _ANY_OUTBOUND = 1, 2, 3


class _CryptoPolicy(ctypes.Structure):
    _fields_ = [("cipher_type", ctypes.c_uint32), ("cipher_key_len", ctypes.c_int),
                ("auth_type", ctypes.c_uint32), ("auth_key_len", ctypes.c_int),
                ("auth_tag_len", ctypes.c_int), ("sec_serv", ctypes.c_int)]


class _Policy(ctypes.Structure):  # srtp_policy_t of libsrtp 2.5
    _fields_ = [("ssrc_type", ctypes.c_int), ("ssrc_value", ctypes.c_uint),
                ("rtp", _CryptoPolicy), ("rtcp", _CryptoPolicy),
                ("key", ctypes.c_char_p), ("keys", ctypes.c_void_p),
                ("num_master_keys", ctypes.c_ulong), ("deprecated_ekt", ctypes.c_void_p),
                ("window_size", ctypes.c_ulong), ("allow_repeat_tx", ctypes.c_int),
                ("enc_xtn_hdr", ctypes.c_void_p), ("enc_xtn_hdr_count", ctypes.c_int),
                ("next", ctypes.c_void_p)]


def _library():
    library = ctypes.CDLL("libsrtp2.so.1")
    if not getattr(_library, "started", False):
        _library.started = library.srtp_init() == 0
    return library


class Session:
    """One direction under AES_CM_128_HMAC_SHA1_80; `key` as a=crypto writes it. `goes_on`: an SSRC
    and the roll-over counter that it has already."""

    def __init__(self, key, inbound, goes_on=None):
        self.library = _library()
        policy = _Policy()
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtp))
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtcp))
        policy.ssrc_type = _ANY_INBOUND if inbound else _ANY_OUTBOUND
        if goes_on:
            policy.ssrc_type, policy.ssrc_value = _ONE_STREAM, goes_on[0]
        policy.key = base64.b64decode(key)
        policy.window_size = 1024
        self.handle = ctypes.c_void_p()
        status = self.library.srtp_create(ctypes.byref(self.handle), ctypes.byref(policy))
        assert status == 0, f"srtp_create: {status}"
        if goes_on:
            status = self.library.srtp_set_stream_roc(self.handle, *goes_on)
            assert status == 0, f"srtp_set_stream_roc: {status}"

    def _turn(self, function, packet):
        buffer = ctypes.create_string_buffer(packet, len(packet) + 64)
        length = ctypes.c_int(len(packet))
        status = function(self.handle, buffer, ctypes.byref(length))
        return buffer.raw[:length.value] if status == 0 else None

    def protect(self, packet):
        return self._turn(self.library.srtp_protect, packet)

    def protect_report(self, compound):
        return self._turn(self.library.srtp_protect_rtcp, compound)

    def unprotect(self, packet):
        """None when it is not authentic, or a replay."""
        return self._turn(self.library.srtp_unprotect, packet)


class SecureSinger(Singer):
    """Sends under `send_key`; hears under the newest of the keys it was given."""

    def __init__(self, *arguments, send_key, **more):
        self.sending = Session(send_key, inbound=False)
        self.hearing = {}  # by key
        self.heard_under = collections.Counter()
        self.not_authentic = 0
        super().__init__(*arguments, **more)

    def change_send_key(self, key):
        self.sending = Session(key, inbound=False)

    def expect_key(self, key):
        self.hearing = {key: Session(key, inbound=True), **self.hearing}

    def _packet(self):
        return self.sending.protect(super()._packet())

    def heard_packet(self, data):
        for key, session in self.hearing.items():
            plain = session.unprotect(data)
            if plain is not None:
                self.heard_under[key] += 1
                return super().heard_packet(plain)
        self.not_authentic += 1
        return None


def new_key():
    return base64.b64encode(os.urandom(30)).decode()


def scenario_with_key(folder, scenario, key, again=(), invited_again=False, on_word=False):
    """A scenario of the rig with RTP/SAVP and this key; `again`: keys of re-INVITEs, a second
    apart or each after give_word(), before the end of the call; `invited_again`: it gets one and
    answers it."""
    with open(os.path.join(SCENARIOS, scenario + ".xml"), encoding="utf-8") as text:
        text = text.read()
    crypto = f"a=crypto:1 {SUITE} inline:{key}\na=ptime:20"
    text = text.replace("RTP/AVP", "RTP/SAVP").replace("a=ptime:20", crypto)
    invite = re.search(r"  <send retrans=\"500\"><!\[CDATA\[\nINVITE.*?</send>\n", text, re.S)
    ack = re.search(r"  <send><!\[CDATA\[\nACK.*?</send>\n", text, re.S)
    blocks = []
    for number, other in enumerate(again, start=2):
        block = invite.group(0).replace(key, other)
        block = block.replace("CSeq: 1 INV", f"CSeq: {number} INV")
        block = block.replace("INVITE sip:[service]@[remote_ip]:[remote_port]",
                              "INVITE [next_url]")
        block = block.replace("To: <sip:[service]@[remote_ip]:[remote_port]>",
                              "To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]")
        block = block.replace("Max-Forwards", "[routes]\nMax-Forwards")
        block = block.replace("o=- 20 1 IN", f"o=- 20 {number} IN")
        wait = "recv request=\"MESSAGE\"" if on_word else "pause milliseconds=\"1000\""
        blocks.append(f"  <{wait}/>\n" + block +
                      "  <recv response=\"100\" optional=\"true\"/>\n"
                      "  <recv response=\"200\" rrs=\"true\"/>\n" +
                      ack.group(0).replace("CSeq: 1 ACK", f"CSeq: {number} ACK"))
    text = text.replace("  <pause/>\n", "".join(blocks) + "  <pause/>\n")
    text = text.replace("CSeq: 2 BYE", f"CSeq: {len(again) + 2} BYE")
    if invited_again:
        answer = re.search(r"  <send retrans=\"500\">.*?<recv request=\"ACK\"/>\n", text, re.S)
        block = "  <recv request=\"INVITE\"/>\n" + answer.group(0).replace(
            "[last_To:];tag=[pid]s[call_number]", "[last_To:]").replace("o=- 20 1", "o=- 20 2")
        text = text.replace(answer.group(0), answer.group(0) + block)
    path = os.path.join(folder, scenario + "_secured")
    with open(path + ".xml", "w", encoding="utf-8") as out:
        out.write(text)
    return path


def give_word(program, address):
    """Lets a SIPp that has called do the next of `again`."""
    answer = program.received(r"^CSeq: 1 INVITE")[-1]

    def field(name):
        return re.search(rf"^{name}: *(.*?)\r?$", answer, re.M).group(1)
    word = [f"MESSAGE sip:{address[0]} SIP/2.0",
            f"Via: SIP/2.0/UDP {address[0]}:9;branch=z9hG4bK{os.urandom(8).hex()}",
            f"From: {field('To')}", f"To: {field('To')}", f"Call-ID: {field('Call-ID')}",
            "CSeq: 9 MESSAGE", "Content-Length: 0", "", ""]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto("\r\n".join(word).encode(), address)


def key_in(program, index=-1):
    """The key of a message with SDP that SIPp received."""
    bodies = wait_until(lambda: program.received(r"^a=crypto:"), 5, f"a key for {program.name}")
    suite, key = re.search(r"^a=crypto:1 (\S+) inline:(\S+)", bodies[index], re.M).groups()
    assert suite == SUITE, suite
    return key
