"""What processes hold of this machine's memory, by Linux's own count.

Must not know: whose processes they are. PSS shares a page's size among all that map it, so that
sums over processes count nothing twice; RSS counts shared pages in every process.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ROW = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """Bytes: ``pss`` proportional share, ``rss`` resident (proc(5), smaps_rollup)."""

    pss: int
    rss: int

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.pss + other.pss, self.rss + other.rss)


def of_process(pid: int) -> Memory:
    """Return what one process holds now; OSError when it is gone."""
    rows = dict(_ROW.findall(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")))
    return Memory(int(rows["Pss"]) * 1024, int(rows["Rss"]) * 1024)


def of_processes(pids: Iterable[int]) -> Memory:
    """Return what some processes hold together."""
    return sum((of_process(pid) for pid in pids), Memory(0, 0))


def of_tree(pid: int) -> Memory:
    """Return what a process and all it started hold together; what ends meanwhile is left out."""
    held = Memory(0, 0)
    for one in (pid, *_descendants(pid)):
        try:
            held += of_process(one)
        except (FileNotFoundError, ProcessLookupError, KeyError):  # a zombie has no rows
            continue
    return held


def _descendants(pid: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [n for t in threads for n in (t / "children").read_text("ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)
