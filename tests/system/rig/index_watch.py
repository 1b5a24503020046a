"""Looks at the SRTP that leaves a relay, from outside: of a key, an SSRC and an index there is one
packet (RFC 3711 section 9.1). Two would show the difference of their texts to everybody.

It believes nobody's counting and uses none of our code: keys are read in the SDP that leaves
beside the media, as the telephone reads them; SRTCP's index is in the clear, and the roll-over
counter of RTP is the one under which the packet is authentic. Suites of AES-CM.
"""

import base64
import ctypes
import functools
import hmac
import re
import socket
import struct
import subprocess
import threading

from .process import Failed

_ETH_P_ALL, _SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 3, 33, 26
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_OUTGOING = 263, 6, 4
_RTP, _RTCP = 1, 4  # labels of the keys for authentication, RFC 3711 section 4.3.2
_ROLLS_MAX = 16  # more roll-overs than a call of a test has

# Bytes of the key, bytes of the tag. That of SRTCP has ten (RFC 4568 section 6.2, RFC 6188).
_SUITES = {"AES_CM_128_HMAC_SHA1_80": (16, 10), "AES_CM_128_HMAC_SHA1_32": (16, 4),
           "AES_256_CM_HMAC_SHA1_80": (32, 10), "AES_256_CM_HMAC_SHA1_32": (32, 4)}
_RTCP_TAG, _E_FLAG = 10, 1 << 31


class Key:
    """A master key and salt, as far as what they have protected can be told from anything else."""

    def __init__(self, suite, inline):
        length, self.rtp_tag = _SUITES[suite]
        self.name = base64.b64decode(inline + "=" * (-len(inline) % 4))
        master, salt = self.name[:length], self.name[length:]

        def derive(label):  # RFC 3711 section 4.3.1, the key derivation rate being 0
            block = salt[:7] + bytes([salt[7] ^ label]) + salt[8:] + bytes(2)
            return subprocess.run(["openssl", "enc", f"-aes-{8 * length}-ctr", "-K", master.hex(),
                                   "-iv", block.hex()], input=bytes(20), check=True,
                                  stdout=subprocess.PIPE).stdout
        self.rtp_auth, self.rtcp_auth = derive(_RTP), derive(_RTCP)

    def rtp_index(self, packet, usual):
        """None when it is not authentic. `usual`: the roll-over counter to begin with."""
        body, tag = packet[:-self.rtp_tag], packet[-self.rtp_tag:]
        for roll_over in (usual, *range(_ROLLS_MAX)):
            made = hmac.digest(self.rtp_auth, body + struct.pack("!I", roll_over), "sha1")
            if made[:self.rtp_tag] == tag:
                return roll_over << 16 | int.from_bytes(packet[2:4], "big")
        return None

    def rtcp_index(self, packet):
        body, tag = packet[:-_RTCP_TAG], packet[-_RTCP_TAG:]
        if hmac.digest(self.rtcp_auth, body, "sha1")[:_RTCP_TAG] != tag:
            return None
        return int.from_bytes(body[-4:], "big") & ~_E_FLAG


@functools.cache
def _key(suite, inline):
    return Key(suite, inline)


class IndexWatch:
    """Takes what this network namespace sends from the addresses that are watched; `close` judges
    it, when all keys are known."""

    def __init__(self, addresses):
        self.keys = {}  # (address, port) -> keys told for what is sent from there
        self.media = []  # (address, port), packet
        self.packets = self.reports = self.repeated = self.unknown = 0
        self.streams, self.used = set(), set()  # of a key and its SSRCs; keys
        self.twice = []  # what may not be
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 256 << 20)
        self._attach(_filter(addresses))
        self.socket.settimeout(0.1)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _attach(self, program):
        # struct sock_fprog points at the instructions; the kernel copies them.
        code = b"".join(struct.pack("=HBBI", *one) for one in program)
        held = ctypes.create_string_buffer(code, len(code))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                               struct.pack("HL", len(program), ctypes.addressof(held)))

    def _run(self):
        while True:
            if self.ended.is_set():
                self.socket.settimeout(0)
            try:
                self._datagram(self.socket.recv(65536))
            except (TimeoutError, BlockingIOError):
                if self.ended.is_set():
                    return

    def _datagram(self, data):
        at = (data[0] & 15) * 4
        payload = data[at + 8:]
        if len(payload) >= 12 and payload[0] >> 6 == 2:
            source = socket.inet_ntoa(data[12:16]), int.from_bytes(data[at:at + 2], "big")
            self.media.append((source, payload))
        elif b"\na=crypto:" in payload:
            self._read(payload.decode(errors="replace"))

    def _read(self, message):
        address = re.search(r"^c=IN IP4 (\S+)", message, re.M).group(1)
        port = int(re.search(r"^m=audio (\d+)", message, re.M).group(1))
        told = self.keys.setdefault((address, port), [])
        for suite, inline in re.findall(r"^a=crypto:\d+ (\S+) inline:([^|\s]+)", message, re.M):
            if suite in _SUITES and (suite, inline) not in told:
                told.append((suite, inline))

    def close(self):
        """Everything that was sent is judged then. Safe to call twice."""
        if self.ended.is_set():
            return
        self.ended.set()
        self.thread.join()
        lost = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        self.socket.close()
        if lost:
            raise Failed(f"the watch has missed {lost} packets")
        self._judge()

    def _keys_at(self, source):
        """Empty where plain RTP is sent from. RTCP that has a port of its own has the next one."""
        address, port = source
        told = self.keys.get(source) or self.keys.get((address, port - 1), ())
        return [_key(*one) for one in told]

    def _judge(self):
        seen, rolls = {}, {}
        for source, packet in self.media:
            rtcp = 192 <= packet[1] <= 223
            ssrc = packet[4:8] if rtcp else packet[8:12]
            index = None
            for key in self._keys_at(source):
                index = (key.rtcp_index(packet) if rtcp else
                         key.rtp_index(packet, rolls.get((key, ssrc), 0)))
                if index is not None:
                    break
            if index is None:
                self.unknown += bool(self._keys_at(source))
                continue
            if not rtcp:
                rolls[key, ssrc] = index >> 16
                self.streams.add((key.name, ssrc))
            self.used.add(key.name)
            self.packets += not rtcp
            self.reports += rtcp
            first = seen.setdefault((key.name, rtcp, ssrc, index), packet)
            if first is packet:
                continue
            if first == packet:
                self.repeated += 1
            else:
                self.twice.append(f"index {index} of SSRC {ssrc.hex()}{' (RTCP)' if rtcp else ''}")

    def __str__(self):
        return (f"{self.packets} packets of {len(self.streams)} streams and {self.reports} "
                f"reports under {len(self.used)} keys, {self.repeated} repeated, "
                f"{self.unknown} under no key, {len(self.twice)} indices used twice")

    def expect_each_index_once(self, packets, keys, reports=0, unknown=False):
        """At least so many packets and reports, under exactly so many keys. `unknown`: a leg was
        told a key and had plain RTP as well."""
        self.close()
        print(f"index watch: {self}", flush=True)
        if self.twice:
            raise Failed(f"{', '.join(self.twice[:5])} used for two packets: {self}")
        if (self.packets < packets or self.reports < reports or len(self.used) != keys or
                bool(self.unknown) != unknown):
            raise Failed(f"{packets} packets and {reports} reports under {keys} keys were to be "
                         f"seen: {self}")


def _filter(addresses):
    """Classic BPF: IPv4, UDP, outgoing, from these addresses. On loopback each packet would pass
    twice else, out and in again."""
    load_word, load_half, load_byte, equal, give = 0x20, 0x28, 0x30, 0x15, 0x06
    ancillary, network = 0xfffff000, 0xfff00000  # SKF_AD_OFF and SKF_NET_OFF
    program = [(load_half, ancillary), (equal, 0x0800),  # SKF_AD_PROTOCOL
               (load_byte, ancillary + 4), (equal, _PACKET_OUTGOING),  # SKF_AD_PKTTYPE
               (load_byte, network + 9), (equal, socket.IPPROTO_UDP),
               (load_word, network + 12)]
    sources = [int.from_bytes(socket.inet_aton(address), "big") for address in addresses]
    end = len(program) + len(sources)  # where it is refused; behind that, where it is taken
    made = []
    for operation, value in program:
        refuse = end - len(made) - 1 if operation == equal else 0
        made.append((operation, 0, refuse, value))
    for source in sources:
        made.append((equal, end - len(made), 0, source))
    return made + [(give, 0, 0, 0), (give, 0, 0, 0xffffffff)]
