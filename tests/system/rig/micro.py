"""What a packet costs in each part of the relay, by bench/*_bench: all programs in turns, so that a
machine that is slow for a minute is slow for all of them.
"""

import json
import os
import statistics
import subprocess

from . import tandem
from .measure import check

LONG, SHORT = 0.2, 0.001  # seconds of one repetition, and of a smoke test's
# Program, what of it, and the field that holds nanoseconds a packet.
PARTS = (
    ("pipeline_bench", r"BM_Pipeline/(generator|plain|transcode|srtp|srtp-both|gcm)/"
                       r"sessions:(1|500|15000|60000)(/manual_time)?$", "ns_per_packet"),
    ("srtp_bench", r"BM_Srtp(P|Unp)rotect/(batch|portable|libsrtp2)/"
                   r"(AES_CM_128_HMAC_SHA1_80|AEAD_AES_128_GCM)(/cold)?/burst:32$",
     "ns_per_packet"),
    ("srtp_bench", r"BM_Library/.*", "ns_per_packet"),
    ("g711_bench", r"BM_(AlawToUlaw|UlawToAlaw)/.*/160$", "ns_per_packet"),
    ("frame_bench", r"BM_(Write|Read)Frame/.*", "real_time"),
    ("hand_over_bench", r"BM_HandOver/.*", "ns_per_packet"),
)
TWO_CORES = ("hand_over_bench",)


def _once(options, program, names, field, folder):
    """One turn of a program: {name: median of its repetitions}, and the least of them."""
    out = os.path.join(folder, "bench.json")
    command = [os.path.join(tandem.build_folder(), "bench", program),
               f"--benchmark_filter={names}", f"--benchmark_repetitions={options.repetitions}",
               f"--benchmark_min_time={SHORT if options.smoke else LONG}",
               "--benchmark_out_format=json", f"--benchmark_out={out}"]
    if program not in TWO_CORES:
        command = ["taskset", "-c", str(options.relay_cpu), *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(out, encoding="utf-8") as text:
        written = json.load(text)["benchmarks"]
    samples = {}
    for row in written:
        if row.get("run_type") == "aggregate":
            continue
        name = row["run_name"].removesuffix("/manual_time").removesuffix("/real_time")
        check(not row.get("error_occurred"), f"{name}: {row.get('error_message')}")
        samples.setdefault(name, []).append(row[field])
    check(samples, f"{program}: none of its benchmarks is called {names}")
    return samples


def run(options):
    """Prints nanoseconds a packet and returns {"benchmarks": [{"name", "least", "median",
    "median_of_turn"}]}; `median_of_turn` has one value for each turn."""
    turns = {}
    folder = tandem.scratch()
    try:
        for _ in range(options.turns):
            for program, names, field in PARTS:
                for name, samples in _once(options, program, names, field, folder).items():
                    turns.setdefault(name, []).append(samples)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
    rows = []
    print(f"{'ns a packet':72}{'least':>9}{'median':>9}")
    for name, samples in turns.items():
        every = [value for turn in samples for value in turn]
        rows.append({"name": name, "least": min(every), "median": statistics.median(every),
                     "median_of_turn": [statistics.median(turn) for turn in samples]})
        print(f"{name:72}{rows[-1]['least']:9.1f}{rows[-1]['median']:9.1f}", flush=True)
    return {"rows": [], "benchmarks": rows}
