"""An office whose telephone speaks SRTP, and a watch on what the relay sends it."""

import json
import re

from . import office, secure, singer
from .index_watch import IndexWatch
from .office import CARRIER, CARRIER_RTP, PBX, PBX_RTP, TANDEM, TO_DESK
from .process import wait_until


def record_of(test):
    def found():
        records = re.findall(r"\{\"call\":.*\}", test.sipctl.log_text)
        return json.loads(records[-1]) if records else None
    return wait_until(found, 10, "the call's record")


class Watched:
    """Before an Office: no index of a key is used twice, in any test. `seen` says what the watch
    must have seen, lest it looks at nothing; None where keys are not in sight."""

    seen = {"packets": 50, "keys": 1}

    def setUp(self):
        if self.seen:
            self.watch = IndexWatch((TANDEM, TO_DESK))
            self.addCleanup(self.judge)
        super().setUp()

    def judge(self):
        self.watch.close()
        if self._outcome.success:
            self.watch.expect_each_index_once(**self.seen)


class Secured(Watched, office.Office):
    """The telephone at the PBX is SIPp, its media libsrtp2 here."""

    trunk_more = {"pbx": {"srtp": "required"}}

    def secured(self, scenario, key, **more):
        return secure.scenario_with_key(self.folder, scenario, key, **more)

    def key_in(self, program, index=-1):
        return secure.key_in(program, index)

    def parties(self, key):
        a = singer.Singer(CARRIER, CARRIER_RTP, "carrier", "PCMA", hertz=1004)
        b = secure.SecureSinger(PBX, PBX_RTP, "pbx", "PCMA", hertz=620, send_key=key)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        return a, b

    def expect_both_hear(self, a, b, packets=50):
        heard_a, heard_b = len(a.of_type(8)), len(b.of_type(8))
        a.expect_packets(heard_a + packets, 8)
        b.expect_packets(heard_b + packets, 8)

    def expect_tones(self, a, b):
        for listener, speaker in ((a, b), (b, a)):
            _, share = listener.tone("PCMA")
            self.assertGreater(share(speaker.hertz), 0.99)
        self.assertEqual(a.strange, 0)
        self.assertEqual(b.not_authentic, 0)

    def expect_record(self, encrypted):
        record = record_of(self)
        suites = [leg["srtp"] for leg in record["legs"]]
        self.assertEqual(suites, [secure.SUITE if i == encrypted else "" for i in range(2)])
        self.assertNotIn("inline", self.sipctl.log_text)
