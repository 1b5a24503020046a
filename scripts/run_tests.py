#!/usr/bin/python3
"""Builds the variants, runs the suites in them, counts. Called by scripts/test after the set-up.

The last line is `N passed, M failed, K skipped`; the exit status is 0 only if M is 0. A variant
that does not build counts as one failure.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
from rig import leftovers  # noqa: E402

JOBS = str(min(os.cpu_count() or 1, 4))

# name, compiler, meson options, suites, what it is for.
GCC = ("gcc", "g++", ["-Dcpp_args=-g1"], ["unit", "style", "bench-smoke", "system"],
       "GCC, as shipped")
# Under a sanitizer files are compiled several at a time, in a half of the time; that each can be
# compiled by itself GCC shows.
TOGETHER = ["-Dunity=on", "-Dunity_size=6"]
CLANG_ASAN = ("clang-asan", "clang++-16",
              ["-Dbuildtype=debug", "-Dcpp_args=-g1", "-Db_sanitize=address,undefined",
               "-Db_lundef=false", "-Dfuzz=true", *TOGETHER],
              ["unit", "fuzz"], "Clang, ASan, UBSan, libFuzzer")
CLANG_TSAN = ("clang-tsan", "clang++-16",
              ["-Dbuildtype=debug", "-Doptimization=1", "-Dcpp_args=-g1", "-Db_sanitize=thread",
               "-Db_lundef=false", *TOGETHER],
              ["concurrent"], "Clang, TSan: what has threads, or shares memory with a process")

# What takes an hour: each is a test whose suite runs a few seconds of the same. Programs are those
# of the GCC variant.
GATES = (
    ("10,000 hand-shakes whole, 10,000 aborted",
     ["tests/system/tls_test.py", "--whole=10000", "--aborted=10000", "Handshakes"]),
    ("ten minutes of silence, then BYE",
     ["tests/system/tls_test.py", "--silence=600", "IdleClose"]),
    ("session timers of 90 s", ["tests/system/session_expiry_gate.py"]),
    ("refreshed after 45 s", ["tests/system/dialogs_test.py", "--interval=90", "SessionTimers"]),
    ("100,000 seeds of calls",
     ["build/gcc/tests/sipctl/call/sipctl_call_simulation_test", "--seeds=100000"]),
)

# Who has ccache: it may keep what was compiled with a precompiled header.
os.environ.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")

ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_container_overflow=0:abort_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-16",
    "TSAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-16",
}


class Row:
    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped, self.seconds = name, 0, 0, 0, 0.0
        self.note = ""

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def say(text):
    print(f"== {text}", flush=True)


def run(command, log, **more):
    """True when the command succeeds; its output is kept in `log` and shown when it fails."""
    with open(log, "ab") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, **more)
    if done.returncode != 0:
        with open(log, "rb") as out:
            tail = out.read()[-6000:].decode(errors="replace")
        print(f"{tail}\n** {' '.join(command)} failed with {done.returncode}", flush=True)
    return done.returncode == 0


def configure(variant, folder):
    _, compiler, options, _, _ = variant
    environment = dict(os.environ, CXX=compiler)
    if compiler.startswith("clang"):
        environment["CXX_LD"] = "lld"  # a fifth of the time, with what a sanitizer adds
    log = os.path.join(ROOT, "build", os.path.basename(folder) + ".log")
    open(log, "wb").close()
    if os.path.exists(os.path.join(folder, "build.ninja")):
        return True, log
    shutil.rmtree(folder, ignore_errors=True)
    return run(["meson", "setup", folder, ROOT, *options], log, env=environment), log


def tests_of(folder, suites):
    listed = json.loads(subprocess.run(["meson", "introspect", "--tests", folder],
                                       stdout=subprocess.PIPE, check=True).stdout)
    chosen = []
    for test in listed:
        mine = {s.split(":")[-1] for s in test["suite"]}
        if mine & set(suites):
            chosen.append(test)
    return chosen


def cases(result):
    """Cases inside one meson test, from what GoogleTest or unittest printed."""
    out = result.get("stdout") or ""
    good = result["result"] in ("OK", "EXPECTEDFAIL")
    if result["result"] == "SKIP":
        return 0, 0, 1
    gtest = re.findall(r"^\[==========\] (\d+) tests? from", out, re.M)
    if gtest:
        ran = re.findall(r"^\[  PASSED  \] (\d+) test", out, re.M)
        skipped = sum(int(n) for n in re.findall(r"^\[  SKIPPED \] (\d+) test", out, re.M))
        failed = sum(int(n) for n in re.findall(r"^\[  FAILED  \] (\d+) test", out, re.M))
        passed = sum(int(n) for n in ran)
        return passed, failed if good else max(failed, 1), skipped
    err = out + (result.get("stderr") or "")
    ran = re.search(r"^Ran (\d+) tests? in", err, re.M)
    if ran:
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", err))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", err))
        return int(ran.group(1)) - bad - skipped, bad if good else max(bad, 1), skipped
    return (1, 0, 0) if good else (0, 1, 0)


def run_suite(folder, suite, tests, log, rows):
    if not tests:
        return
    row = Row(f"{os.path.basename(folder)} {suite}")
    rows.append(row)
    begin = time.monotonic()
    names = [t["name"] for t in tests]
    environment = dict(os.environ, **ENVIRONMENT)
    base = re.sub(r"[^\w]", "-", suite)
    say(f"{row.name}: {len(names)} programs")
    run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", JOBS, "--logbase", base,
         "--timeout-multiplier", "4",  # for sanitizers, and machines that have other things to do
         "--print-errorlogs", *names], log, env=environment)
    results = []
    path = os.path.join(folder, "meson-logs", base + ".json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            results = [json.loads(line) for line in lines if line.strip()]
    for result in results:
        passed, failed, skipped = cases(result)
        row.add(passed, failed, skipped)
        if failed:
            print(f"** failed: {result['name']} ({result['result']})", flush=True)
    if len(results) < len(names):
        row.failed += len(names) - len(results)
        row.note = "some programs gave no result"
    row.seconds = time.monotonic() - begin


def targets_of(folder, tests):
    """What of a build folder these tests run, or are given to look at."""
    listed = json.loads(subprocess.run(["meson", "introspect", "--targets", folder],
                                       stdout=subprocess.PIPE, check=True).stdout)
    made = {path for target in listed for path in target["filename"]}
    words = {os.path.join(folder, word) for test in tests for word in test["cmd"]}
    return sorted(os.path.relpath(path, folder) for path in words & made)


def build_variant(variant, suites, behind):
    """Its row and, when it was built, its folder and log. `behind` the tests of another variant a
    build takes only what they leave of the processors."""
    name, _, _, _, purpose = variant
    folder = os.path.join(ROOT, "build", name)
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    row = Row(f"{name} builds")
    begin = time.monotonic()
    say(f"{name}: {purpose}")
    configured, log = configure(variant, folder)
    targets = []
    if configured and variant is not GCC:  # of the sanitizers' variants what their tests need
        targets = targets_of(folder, tests_of(folder, suites))
    environment = dict(os.environ)
    if variant is not GCC:  # Clang's precompiled headers name the folder that they were made in
        environment["CCACHE_DISABLE"] = "1"
    built = configured and run([*(["chrt", "--idle", "0"] if behind else []),
                                "ninja", "-C", folder, "-j", JOBS, *targets], log, env=environment)
    row.add(int(built), int(not built), 0)
    row.seconds = time.monotonic() - begin
    return row, folder if built else None, log


def run_variants(chosen, rows):
    """Builds one after the other, and tests what is built while the next one is being built."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as builder:
        builds = [builder.submit(build_variant, variant, suites, number > 0)
                  for number, (variant, suites) in enumerate(chosen)]
        for build, (_, suites) in zip(builds, chosen):
            row, folder, log = build.result()
            rows.append(row)
            for suite in suites if folder else []:
                run_suite(folder, suite, tests_of(folder, [suite]), log, rows)


def run_gates(log, rows):
    environment = dict(os.environ, TANDEM_BUILD=os.path.join(ROOT, "build", "gcc"),
                       PYTHONDONTWRITEBYTECODE="1")
    for name, command in GATES:
        row = Row(f"gate: {name}")
        rows.append(row)
        begin = time.monotonic()
        say(f"{row.name}: {' '.join(command)}")
        good = run([os.path.join(ROOT, command[0]), *command[1:]], log, env=environment)
        row.add(int(good), int(not good), 0)
        row.seconds = time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description="build and test everything")
    parser.add_argument("--quick", action="store_true", help="one build, unit and style tests")
    parser.add_argument("--only", metavar="VARIANT", help="gcc, clang-asan or clang-tsan")
    parser.add_argument("--suite", action="append", help="only this suite (may be repeated)")
    parser.add_argument("--gates", action="store_true",
                        help="the long ones instead: an hour or more, as root")
    options = parser.parse_args()

    before = leftovers.snapshot()
    begin = time.monotonic()
    rows = []
    chosen = []
    for variant in (GCC, CLANG_ASAN, CLANG_TSAN):
        suites = variant[3]
        if options.quick:
            if variant is not GCC:
                continue
            suites = ["unit", "style"]
        if options.only and variant[0] != options.only:
            continue
        if options.suite:
            suites = [s for s in suites if s in options.suite]
        chosen.append((variant, suites))
    if options.gates:
        row, folder, log = build_variant(GCC, [], False)
        rows.append(row)
        if folder:
            run_gates(log, rows)
    else:
        run_variants(chosen, rows)

    left = leftovers.difference(before, leftovers.snapshot())
    row = Row("nothing left behind")
    row.add(int(not left), int(bool(left)), 0)
    row.note = "; ".join(left)
    rows.append(row)

    width = max(28, *(len(row.name) for row in rows))
    print(f"\n{'':{width}}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for row in rows:
        print(f"{row.name:{width}}{row.passed:8}{row.failed:8}{row.skipped:8}{row.seconds:9.0f}"
              f"  {row.note}")
    print(f"{'':{width}}{'':24}{time.monotonic() - begin:9.0f}")
    passed = sum(r.passed for r in rows)
    failed = sum(r.failed for r in rows)
    skipped = sum(r.skipped for r in rows)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
