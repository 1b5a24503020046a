#!/usr/bin/python3
"""docs/options.md holds what relaystat prints of itself."""
import subprocess
import sys

program, document = sys.argv[1:]
printed = subprocess.run([program, "--print-options-markdown"], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
with open(document, encoding="utf-8") as file:
    if printed not in file.read():
        sys.exit("put the output of `relaystat --print-options-markdown` into docs/options.md")
