"""Each guarding line broken in turn, in a copy of the packages: exactly its attacks get through.

Lives here: the copy, one broken line at a time, and the comparison. Must not know: any attack.

    python -m attacks.mutants            every guard of the table
    python -m attacks.mutants WORD …     the guards whose attacks' names hold one of the words
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attacks.case import ROOT, Attack, Guard
from attacks.table import TABLE
from attacks.touching import TOUCHED

PACKAGES = ("federation", "node", "pyproject.toml")
Lines = frozenset[tuple[str, str, str]]
TESTS = ("tests/attacks", "tests/support")
PLAYED = "tests/attacks/test_attacks.py"


@dataclass(frozen=True)
class Mutant:
    """A guard to break, and the attacks that must get through then: all others must not."""

    guard: Guard
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.guard.where}: {'; '.join(sorted(self.names))}"


def mutants(table: Mapping[str, Sequence[Attack]] = TABLE) -> list[Mutant]:
    """Return a mutant for each distinct guard of the table, in its order.

    Whatever some of its broken lines let through is let through by all of them.
    """
    guards: dict[Lines, Guard] = {}
    names: dict[Lines, set[str]] = {}
    for attack in (attack for group in table.values() for attack in group):
        lines = attack.guard.lines
        guards.setdefault(lines, attack.guard)
        names.setdefault(lines, set()).update((attack.name, *attack.guard.stops_too))
    return [
        Mutant(guard, frozenset().union(*(names[few] for few in names if few <= lines)))
        for lines, guard in guards.items()
    ]


@contextlib.contextmanager
def copied(*tests: str) -> Iterator[Path]:
    """Yield a folder with a copy of the packages and of ``tests``, by default the table's."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (*PACKAGES, *(tests or TESTS)):
            source, target = ROOT / name, Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        yield Path(folder)


@contextlib.contextmanager
def broken(root: Path, guard: Guard) -> Iterator[None]:
    """Break a guard's lines in the copy at ``root``, and mend them afterwards."""
    whole = {edit.file: (root / edit.file).read_text(encoding="utf-8") for edit in guard.edits}
    try:
        for edit in guard.edits:
            at, path = edit.position(root), root / edit.file
            text = path.read_text(encoding="utf-8")
            write(path, text[:at] + edit.broken + text[at + len(edit.line) :])
        yield
    finally:
        for file, text in whole.items():
            write(root / file, text)


def write(path: Path, text: str) -> None:
    """Write a source file; its compiled form, told by size and second, must not outlive it."""
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def failures(root: Path, *arguments: str) -> tuple[set[str], str]:
    """Play the table in the copy; return the names of cases that failed, and what was printed."""
    report = root / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if not report.exists():
        raise RuntimeError(f"the copy does not even start:\n{done.stdout}{done.stderr}")
    cases = ET.parse(report).iter("testcase")  # noqa: S314 written by our own pytest
    failed = (c for c in cases if any(part.tag in ("failure", "error") for part in c))
    return {case.attrib["name"] for case in failed}, done.stdout


def touched(root: Path) -> dict[str, frozenset[str]]:
    """Play the unbroken copy; return the functions that each case calls.

    RuntimeError when a case fails.
    """
    failed, told = failures(root, "-p", "attacks.touching", PLAYED)
    if failed:
        raise RuntimeError(f"the unbroken copy fails already:\n{told}")
    noted = json.loads((root / TOUCHED).read_text(encoding="utf-8"))
    return {case: frozenset(functions) for case, functions in noted.items()}


def cases_of(guard: Guard, noted: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the cases that can tell whether the guard is broken."""
    lines = {edit.called_as for edit in guard.edits}
    return [case for case, called in noted.items() if None in lines or called & lines]


def as_id(name: str) -> str:
    """Return a name as pytest writes it into a case's id."""
    return name.encode("unicode_escape").decode("ascii")


def verdict(mutant: Mutant, failed: Iterable[str]) -> list[str]:
    """Return what is wrong: attacks that were stopped all the same, cases that failed beside."""
    left = set(failed)
    problems = []
    for name in sorted(mutant.names):
        told = as_id(name)
        own = {case for case in left if f": {told} [" in case or f"[{told}]" in case}
        if not own:
            problems.append(f"still stopped: {name}")
        left -= own
    return problems + [f"failed too: {case}" for case in sorted(left)]


def main(words: Sequence[str]) -> int:
    """Break every chosen guard; print a line for each; return how many did not behave."""
    chosen = [m for m in mutants() if not words or any(word in str(m) for word in words)]
    wrong = 0
    with copied() as root:
        noted = touched(root)
        for number, mutant in enumerate(chosen, start=1):
            cases = cases_of(mutant.guard, noted)
            with broken(root, mutant.guard):
                problems = verdict(mutant, failures(root, *cases)[0] if cases else ())
            wrong += bool(problems)
            said = "; ".join(problems) or f"let through, alone of {len(cases)} cases"
            print(f"[{number}/{len(chosen)}] {mutant} — {said}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} broken guards let exactly their attacks through")
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
