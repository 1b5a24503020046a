#!/usr/bin/python3
"""What scripts/bench writes: the rows of a matrix in JSON, and a chart of them."""

import json
import os
import subprocess
import unittest

from rig import tandem

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
        rows = {(row["system"], row["port"], row["workers"]) for row in written["rows"]}
        self.assertLessEqual({("tandem", "uring", 1), ("tandem", "xdp", 1), ("tandem", "memif", 1),
                              ("tandem", "uring", 2), ("tandem", "xdp", 2),
                              ("rtpengine", "kernel", 1), ("testpmd", "xdp", 1),
                              ("testpmd", "memif", 1)}, rows)
        with open(drawn, "rb") as chart:
            self.assertEqual(chart.read(8), b"\x89PNG\r\n\x1a\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
