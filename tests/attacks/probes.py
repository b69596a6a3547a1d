"""What an unbroken run tells of a broken line: the cases in which it would make a difference.

Lives here: which places are watched, and for what. Must not know: how a run is watched.

A case that reaches a broken line with the same outcome as before goes on as before, so that a
mutant need be played against the others only. Where a condition or a value is broken, both forms of
it are evaluated and compared; where a call or a ``raise`` is taken out, it matters if it raised. Of
other lines nothing is known but whether their function was called.
"""

import ast
from dataclasses import dataclass

from attacks.case import ROOT, Guard, called_as
from attacks.sources import Difference, difference


@dataclass(frozen=True)
class Probe:
    """A place to watch: lines ``first`` to ``last`` of a function (``file:line`` of its code).

    ``whole`` and ``broken`` are two conditions that come out alike where the broken line does not
    matter; both empty: it matters where the place raises.
    """

    function: str
    first: int
    last: int
    whole: str = ""
    broken: str = ""

    @property
    def name(self) -> str:
        """What a run notes when the broken line would make a difference."""
        return f"{self.function}: {self.first} {self.whole} → {self.broken}"


def probe_of(edit: Guard) -> Probe | None:
    """Return the place that tells whether a broken line matters; None where none does."""
    if edit.called_as is None:
        return None
    text = (ROOT / edit.file).read_text(encoding="utf-8")
    at = edit.position()
    found = difference(text, text[:at] + edit.broken + text[at + len(edit.line) :])
    return _watched(edit.called_as, found) if found and not edit.does else None


def reached(file: str, at: int) -> Probe | None:
    """Return the probe that matters to whatever reaches the statement at an offset of a file.

    None for a statement outside functions, which everything reaches.
    """
    text = (ROOT / file).read_text(encoding="utf-8")
    line = text.count("\n", 0, at) + 1
    tree = ast.parse(text)
    function = called_as(tree, file, line)
    around = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and _holds(n, line)]
    # a decorator stands before the statement that it belongs to
    if function is None or not around:
        return None
    statement = max(around, key=lambda node: node.lineno)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return None  # a default is worked out when the function is made
    # always different, so that being there is enough
    return Probe(function, statement.lineno, _last(statement), "True", "False")


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _last(statement: ast.stmt) -> int:
    """Last line of a statement, of a compound one's head."""
    body = getattr(statement, "body", None)
    return body[0].lineno - 1 if body else statement.end_lineno or statement.lineno


def _watched(function: str, found: Difference) -> Probe | None:
    before, after = found.before, found.after
    place = (function, before.lineno, before.end_lineno or before.lineno)
    match before, after:
        case ast.If(), ast.If() if _same(before, after, "body", "orelse"):
            return Probe(function, before.lineno, _last(before), *_written(before.test, after.test))
        case ((ast.Return() | ast.Assign()), (ast.Return() | ast.Assign())) if _same(
            before, after, "targets"
        ):
            whole, broken = _written(before.value, after.value)
            return Probe(*place, "True", f"({whole}) == ({broken})")
        case ast.Raise(), _:
            return Probe(*place)
        case ast.Expr(value=ast.Call()), None | ast.Pass() | ast.Assign():
            return Probe(*place)
    return None


def _same(one: ast.stmt, other: ast.stmt, *fields: str) -> bool:
    """Whether two statements are of one type and agree in some fields."""
    ours, theirs = (
        [ast.dump(part) for name in fields for part in getattr(statement, name, ())]
        for statement in (one, other)
    )
    return type(one) is type(other) and ours == theirs


def _written(*nodes: ast.expr | None) -> list[str]:
    """Sources of expressions; of a missing one, None."""
    return [ast.unparse(node) if node else "None" for node in nodes]
