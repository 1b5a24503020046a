"""What scripts/bench measured, as the tables of docs/performance.md: of its results in JSON, and of
nothing else. Each goal is said once: here, or where calls are loaded.
"""

import collections
import json
import os

from . import callload, tandem
from .process import Failed

Goal = collections.namedtuple("Goal", "what goal reached met")

# Clean rate of the relay, in parts of the other's: (port, mode, other).
RATIOS = {("uring", "plain", "rtpengine"): 2, ("xdp", "plain", "rtpengine"): 5,
          ("memif", "plain", "testpmd"): 0.65, ("memif", "transcode", "plain"): 0.9,
          ("uring", "srtp", "rtpengine"): 2, ("xdp", "srtp", "rtpengine"): 5,
          ("uring", "transcode", "rtpengine"): 2, ("xdp", "transcode", "rtpengine"): 5}
# The most that came back in parts of the other's: how near it is, whatever ends a climb.
CEILINGS = {("xdp", "plain", "testpmd"): 0.9}
RATES = {("memif", "srtp", 500): 2_500_000, ("memif", "srtp", 15_000): 2_200_000}
SESSIONS_COST = 0.9  # of the rate with 500 calls, with 15,000
P99_RATIO = 0.1
# Nanoseconds a packet, and nanoseconds more than a plain packet.
BENCHMARKS = {
    "BM_Pipeline/plain/sessions:15000": 60, "BM_Pipeline/plain/sessions:60000": 90,
    "BM_SrtpProtect/batch/AES_CM_128_HMAC_SHA1_80/burst:32": 150,
    "BM_SrtpUnprotect/batch/AES_CM_128_HMAC_SHA1_80/burst:32": 150,
    "BM_SrtpProtect/batch/AES_CM_128_HMAC_SHA1_80/cold/burst:32": 190,
    "BM_SrtpUnprotect/batch/AES_CM_128_HMAC_SHA1_80/cold/burst:32": 190,
    "BM_SrtpProtect/batch/AEAD_AES_128_GCM/burst:32": 60,
    "BM_SrtpUnprotect/batch/AEAD_AES_128_GCM/burst:32": 60,
    "BM_AlawToUlaw/avx2/160": 25, "BM_UlawToAlaw/avx2/160": 25,
    "BM_AlawToUlaw/avx512vbmi/160": 8, "BM_UlawToAlaw/avx512vbmi/160": 8,
    "BM_HandOver/burst:8": 100, "BM_HandOver/burst:32": 100, "BM_HandOver/burst:64": 100}
OVER_PLAIN = {("transcode", 15_000): 20, ("srtp", 15_000): 200, ("srtp-both", 15_000): 400,
              ("gcm", 15_000): 150, ("gcm", 500): 90}
PLAIN, HEAD = "plain", "BM_Pipeline"


def _table(heading, rows):
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _number(value):
    """Three digits are what a measurement is worth."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine(result):
    about = result["machine"]
    return (f"`{result['command']}`, {about['date']}: {about['cpu']}, {about['cores']} cores, "
            f"{' '.join(about['isa'])}, Linux {about['kernel']}, load "
            f"{about['load_before']:.2f} before.")


# ---- rates: relay beside others on one port ----

def name_of(row):
    mode = "" if row["mode"] == PLAIN else row["mode"]
    return " ".join(word for word in (row["system"], row["engine"], mode) if word)


def _pairs(result):
    """(relay's row, other's row): the first of those that stood beside each other, and the rest."""
    together = {}
    for row in result["rows"]:
        if "functional" not in row:
            together.setdefault((row["part"], row.get("given_calls")), []).append(row)
    return [(first, other) for first, *others in together.values() for other in others]


def _ratio(one, other, field):
    return one[field] / other[field] if other[field] else None


def _rates(result):
    rows = []
    for row in result["rows"]:
        latency = row["latency_us"]
        rows.append((row["part"], name_of(row) + (" (a check)" if "functional" in row else ""),
                     row["workers"], f"{row['sessions']:,}", f"{row['pace']:,}",
                     f"{row['pps_clean']:,}" if row["pps_clean"] else "none",
                     f"{row['pps_loss_1e4']:,}" if row["pps_loss_1e4"] else "none",
                     f"{row['pps_carried']:,}", *(_number(latency[p]) for p in
                                                  ("p50", "p99", "p999")), f"{row['cpu']:.0%}"))
    text = _table(("port", "system", "workers", "calls", "packets/s a stream", "clean, packets/s",
                   "0.01 % lost", "most that came back", "p50, us", "p99", "p99.9",
                   "CPU"), rows)
    compared = []
    for one, other in _pairs(result):
        clean, most = (_ratio(one, other, field) for field in ("pps_clean", "pps_carried"))
        calls = f"{one['given_calls']:,}" if "given_calls" in one else "as the rate"
        compared.append((one["part"], name_of(one), name_of(other), calls,
                         f"{clean:.2f}" if clean else "the other was clean at no rate",
                         f"{most:.2f}"))
    if compared:
        text += ["", *_table(("port", "of", "to", "calls", "clean rates", "most that came back"),
                             compared)]
    for part, runs in result.get("p99_us", {}).items():
        middle = {name: sorted(run)[len(run) // 2] for name, run in runs["us"].items()}
        text += ["", f"p99 over {part} at {runs['pps']:,} packets/s, median of "
                     f"{len(runs['us']['tandem'])} in turns: "
                     f"tandem {_number(middle['tandem'])} us, "
                     f"rtpengine {_number(middle['rtpengine'])} us; "
                     f"{middle['tandem'] / middle['rtpengine']:.3f} of it."]
    return text


def _goals_of_rates(result):
    goals = []
    for one, other in _pairs(result):
        beside = PLAIN if other["system"] == "tandem" else other["system"]
        key = (one["part"], one["mode"], beside)
        calls = f", {one['given_calls']:,} calls" if "given_calls" in one else ""
        for table, field, what in ((RATIOS, "pps_clean", "clean rate"),
                                   (CEILINGS, "pps_carried", "most that came back")):
            if key not in table:
                continue
            ratio = _ratio(one, other, field)
            goals.append(Goal(f"{one['part']}, {one['mode']}{calls}: {what} to {beside}'s",
                              f"{table[key]}", f"{ratio:.2f}" if ratio else "",
                              ratio is not None and ratio >= table[key]))
    own = {(row["part"], row["mode"], row["given_calls"]): row for row in result["rows"]
           if row["system"] == "tandem" and "given_calls" in row}
    for key, least in RATES.items():
        if key in own:
            rate = own[key]["pps_clean"]
            goals.append(Goal(f"{key[0]}, {key[1]}, {key[2]:,} calls: clean rate, packets/s",
                              f"{least:,}", f"{rate:,}", rate >= least))
    few, many = (own.get(("memif", PLAIN, calls)) for calls in (500, 15_000))
    if few and many and result["what"] in ("memif", "matrix") and few["pps_clean"]:
        part = many["pps_clean"] / few["pps_clean"]
        goals.append(Goal("memif, plain: clean rate with 15,000 calls to that with 500",
                          f"{SESSIONS_COST}", f"{part:.2f}", part >= SESSIONS_COST))
    for part, runs in result.get("p99_us", {}).items():
        middle = {name: sorted(run)[len(run) // 2] for name, run in runs["us"].items()}
        ratio = middle["tandem"] / middle["rtpengine"]
        goals.append(Goal(f"{part}, plain: p99 at rtpengine's clean rate to rtpengine's",
                          f"{P99_RATIO}", f"{ratio:.3f}", ratio < P99_RATIO))
    return goals


# ---- a minute of a thousand calls ----

def _hold(result):
    row = result["measurements"][0]
    relay = row["relay"]
    return [f"{row['calls']:,} calls, {row['seconds']:.0f} s: the generator sent {row['sent']:,} "
            f"packets, the relay received {relay['received']:,} and sent {relay['sent']:,}, the "
            f"generator received {row['received']:,}. Latency p50 "
            f"{row['latency_ms']['p50']:.3f} ms, p99 {row['latency_ms']['p99']:.2f} ms; the relay "
            f"took {row['cpu']:.0%} of its core."]


def _goals_of_hold(result):
    row = result["measurements"][0]
    relay = row["relay"]
    lost = row["sent"] - row["received"]
    whole = row["sent"] == relay["received"] == relay["sent"] == row["received"]
    return [Goal(f"{row['calls']:,} calls for {row['seconds']:.0f} s: packets lost", "0",
                 f"{lost} of {row['sent']:,}", whole)]


# ---- calls per second ----

def _calls(result):
    rows, text = [], []
    for row in result["calls"]:
        if "held" in row:
            text += [f"{row['held']:,} calls at a time over {row['transport']}: {row['failed']} "
                     f"failed, {row['rss_mib_max']:.0f} MiB ({row['rss_mib_before']:.0f} before)."]
        elif "over" in row:
            text += _overload(row)
        else:
            whole, part = row["whole"], row["at_part"]
            rows.append((row["system"], row["transport"], f"{whole['calls_per_second']:,.0f}",
                         f"{whole['placed']:,}", whole["failed"], f"{whole['repeated']:,}",
                         _number(part["trying_ms"]["p99"]), _number(part["setup_ms"]["p99"]),
                         f"{whole['core']:.0%}", f"{whole['cpu_ms_per_call']:.2f}",
                         f"{whole['load_cpu_ms_per_call']:.2f}",
                         "" if row["system"] != "sipctl" else
                         f"{row['rss_mib_before']:.0f}, {row['rss_mib_max']:.0f}, "
                         f"{row['rss_mib_after']:.0f}"))
    if rows:
        text += _table(("system", "over", "calls/s", "calls", "failed", "sent again",
                        "100 Trying p99 at 80 %, ms", "INVITE to 200 p99", "of its core",
                        "ms a call", "the load, ms a call", "MiB before, most, after"), rows)
    return text


def _overload(row):
    over = row["over"]
    refused = sum(over["failures"].values()) if over["failures"] else 0
    return _table(("over", "would fill the core, calls/s", "asked for", "ended well, a second",
                   "of what would fill it", "refused or lost", "sent again",
                   "100 Trying p50, p99, ms", "INVITE to 200 p50, p99"),
                  [(row["transport"], f"{row['capacity']:,.0f}", f"{row['offered']:,}",
                    f"{over['ended_per_second']:,.0f}",
                    f"{over['ended_per_second'] / row['capacity']:.0%}",
                    ", ".join(f"{name}: {count:,}" for name, count in
                              (over["failures"] or {}).items()) or refused,
                    f"{over['repeated']:,}",
                    f"{over['trying_ms']['p50']:.0f}, {over['trying_ms']['p99']:.0f}",
                    f"{over['setup_ms']['p50']:.0f}, {over['setup_ms']['p99']:.0f}")])


def _goals_of_calls(result):
    goals = []
    for row in result["calls"]:
        if "held" in row:
            taken = callload.megabytes(row)
            goals.append(Goal(f"{row['held']:,} calls at a time: memory of sipctl, MB",
                              f"{callload.HELD_MB}", f"{taken:.0f}",
                              taken < callload.HELD_MB and not row["failed"]))
        elif "whole" in row and row["system"] == "sipctl":
            transport, whole = row["transport"], row["whole"]
            rate, failed = whole["calls_per_second"], whole["failed"]
            goals.append(Goal(f"{transport}: calls/s for {row['seconds']:.0f} s, none failed",
                              f"{callload.GOAL[transport]:,}", f"{rate:,.0f}, {failed} failed",
                              rate >= 0.99 * callload.GOAL[transport] and not failed
                              and row["seconds"] >= 60))
            trying = row["at_part"]["trying_ms"]["p99"]
            goals.append(Goal(f"{transport}: p99 of 100 Trying at 80 % of it, ms",
                              f"{callload.TRYING_P99_MS}", _number(trying),
                              trying < callload.TRYING_P99_MS))
            goals.append(Goal(f"{transport}: memory of sipctl meanwhile, MiB",
                              f"{callload.RSS_MIB}", f"{row['rss_mib_max']:.0f}",
                              row["rss_mib_max"] < callload.RSS_MIB))
    return goals


# ---- nanoseconds a packet ----

def over_plain(benchmarks):
    """{(mode, sessions): median over the turns of what the mode takes more than plain}."""
    turns = {row["name"]: row["median_of_turn"] for row in benchmarks}
    more = {}
    for name, medians in turns.items():
        head, _, rest = name.partition("/")
        mode, _, sessions = rest.partition("/sessions:")
        plain = turns.get(f"{HEAD}/{PLAIN}/sessions:{sessions}")
        if head == HEAD and plain and mode not in (PLAIN, "generator"):
            each = sorted(one - base for one, base in zip(medians, plain))
            more[mode, int(sessions)] = each[len(each) // 2]
    return more


def _micro(result):
    rows = [(f"`{row['name']}`", _number(row["least"]), _number(row["median"]),
             BENCHMARKS.get(row["name"], "")) for row in result["benchmarks"]]
    more = [(mode, f"{sessions:,}", _number(value), OVER_PLAIN.get((mode, sessions), ""))
            for (mode, sessions), value in over_plain(result["benchmarks"]).items()]
    return (_table(("ns a packet", "least", "median", "goal"), rows) + [""] +
            _table(("more than a plain packet", "calls", "ns, median of the turns", "goal"), more))


def _goals_of_micro(result):
    goals = [Goal(f"`{row['name']}`, ns", f"{BENCHMARKS[row['name']]}", _number(row["median"]),
                  row["median"] <= BENCHMARKS[row["name"]])
             for row in result["benchmarks"] if row["name"] in BENCHMARKS]
    more = over_plain(result["benchmarks"])
    return goals + [Goal(f"`{HEAD}/{mode}/sessions:{sessions}` more than plain, ns", f"{most}",
                         _number(more[mode, sessions]), more[mode, sessions] <= most)
                    for (mode, sessions), most in OVER_PLAIN.items() if (mode, sessions) in more]


KINDS = {"hold": (_hold, _goals_of_hold), "calls": (_calls, _goals_of_calls),
         "micro": (_micro, _goals_of_micro)}


def _kind(result):
    return KINDS.get(result["what"], (_rates, _goals_of_rates))


def tables(result):
    """The lines of one result: what was run and where, then its tables."""
    return [_machine(result), "", *_kind(result)[0](result)]


def goals(results):
    """The lines of one table: every goal that these results can show met or missed."""
    found = [goal for result in results for goal in _kind(result)[1](result)]
    return _table(("what", "goal", "reached", ""),
                  [(each.what, each.goal, each.reached, "met" if each.met else "missed")
                   for each in found])


CALL_PPS, WIRE_BYTES, CALLS_AN_ADDRESS = 100, 238, 7500
LINES_GBE = (10, 25, 100)


def computed(results):
    """What a server would carry, of nanoseconds a packet: not measured."""
    own, through = None, None
    for result in results:
        for row in result.get("benchmarks", []):
            if row["name"] == f"{HEAD}/{PLAIN}/sessions:15000":
                own = row["median"]
        for row in result["rows"]:
            if row["system"] == "tandem" and row.get("given_calls") == 15_000 and row["pps_clean"]:
                through = 1e9 / row["pps_clean"]
    if own is None or through is None:
        raise Failed("report: --computed asks for a result of micro and for one of memif or matrix "
                     "with a clean rate with 15,000 calls")
    columns = (own, through)

    def line(what, of_ns):
        return (what, *(of_ns(ns) for ns in columns))
    rows = [line("calls a core", lambda ns: f"{1e9 / ns / CALL_PPS:,.0f}")]
    for gbe in LINES_GBE:
        calls = int(gbe * 1e9 / (WIRE_BYTES * 8) / CALL_PPS)
        rows.append(line(f"cores for {gbe}GbE: {calls:,} calls, "
                         f"{-(-calls // CALLS_AN_ADDRESS)} addresses",
                         lambda ns, calls=calls: f"{-(-calls * CALL_PPS * ns // 1e9):.0f}"))
    return _table(("computed", f"{own:.1f} ns: the pipeline alone",
                   f"{through:.0f} ns: over memif"), rows)


def _read(path):
    try:
        with open(path, encoding="utf-8") as text:
            result = json.load(text)
    except (OSError, ValueError) as why:
        raise Failed(f"report: {path} cannot be read: {why}") from why
    if not isinstance(result, dict) or not {"what", "machine", "rows"} <= set(result):
        raise Failed(f"report: {path} is no result: give what `scripts/bench ... --json` wrote")
    return result


def of_files(words, folder="."):
    """What `scripts/bench report` prints: [--goals | --computed] FILE..."""
    results = [_read(os.path.join(folder, word)) for word in words if not word.startswith("--")]
    if not results:
        raise Failed("report: of which results? Give files that --json wrote")
    for word, lines in (("--goals", goals), ("--computed", computed)):
        if word in words:
            return lines(results)
    return [line for result in results for line in [*tables(result), ""]][:-1]


BEGIN, END = "<!-- scripts/bench report ", "<!-- end -->"


def filled(document):
    """The text of a document with each table as its results have it: what stands between
    `<!-- scripts/bench report WORDS -->` and `<!-- end -->`, each alone on its line."""
    lines, inside = [], False
    for line in document.splitlines():
        if line.startswith(BEGIN):
            if inside:
                break
            lines += [line, *of_files(line[len(BEGIN):].removesuffix(" -->").split(), tandem.ROOT)]
            inside = True
        if line == END:
            inside = False
        if not inside:
            lines.append(line)
    if inside:
        raise Failed(f"report: a table of the document has no line `{END}`")
    return "\n".join(lines) + "\n"


def fill(path):
    """All or nothing: a result that cannot be read leaves the document as it is."""
    try:
        with open(path, encoding="utf-8") as text:
            document = filled(text.read())
        with open(path, "w", encoding="utf-8") as out:
            out.write(document)
    except OSError as why:
        raise Failed(f"report: {path} cannot be filled: {why}") from why
