"""SRTP for a Singer by libsrtp2: a program of its own beside the relay's engines."""

import base64
import ctypes

from .singer import Singer

_ANY_INBOUND, _ANY_OUTBOUND = 2, 3


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
    """One direction under AES_CM_128_HMAC_SHA1_80; `key` as a=crypto writes it."""

    def __init__(self, key, inbound):
        self.library = _library()
        policy = _Policy()
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtp))
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtcp))
        policy.ssrc_type = _ANY_INBOUND if inbound else _ANY_OUTBOUND
        policy.key = base64.b64decode(key)
        policy.window_size = 1024
        self.handle = ctypes.c_void_p()
        status = self.library.srtp_create(ctypes.byref(self.handle), ctypes.byref(policy))
        assert status == 0, f"srtp_create: {status}"

    def _turn(self, function, packet):
        buffer = ctypes.create_string_buffer(packet, len(packet) + 64)
        length = ctypes.c_int(len(packet))
        status = function(self.handle, buffer, ctypes.byref(length))
        return buffer.raw[:length.value] if status == 0 else None

    def protect(self, packet):
        return self._turn(self.library.srtp_protect, packet)

    def unprotect(self, packet):
        """None when it is not authentic, or a replay."""
        return self._turn(self.library.srtp_unprotect, packet)


class SecureSinger(Singer):
    """Sends under `send_key`; hears under the newest of the keys it was given."""

    def __init__(self, *arguments, send_key, **more):
        self.sending = Session(send_key, inbound=False)
        self.hearing = []
        self.not_authentic = 0
        super().__init__(*arguments, **more)

    def change_send_key(self, key):
        self.sending = Session(key, inbound=False)

    def expect_key(self, key):
        self.hearing = [Session(key, inbound=True)] + self.hearing

    def _packet(self):
        return self.sending.protect(super()._packet())

    def heard_packet(self, data):
        for session in self.hearing:
            plain = session.unprotect(data)
            if plain is not None:
                return super().heard_packet(plain)
        self.not_authentic += 1
        return None
