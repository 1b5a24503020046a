"""What lies in the memory of a process, looked at from outside: where keys must not be."""

import array
import re

_PAGE, _PART = 1 << 12, 1 << 21


def core_limit(pid):
    """(soft, hard) size of a core file, as text (proc(5), limits)."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        return re.search(r"^Max core file size +(\S+) +(\S+)", limits.read(), re.M).groups()


def _mappings(pid):
    """(begin, end, name, whether a core dump holds it) of what can be written."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
            if head:
                begin, end, rights, name = head.groups()
                current = [int(begin, 16), int(end, 16), name, True, rights.startswith("rw")]
                found.append(current)
            elif line.startswith("VmFlags:"):
                current[3] = " dd" not in line
    return [mapping[:4] for mapping in found if mapping[4]]


def _touched(pagemap, begin, end):
    """Stretches of a mapping in which a page is there or in swap; the others were never written."""
    first, stretch = begin, None
    while first < end:
        last = min(first + _PART, end)
        pagemap.seek(first // _PAGE * 8)
        entries = array.array("Q", pagemap.read((last - first) // _PAGE * 8))
        if max(entries, default=0) >> 62:
            stretch = (stretch or (first,))[0], last
        elif stretch:
            yield stretch
            stretch = None
        first = last
    if stretch:
        yield stretch


def _parts(memory, begin, end, overlap):
    """(bytes, how many of them were in the part before)."""
    at = begin
    while at < end:
        memory.seek(at)
        try:
            part = memory.read(min(_PART, end - at))
        except OSError:  # a device's
            return
        kept = 0 if at == begin else overlap
        yield part, kept
        if len(part) <= kept or at + len(part) >= end:
            return
        at += len(part) - overlap


def places_of(pid, secrets):
    """Of each of `secrets` ({name: bytes}) the mappings that hold it, as often as they do, in two
    lists: those that a core dump would hold, and the others."""
    found = {name: ([], []) for name in secrets}
    overlap = max(map(len, secrets.values())) - 1
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, \
            open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for begin, end, mapping, is_dumped in _mappings(pid):
            for stretch in _touched(pagemap, begin, end):
                for part, known in _parts(memory, *stretch, overlap):
                    for name, secret in secrets.items():
                        place = part.find(secret)
                        while place >= 0:
                            if place + len(secret) > known:
                                found[name][not is_dumped].append(mapping or "anonymous")
                            place = part.find(secret, place + 1)
    return found
