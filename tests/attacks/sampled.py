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

from attacks.case import ROOT
from attacks.mutants import PLAYED, copied, failures, write

# The quickest tests first: the first that fails ends a mutant.
ASKED: Mapping[str, Sequence[str]] = {
    "federation/acceptance/door.py": ("tests/federation/test_acceptance.py", PLAYED),
    "federation/acceptance/steps.py": ("tests/federation/test_acceptance.py", PLAYED),
    "federation/trust.py": ("tests/federation/test_trust.py", PLAYED),
    "federation/crypto/masking.py": ("tests/federation/crypto/test_masking.py", PLAYED),
    "node/gate.py": ("tests/node/test_gate.py", PLAYED, "tests/node/test_participant.py"),
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
    """One small change: ``old``, at offset ``at`` of ``file``, becomes ``new``."""

    file: str
    line: int
    at: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"`{self.file}`: `{self._one_line(self.old)}` → `{self._one_line(self.new)}`"

    def applied(self, text: str) -> str:
        """Return the source with the change made."""
        return text[: self.at] + self.new + text[self.at + len(self.old) :]

    @staticmethod
    def _one_line(source: str) -> str:
        return " ".join(source.split())


def changes(file: str, root: Path = ROOT) -> list[Change]:
    """Return every small change that the operators know for a file, in its order."""
    text = (root / file).read_text(encoding="utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(line: int, column: int) -> int:
        # columns count bytes
        whole = text[starts[line - 1] : starts[line]].encode()
        return starts[line - 1] + len(whole[:column].decode())

    found = []
    for node in ast.walk(ast.parse(text)):
        for part, new in _operators(node):
            at = offset(part.lineno, part.col_offset)
            end = offset(part.end_lineno or part.lineno, part.end_col_offset or 0)
            found.append(Change(file, part.lineno, at, text[at:end], new))
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


def main(seed: int, count: int, files: Sequence[str]) -> int:
    """Try a sample; print a line for each change; return how many survive unexplained."""
    every = [change for file in files for change in changes(file)]
    drawn = random.Random(seed).sample(every, min(count, len(every)))
    known, unexplained = explained(), 0
    print(f"seed {seed}: {len(drawn)} of {len(every)} changes in {len(files)} files", flush=True)
    with copied("tests") as root:
        for number, change in enumerate(drawn, start=1):
            path = root / change.file
            whole = path.read_text(encoding="utf-8")
            write(path, change.applied(whole))
            failed, _ = failures(root, "-x", *ASKED[change.file])
            write(path, whole)
            said = "noticed" if failed else "survives"
            if not failed and str(change) not in known:
                unexplained, said = unexplained + 1, "SURVIVES, UNEXPLAINED"
            print(f"[{number}/{len(drawn)}] line {change.line} of {change} — {said}", flush=True)
    print(f"{unexplained} unexplained survivors")
    return unexplained


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen_seed = int(words[0]) if words else random.SystemRandom().randrange(10**6)
    chosen_count = int(words[1]) if len(words) > 1 else COUNT
    sys.exit(min(1, main(chosen_seed, chosen_count, words[2:] or list(ASKED))))
