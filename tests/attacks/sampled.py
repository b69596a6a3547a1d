"""Small changes drawn at random from the code that decides: some test must notice each of them.

Lives here: the operators, the draw, and which tests are asked. Must not know: any attack. What no
test notices must be explained in ``survivors.md`` beside this file.

    python -m attacks.sampled SEED COUNT FILE     all three may be left out
"""

import ast
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attacks.case import ROOT, innermost
from attacks.copies import write
from attacks.crew import crew, done, touched
from attacks.player import Player
from attacks.probes import Probe, reached
from attacks.sources import offsets
from federation.crypto.keys import digest

PLAYED = "tests/attacks/test_attacks.py"
# The quickest tests first: the first that fails ends a mutant.
ASKED: Mapping[str, Sequence[str]] = {
    "federation/acceptance/door.py": (
        "tests/federation/test_acceptance.py",
        PLAYED,
        "tests/federation/test_audit.py",
        "tests/federation/test_notices.py",
    ),
    "federation/acceptance/steps.py": (
        "tests/federation/test_acceptance.py",
        PLAYED,
        "tests/federation/test_notices.py",
    ),
    "federation/trust.py": ("tests/federation/test_trust.py", PLAYED),
    "federation/crypto/masking.py": ("tests/federation/crypto/test_masking.py", PLAYED),
    "node/gate.py": (
        "tests/node/test_gate.py",
        "tests/node/test_outbox.py",
        "tests/node/test_witness.py",
        "tests/node/test_foresight.py",
        PLAYED,
        "tests/node/test_participant.py",
    ),
    "node/privacy/ledger.py": ("tests/node/privacy/test_ledger.py", "tests/node/test_gate.py"),
}
SURVIVORS = Path(__file__).with_name("survivors.md")
COUNT = 60
SWAPPED: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}


@dataclass(frozen=True)
class Change:
    """One small change in ``function``: ``old``, at offset ``at`` of ``file``, becomes ``new``."""

    file: str
    function: str
    line: int
    at: int
    old: str
    new: str

    def __str__(self) -> str:
        old, new = self._one_line(self.old), self._one_line(self.new)
        return f"`{self.file}:{self.function}`: `{old}` → `{new}`"

    def applied(self, text: str) -> str:
        """Return the source with the change made."""
        return text[: self.at] + self.new + text[self.at + len(self.old) :]

    @staticmethod
    def _one_line(source: str) -> str:
        return " ".join(source.split())


def changes(file: str, root: Path = ROOT) -> list[Change]:
    """Return every small change that the operators know for a file, in its order."""
    text = (root / file).read_text(encoding="utf-8")
    offset = offsets(text)
    found, module = [], ast.parse(text)
    for node in ast.walk(module):
        for part, new in _operators(node):
            at = offset(part.lineno, part.col_offset)
            end = offset(part.end_lineno or part.lineno, part.end_col_offset or 0)
            inside = innermost(module, part.lineno)
            function = inside.name if inside else "module"
            found.append(Change(file, function, part.lineno, at, text[at:end], new))
    return sorted(found, key=lambda change: (change.at, change.new))


def _operators(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield (what is replaced, its replacement) of one node."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            yield test, f"not ({ast.unparse(test)})"
        case ast.Raise():
            yield node, "pass"
        case ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield node, f"{ast.unparse(left)} {SWAPPED[type(op)]} {ast.unparse(right)}"
        case ast.BoolOp(op=op, values=values):
            other = " or " if isinstance(op, ast.And) else " and "
            yield node, f"({other.join(f'({ast.unparse(value)})' for value in values)})"
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            yield node, f"({number} + 1)"


def explained() -> str:
    """Return what is written of survivors."""
    return SURVIVORS.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Tried:
    """What came of a change: how many cases were asked, and whether one noticed."""

    change: Change
    cases: int
    noticed: bool
    explained: bool

    @property
    def word(self) -> str:
        if self.noticed:
            return "noticed"
        return "survives" if self.explained else "SURVIVES, UNEXPLAINED"


def drawn(seed: int, count: int, files: Sequence[str]) -> list[Change]:
    """Return the sample that a seed draws from all changes of some files.

    Whether a change is drawn hangs on itself, so that a sample outlives edits elsewhere.
    """
    every = [change for file in files for change in changes(file)]
    return sorted(every, key=lambda change: digest(f"{seed} {change}".encode()))[:count]


def asked(
    change: Change, probe: Probe | None, noted: Mapping[str, frozenset[str]]
) -> Sequence[str]:
    """Return the cases that reach a change, the quickest files' first."""
    return [
        case
        for file in ASKED[change.file]
        for case, said in noted.items()
        if case.startswith(f"{file}::") and (probe is None or probe.name in said)
    ]


def tried(sample: Sequence[Change], players: Sequence[Player]) -> Iterator[tuple[str, Tried]]:
    """Make each change and ask the cases that reach it; yield progress and outcome."""
    probes = {change: reached(change.file, change.at) for change in sample}
    tests = dict.fromkeys(test for change in sample for test in ASKED[change.file])
    noted = touched(players, filter(None, probes.values()), *tests)
    known = explained()

    def play(player: Player, change: Change) -> Tried:
        cases = asked(change, probes[change], noted)
        path = player.root / change.file
        whole = path.read_text(encoding="utf-8")
        write(path, change.applied(whole))
        try:
            failed = player.failures("-x", *cases) if cases else set()
        finally:
            write(path, whole)
        return Tried(change, len(cases), bool(failed), f"- {change}\n" in known)

    for progress, _, one in done(players, sample, play):
        yield progress, one


def summary(outcomes: Sequence[Tried]) -> Iterator[str]:
    """Yield a table: by file, how many changes were tried, noticed, and survive for a reason."""
    yield f"{'file':<36}{'tried':>7}{'noticed':>9}{'explained':>11}{'unexplained':>13}"
    for file in dict.fromkeys(sorted(one.change.file for one in outcomes)):
        of_it = [one for one in outcomes if one.change.file == file]
        noticed = sum(one.noticed for one in of_it)
        told = sum(not one.noticed and one.explained for one in of_it)
        left = len(of_it) - noticed - told
        yield f"{file:<36}{len(of_it):>7}{noticed:>9}{told:>11}{left:>13}"


def main(seed: int, count: int, files: Sequence[str]) -> int:
    """Try a sample; print a line for each change; return how many survive unexplained."""
    sample = drawn(seed, count, files)
    print(f"seed {seed}: {len(sample)} changes in {len(files)} files", flush=True)
    outcomes: list[Tried] = []
    with crew("tests") as players:
        for progress, one in tried(sample, players):
            outcomes.append(one)
            where = f"line {one.change.line} of {one.change}"
            print(f"{progress} {where} — {one.word} ({one.cases} cases reach it)", flush=True)
    print("", *summary(outcomes), "", sep="\n")
    unexplained = [one for one in outcomes if not one.noticed and not one.explained]
    for one in unexplained:
        print(f"line {one.change.line} of {one.change}")
    print(f"{len(unexplained)} unexplained survivors")
    return len(unexplained)


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen_seed = int(words[0]) if words else random.SystemRandom().randrange(10**6)
    chosen_count = int(words[1]) if len(words) > 1 else COUNT
    sys.exit(min(1, main(chosen_seed, chosen_count, words[2:] or list(ASKED))))
