#!/usr/bin/python3
"""What scripts/bench writes: the rows of a matrix in JSON, and a chart of them; and the goals that
are read off such rows."""

import json
import os
import subprocess
import tempfile
import unittest

from rig import report, tandem

ROW = {"system", "port", "mode", "workers", "sessions", "pace", "pps_clean", "latency_us"}


class Matrix(unittest.TestCase):
    def test_rows_and_chart(self):
        folder = tandem.scratch()
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        result, drawn = os.path.join(folder, "matrix.json"), os.path.join(folder, "matrix.png")
        subprocess.run([os.path.join(tandem.ROOT, "scripts/bench"), "matrix", "--smoke",
                        "--json", result, "--png", drawn], check=True)
        with open(result, encoding="utf-8") as text:
            written = json.load(text)
        self.assertLessEqual({"cpu", "cores", "kernel"}, set(written["machine"]))
        for row in written["rows"]:
            self.assertLessEqual(ROW, set(row), row)
            self.assertLessEqual({"p50", "p99", "p999"}, set(row["latency_us"]), row)
            ports = ("kernel",) if row["system"] == "rtpengine" else ("uring", "xdp", "memif")
            self.assertIn(row["port"], ports)
        rows = {(row["part"], row["system"], row["workers"]) for row in written["rows"]}
        self.assertEqual({("uring", "tandem", 1), ("uring", "tandem", 2), ("uring", "rtpengine", 1),
                          ("xdp", "tandem", 1), ("xdp", "tandem", 2), ("xdp", "rtpengine", 1),
                          ("xdp", "testpmd", 1), ("memif", "tandem", 1), ("memif", "tandem", 2),
                          ("memif", "testpmd", 1)}, rows)
        self.assertEqual({"tandem", "rtpengine"}, set(written["p99_us"]["xdp"]["us"]))
        with open(drawn, "rb") as chart:
            self.assertEqual(chart.read(8), b"\x89PNG\r\n\x1a\n")


def micro(**medians):
    """A result with these medians of BM_Pipeline, the same in each of two turns."""
    return {"what": "micro", "rows": [], "benchmarks": [
        {"name": f"BM_Pipeline/{mode}/sessions:15000", "least": ns, "median": ns,
         "median_of_turn": [ns, ns]} for mode, ns in medians.items()]}


def bench(*words):
    done = subprocess.run([os.path.join(tandem.ROOT, "scripts/bench"), *words], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


class Report(unittest.TestCase):
    def test_what_it_cannot_tell_it_says_in_a_sentence(self):
        results = os.path.join(tandem.ROOT, "docs/measurements")
        for words, sentence in ((["report"], "of which results?"),
                                (["report", "nowhere.json"], "nowhere.json cannot be read"),
                                (["report", os.path.join(results, "matrix.png")], "cannot be read"),
                                (["report", "--computed", os.path.join(results, "micro.json")],
                                 "--computed asks for"),
                                (["hold", "--goals"], "hold takes no results")):
            with self.subTest(words=words):
                status, said = bench(*words)
                self.assertNotEqual(status, 0)
                self.assertIn(sentence, said)
                self.assertNotIn("Traceback", said)


    def test_a_document_whose_tables_cannot_be_made_stays_as_it_is(self):
        with tempfile.NamedTemporaryFile("w+", suffix=".md", encoding="utf-8") as document:
            for text, sentence in (
                    ("<!-- scripts/bench report nowhere.json -->\n<!-- end -->\n",
                     "cannot be read"),
                    ("<!-- scripts/bench report docs/measurements/micro.json -->\nMore.\n",
                     "has no line")):
                document.seek(0)
                document.truncate()
                document.write(text)
                document.flush()
                status, said = bench("report", "--fill", document.name)
                self.assertNotEqual(status, 0)
                self.assertIn(sentence, said)
                document.seek(0)
                self.assertEqual(document.read(), text)

    def test_where_nothing_can_be_written_nothing_is_measured(self):
        for words in (["report", "--fill", "nowhere.md"],
                      ["micro", "--smoke", "--json", "nowhere/result.json"]):
            status, said = bench(*words)
            self.assertNotEqual(status, 0)
            self.assertIn("nowhere", said)
            self.assertNotIn("Traceback", said)


class Goals(unittest.TestCase):
    def test_what_a_mode_takes_more_than_plain_is_judged(self):
        table = "\n".join(report.goals([micro(plain=59, transcode=80, gcm=200)]))
        self.assertIn("| `BM_Pipeline/plain/sessions:15000`, ns | 60 | 59 | met |", table)
        self.assertIn("transcode/sessions:15000` more than plain, ns | 20 | 21 | missed |", table)
        self.assertIn("gcm/sessions:15000` more than plain, ns | 150 | 141 | met |", table)

    def test_a_rate_is_compared_with_who_stood_beside_it(self):
        def row(part, system, clean, **more):
            return dict({"part": part, "system": system, "engine": "", "mode": "plain",
                         "pps_clean": clean, "pps_carried": clean}, **more)
        table = "\n".join(report.goals([{"what": "matrix", "rows": [
            row("uring", "tandem", 300_000), row("uring", "rtpengine", 130_000),
            row("xdp", "tandem", 400_000), row("xdp", "rtpengine", 0),
            row("xdp", "testpmd", 500_000),
            row("memif", "tandem", 2_000_000, given_calls=500),
            row("memif", "tandem", 1_500_000, given_calls=15_000)]}]))
        self.assertIn("uring, plain: clean rate to rtpengine's | 2 | 2.31 | met |", table)
        self.assertIn("xdp, plain: clean rate to rtpengine's | 5 |  | missed |", table)
        self.assertIn("xdp, plain: most that came back to testpmd's | 0.9 | 0.80 | missed |", table)
        self.assertIn("with 15,000 calls to that with 500 | 0.9 | 0.75 | missed |", table)


if __name__ == "__main__":
    unittest.main(verbosity=2)
