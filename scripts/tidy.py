#!/usr/bin/python3
"""The style test: what a reader may rely on in every file, checked rather than hoped for.

    scripts/tidy.py [ROOT]           every check but formatting
    scripts/tidy.py --format [ROOT]  clang-format over the tree, changes nothing
    scripts/tidy.py --headers [ROOT] every header compiles alone

Each finding is one line, `file:line: what is wrong; what to do instead`. The rules and their
reasons are in docs/style.md.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

FILE_LINES_WISH, FILE_LINES_MAX = 400, 500
TEST_LINES_MAX = 800  # tables of cases are long
FUNCTION_LINES_WISH, FUNCTION_LINES_MAX = 60, 80

# Room -> rooms whose headers it may include. A room always sees itself. Listed in the order of
# docs/architecture.md: each knows only those before it.
ARROWS = {
    "kernels": [],
    "relay/abi": [],
    "relay": ["relay/abi"],  # limits.h, clock.h; main and options see all, see BORDERLESS
    "relay/wire": ["relay/abi", "relay"],
    "relay/port": ["relay/abi", "relay", "relay/wire"],
    "relay/session": ["relay/abi", "relay", "relay/wire"],
    "relay/stage": ["relay/abi", "relay", "relay/wire", "relay/port", "relay/session", "kernels"],
    "relay/worker": ["relay/abi", "relay", "relay/wire", "relay/port", "relay/session",
                     "relay/stage", "kernels"],
    "relay/conductor": ["relay/abi", "relay", "relay/wire", "relay/port", "relay/session",
                        "relay/stage", "relay/worker"],
    "relay/tools": ["relay/abi", "relay"],  # its command line and texts, not its parts
    "sipctl": ["relay/abi"],  # clock.h, timers.h; main, loop and options see all
    "sipctl/sip": ["relay/abi", "sipctl"],
    "sipctl/sdp": ["relay/abi", "sipctl"],
    "sipctl/trunk": ["relay/abi", "sipctl", "sipctl/sip", "sipctl/sdp"],
    "sipctl/media": ["relay/abi", "sipctl", "sipctl/sip", "sipctl/sdp", "sipctl/trunk"],
    "sipctl/call": ["relay/abi", "sipctl", "sipctl/sip", "sipctl/sdp", "sipctl/trunk",
                    "sipctl/media"],
    "sipctl/http": ["relay/abi", "sipctl", "sipctl/trunk", "sipctl/media", "sipctl/call"],
    "sipctl/cli": ["relay/abi", "sipctl", "sipctl/sip", "sipctl/sdp", "sipctl/trunk",
                   "sipctl/media", "sipctl/call", "sipctl/http"],
}
# Files that put the rooms together. Of the other process they still see relay/abi alone.
BORDERLESS = re.compile(r"^(relay|sipctl)/(main|options|networks|loop|run)[a-z_]*\.(h|cc)$")
# And these no room may see.
TOPMOST = re.compile(r"^(relay|sipctl)/(main|run)[a-z_]*\.h$")

# Header -> the only files that may include it, and why.
FENCES = [
    (r"liburing\.h", r"relay/port/(engine_uring\.cc|uring_buffers\.h)$",
     "io_uring belongs to relay/port/engine_uring"),
    (r"libmnl/.*", r"relay/port/(netlink|link|neighbour)\.(h|cc)$",
     "netlink belongs to the next hops"),
    (r"sofia-sip/.*", r"(sipctl/sip/message[a-z_]*\.(h|cc)|tests/sipctl/sip/message.*)$",
     "sofia-sip stays inside sipctl/sip/message"),
    (r"yaml-cpp/.*", r"sipctl/trunk/config[a-z_]*\.(h|cc)$",
     "YAML is read by sipctl/trunk/config alone"),
    (r"spdlog/.*", r"(relay/log\.cc|sipctl/.*)$", "use relay/log.h"),
    (r"relay/log\.h", r"(relay/(conductor|port)/.*|relay/(main|networks|log)\.cc|tests/.*)$",
     "nothing on a packet's way logs"),
    (r"nlohmann/.*", r"(relay/tools|sipctl|bench|tests)/.*$",
     "nothing on a packet's way makes JSON"),
    (r"absl/log/.*", r"$^", "use spdlog on the slow side"),
    (r"absl/synchronization/.*", r"$^", "use std::mutex: ThreadSanitizer follows it"),
    (r"openssl/.*", r"(relay/stage/srtp|sipctl/sip/|bench/srtp_library_)[a-z_]*\.(h|cc)$",
     "cryptography has two homes"),
    (r"rte_.*", r"relay/port/dpdk[a-z_]*\.cc$", "DPDK belongs to relay/port/dpdk"),
    (r"(xdp|bpf)/.*", r"(tests/)?relay/port/xdp[a-z_]*\.(cc|bpf\.c)$",
     "AF_XDP belongs to relay/port/xdp"),
    (r"iostream", r"(bench|tests|relay/tools|sipctl/cli)/.*|.*/(main|options)\.cc$",
     "use absl::StrFormat or the log"),
    (r"regex", r"$^", "std::regex is slow and recursive; use absl::StrSplit or a parser"),
]

# Pattern in code (comments and strings taken out), where it holds, what to do instead.
BANNED = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", r".*",
     "use absl strings or std::span"),
    (r"\b(atoi|atol|atof|sscanf)\s*\(", r".*", "use absl::SimpleAtoi, which can fail"),
    (r"(?<![\w.>])(rand|srand)\s*\(", r".*", "use a seeded std::mt19937_64"),
    (r"(?<![\w.>:])(time|gettimeofday|ctime|localtime)\s*\(", r"(relay|sipctl|kernels)/.*",
     "time is an argument: relay/clock.h, sipctl/clock.h"),
    (r"_clock::now\s*\(", r"(relay|sipctl|kernels)/.*", "time is an argument"),
    (r"\b(usleep|sleep|nanosleep|sleep_for|sleep_until)\s*\(", r"(relay|sipctl|kernels|tests)/.*",
     "wait for the condition with a deadline"),
    (r"\babsl::Mutex\b", r".*", "use std::mutex: ThreadSanitizer follows it"),
    (r"\batomic_thread_fence\b", r".*", "put the order on the access: ThreadSanitizer follows it"),
    (r"\.detach\s*\(\s*\)", r".*", "join the thread: its owner must see its end"),
    (r"\b(system|popen)\s*\(", r"(relay|sipctl|kernels|bench)/.*", "no shell in the programs"),
    (r"\binet_(addr|ntoa|aton)\s*\(", r".*", "use inet_pton, inet_ntop"),
    (r"\busing namespace\b(?! std::(chrono|string)_literals)", r".*", "name what is used"),
    (r"\bstd::endl\b", r".*", "use '\\n'"),
    (r"\bthrow\b(?! std::bad_alloc)", r"(relay|sipctl|kernels)/.*", "return absl::Status"),
    (r"\bdynamic_cast\b", r"(relay|sipctl|kernels)/.*", "use a virtual function"),
    (r"\bGTEST_SKIP\b|\bDISABLED_", r".*", "a test that does not run proves nothing"),
    (r"\b(class|struct)\s+(?!ServiceManager)\w*(Manager|Handler|Utils?|Helper)\b", r".*",
     "name what it is"),
    (r"\bpragma\s+GCC\s+diagnostic\s+ignored\b", r"(relay|sipctl|kernels)/.*", "mend the cause"),
]

# Sources without a mirrored test, each with the test that covers it instead.
UNMIRRORED = {
    "relay/main.cc": "tests/system starts the program",
    "relay/networks.cc": "tests/system/xdp_test.py and dpdk_call_test.py start a relay on each",
    "relay/tools/relaystat.cc": "tests/system reads its output",
    "relay/port/hop_reader.cc": "tests/relay/port/neighbour_test.cc reads by it",
    "relay/port/link.cc": "tests/relay/port/neighbour_test.cc, at its end",
    "relay/port/netlink.cc": "tests/relay/port/neighbour_test.cc asks and hears by it",
    "relay/port/xdp.cc": "tests/system/xdp_test.py, and the port suite by xdp_far_side.cc",
    "relay/port/xdp_port.cc": "the port suite, by tests/relay/port/xdp_far_side.cc",
    "relay/port/xdp_steering.cc": "tests/system/xdp_test.py takes it off, kills it, refuses it",
    "sipctl/main.cc": "tests/system starts the program",
    "sipctl/cli/run.cc": "tests/system starts the program",
    "sipctl/cli/server.cc": "tests/system starts the program",
    "sipctl/cli/server_reload.cc": "tests/system starts the program",
    "sipctl/cli/server_start.cc": "tests/system starts the program",
    "sipctl/media/unix_connector.cc": "tests/system joins a real relay",
}

MARKERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
MACHINE_PATHS = re.compile(r"(?<![\w$}.])/(work|home/\w+|tmp/w|tmp/wt)/")
TEXT = (".cc", ".h", ".py", ".md", ".build", ".txt", ".xml", ".yaml", ".c", ".sh", "")


class Tree:
    def __init__(self, root):
        self.root = root
        out = subprocess.run(["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        self.files = sorted(f for f in out.split("\0") if f and
                            os.path.isfile(os.path.join(root, f)))
        self.sources = [f for f in self.files if f.endswith((".cc", ".h"))]
        self.texts = {}

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
                self.texts[path] = f.read()
        return self.texts[path]

    def lines(self, path):
        return self.text(path).split("\n")


class Findings:
    def __init__(self):
        self.faults, self.wishes = [], []

    def fault(self, path, line, text):
        self.faults.append(f"{path}:{line}: {text}")

    def wish(self, path, line, text):
        self.wishes.append(f"{path}:{line}: {text}")


def strip(text):
    """The code without comments and literals, line by line as before."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n")
        return token[0] + token[0] + "\n" * token.count("\n")
    pattern = (r'R"(\w*)\([\s\S]*?\)\1"|//[^\n]*|/\*[\s\S]*?\*/'
               r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])*\'')
    return re.sub(pattern, lambda m: '""' + "\n" * m.group(0).count("\n")
                  if m.group(0).startswith("R") else blank(m), text)


def includes(tree, path):
    for number, line in enumerate(tree.lines(path), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def room(path):
    folder = os.path.dirname(path)
    while folder and folder not in ARROWS:
        folder = os.path.dirname(folder)
    return folder


def check_arrows(tree, found):
    for path in tree.sources:
        top = path.split("/")[0]
        if top not in ("relay", "sipctl", "kernels"):
            continue
        mine = room(path)
        if mine != os.path.dirname(path):
            found.fault(path, 1, "this folder is not in the order of rooms; "
                                 "enter it in scripts/tidy.py and docs/architecture.md")
        for number, kind, name in includes(tree, path):
            head = name.split("/")[0]
            if head in ("tests", "bench"):
                found.fault(path, number, f"includes {name}; the product does not know its tests")
            if head not in ("relay", "sipctl", "kernels"):
                if kind == '"' and "/" not in name:
                    found.fault(path, number, f'"{name}" names no folder; write it from the root')
                continue
            theirs = room(name)
            if BORDERLESS.match(path):
                allowed = (head == top or theirs == "relay/abi" or name == "relay/clock.h" or
                           (top == "relay" and theirs == "kernels"))
            elif TOPMOST.match(name):
                allowed = False
            else:
                allowed = theirs == mine or theirs in ARROWS[mine]
            if not allowed:
                found.fault(path, number, f"{mine} does not know {theirs} (includes {name}); "
                                          "see the order of rooms in docs/architecture.md")


def check_fences(tree, found):
    for path in tree.sources:
        for number, _, name in includes(tree, path):
            for header, where, why in FENCES:
                if re.fullmatch(header, name) and not re.match(where, path):
                    found.fault(path, number, f"includes <{name}>; {why}")


def reached(tree, test, folder):
    """Sources of `folder` that a test reaches: by the headers it includes, and by what those and
    their sources include of the same room."""
    seen, open_ = set(), [name for _, _, name in includes(tree, test)]
    known = set(tree.sources)
    while open_:
        header = open_.pop()
        if header in seen or os.path.dirname(header) != folder or header not in known:
            continue
        seen.add(header)
        source = header[:-2] + ".cc"
        for path in (header, source):
            if path in known:
                seen.add(path)
                open_ += [name for _, _, name in includes(tree, path)]
    return seen


def check_mirror(tree, found):
    tested = {}  # folder -> sources reached by the tests that mirror it
    for test in tree.sources:
        match = re.match(r"tests/((?:relay|sipctl|kernels)(?:/.*)?)/\w+_test\.cc$", test)
        if not match:
            continue
        folder = match.group(1)
        mine = reached(tree, test, folder)
        tested.setdefault(folder, set()).update(mine)
        stem = test[len("tests/"):-len("_test.cc")]
        if not mine and not any(s.startswith(stem) for s in tree.sources):
            found.fault(test, 1, f"tests nothing of {folder}")
    for path in tree.sources:
        folder = os.path.dirname(path)
        if path.split("/")[0] not in ("relay", "sipctl", "kernels") or not path.endswith(".cc") \
                or path in UNMIRRORED or path in tested.get(folder, ()):
            continue
        # kernels/g711_avx2.cc is tested with its reference, message_parse.cc with message.
        parts = os.path.basename(path)[:-3].split("_")
        if f"tests/{path[:-3]}_test.cc" in tree.sources:
            continue
        near = {f"{folder}/{'_'.join(parts[:n])}.h" for n in range(1, len(parts) + 1)}
        if not near & tested.get(folder, set()):
            found.fault(path, 1, f"has no test; write tests/{path[:-3]}_test.cc")


def check_orphans(tree, found):
    named = set()  # every word in quotes of a meson.build, as a path
    for build in tree.files:
        if os.path.basename(build) == "meson.build":
            for word in re.findall(r"'([^']+)'", re.sub(r"#.*", "", tree.text(build))):
                named.add(os.path.normpath(os.path.join(os.path.dirname(build), word)))
    included = {name for path in tree.sources for _, _, name in includes(tree, path)}
    for path in tree.sources:
        if path.endswith(".h"):
            if path in named:  # Meson precompiles it: a main file, for which GCC forbids the pragma
                continue
            if path not in included:
                found.fault(path, 1, "nobody includes it")
            if "#pragma once" not in tree.text(path):
                found.fault(path, 1, "has no #pragma once")
            continue
        stem = re.sub(r"_(test|fuzz|bench)$", "", os.path.basename(path)[:-3])
        if path not in named and os.path.join(os.path.dirname(path), stem) not in named:
            found.fault(path, 1, "no meson.build names it")


def check_banned(tree, found):
    for path in tree.sources:
        for number, line in enumerate(strip(tree.text(path)).split("\n"), 1):
            for pattern, where, instead in BANNED:
                if re.match(where, path):
                    match = re.search(pattern, line)
                    if match:
                        found.fault(path, number, f"{match.group(0).strip()} is not used here; "
                                                  f"{instead}")
    for path in tree.files:
        if re.search(r"(^|/)(common|utils?|helpers?|misc)(/|\.)", path):
            found.fault(path, 1, "a folder or file is named after what it is")


def functions(text):
    """(first line, length) of function bodies; the tree is clang-formatted, so braces tell."""
    lines = strip(text).split("\n")
    for index, line in enumerate(lines):
        match = re.match(r"^( {0,4})\S.*\{$", line)
        if not match:
            continue
        start = index  # the statement may have begun some lines above
        while start > 0 and lines[start - 1].strip() and \
                not re.search(r"[;{}:]$|^\s*#", lines[start - 1]):
            start -= 1
        head = " ".join(lines[start:index + 1])
        if "(" not in head or re.match(
                r"^\s*(namespace|class|struct|enum|union|extern|if|for|while|switch|do|else|try"
                r"|return|case)\b|^\s*\}", head):
            continue
        if re.search(r"=\s*\{$|\[\]\s*=", head):
            continue
        indent = re.match(r"^ *", lines[start]).group(0)
        for end in range(index + 1, len(lines)):
            if re.match("^" + indent + r"\}", lines[end]):
                yield start + 1, end - start + 1
                break


def check_lengths(tree, found):
    for path in tree.sources:
        length = len(tree.lines(path)) - 1
        if length > (TEST_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX):
            found.fault(path, 1, f"{length} lines; look for the missing noun")
        elif length > FILE_LINES_WISH:
            found.wish(path, 1, f"{length} lines")
        for line, count in functions(tree.text(path)):
            if count > FUNCTION_LINES_MAX:
                found.fault(path, line, f"a function of {count} lines; look for its parts")
            elif count > FUNCTION_LINES_WISH:
                found.wish(path, line, f"a function of {count} lines")


def check_words(tree, found):
    for path in tree.files:
        extension = os.path.splitext(path)[1]
        if extension not in TEXT or "/corpus/" in path or path == "LICENSE":
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if MARKERS.search(line):
                found.fault(path, number, "leaves work behind a marker; do it or write an issue")
            if MACHINE_PATHS.search(line):
                found.fault(path, number, "a path of one machine; use a relative one")
            if extension in (".cc", ".h", ".py") and len(line) > 100:
                found.fault(path, number, f"{len(line)} columns; 100 are the most")
            if line != line.rstrip() and extension not in (".md", ".xml", ".txt"):
                found.fault(path, number, "ends in spaces")


def check_documents(tree, found):
    for path in tree.files:
        if not path.endswith(".md"):
            continue
        fenced, titles = False, 0
        for number, line in enumerate(tree.lines(path), 1):
            if line.startswith("```"):
                fenced = not fenced
            elif not fenced:
                titles += line.startswith("# ")
                for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", line):
                    if "://" in target or target.startswith("mailto:"):
                        continue
                    where = os.path.normpath(os.path.join(os.path.dirname(path), target))
                    if not os.path.exists(os.path.join(tree.root, where)):
                        found.fault(path, number, f"links to {target}, which is not there")
            if fenced:
                for script in re.findall(r"(?<![\w/])scripts/[\w.-]+", line):
                    if not os.path.exists(os.path.join(tree.root, script)):
                        found.fault(path, number, f"names {script}, which is not there")
        if titles != 1:
            found.fault(path, 1, f"has {titles} titles; one document, one title")


def check_carriers(tree, found):
    """Carriers' addresses are dated data: none stands in a program."""
    addresses = set()
    for path in tree.files:
        if re.match(r"sipctl/trunk/profiles/\S+\.yaml$", path):
            data = re.sub(r"#.*", "", tree.text(path))
            addresses |= set(re.findall(r"[\w-]+(?:\.[\w-]+){2,}", data))
    for path in tree.sources:
        if not re.match(r"(relay|sipctl)/", path):
            continue
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            for address in addresses & set(re.findall(r"[\w-]+(?:\.[\w-]+){2,}",
                                                      line.split("//")[0])):
                found.fault(path, number, f"{address} is a carrier's: sipctl/trunk/profiles has it")


def check_top_level(tree, found):
    card = {"meson.build", "relay", "sipctl", "kernels", "bench", "tests", "scripts", "docs"}
    for entry in sorted({f.split("/")[0] for f in tree.files}):
        if entry not in card and not entry.startswith(".") and \
                entry not in ("README.md", "LICENSE", "meson_options.txt"):
            found.fault(entry, 1, "the top level has eight entries and no other")


def formatting(tree):
    sources = [os.path.join(tree.root, f) for f in tree.sources]
    return subprocess.run(["clang-format-16", "--dry-run", "-Werror", *sources],
                          check=False).returncode if sources else 0


def headers(tree):
    """A header that some file includes before all else is compiled alone there; the rest, here."""
    opened_first = set()
    for path in tree.sources:
        opened_first |= {name for _, _, name in list(includes(tree, path))[:1]}
    alone = [p for p in tree.sources if p.endswith(".h") and p not in opened_first]

    def compiles(path):
        return subprocess.run(
            ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
             "-Wno-missing-field-initializers", "-x", "c++",
             "-I", tree.root, "-include", os.path.join(tree.root, path), "/dev/null"],
            check=False).returncode == 0

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        broken = [p for p, good in zip(alone, pool.map(compiles, alone)) if not good]
    for path in broken:
        print(f"fault {path}:1: does not compile alone; include what it uses")
    return 1 if broken else 0


def main(arguments):
    rest = [a for a in arguments if not a.startswith("--")]
    root = os.path.abspath(rest[0] if rest else os.path.join(os.path.dirname(__file__), ".."))
    tree = Tree(root)
    if "--format" in arguments:
        return formatting(tree)
    if "--headers" in arguments:
        return headers(tree)
    found = Findings()
    for check in (check_top_level, check_arrows, check_fences, check_mirror, check_orphans,
                  check_banned, check_carriers, check_lengths, check_words, check_documents):
        check(tree, found)
    for line in found.wishes:
        print(f"wish  {line}")
    for line in found.faults:
        print(f"fault {line}")
    print(f"tidy: {len(tree.files)} files, {len(found.faults)} faults, {len(found.wishes)} wishes")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
