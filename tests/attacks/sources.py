"""Places and differences in source text: what one small edit changes in a function.

Lives here: offsets and the comparison of two parsed sources. Must not know: guards, cases, mutants.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def offsets(text: str) -> Callable[[int, int], int]:
    """Return the function from a node's line and column (columns count bytes) to an offset."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(line: int, column: int) -> int:
        whole = text[starts[line - 1] : starts[line]].encode()
        return starts[line - 1] + len(whole[:column].decode())

    return offset


@dataclass(frozen=True)
class Difference:
    """The one statement that differs; ``after`` None where it was taken out."""

    before: ast.stmt
    after: ast.stmt | None


def difference(before: str, after: str) -> Difference | None:
    """Return the innermost statement in which two sources differ; None where more than one does."""
    return _in_list(ast.parse(before).body, ast.parse(after).body)


def _in_list(before: Sequence[ast.AST], after: Sequence[ast.AST]) -> Difference | None:
    old, new = list(before), list(after)
    while old and new and _same(old[0], new[0]):
        del old[0], new[0]
    while old and new and _same(old[-1], new[-1]):
        del old[-1], new[-1]
    if len(old) != 1 or len(new) > 1:
        return None
    return _in_statement(old[0], new[0]) if new else Difference(old[0], None)


def _in_statement(before: ast.AST, after: ast.AST) -> Difference | None:
    if type(before) is not type(after):
        return Difference(before, after)
    pairs = zip(ast.iter_fields(before), ast.iter_fields(after), strict=True)
    changed = [(old, new) for (_, old), (_, new) in pairs if not _same(old, new)]
    old, new = changed[0]
    blocks = all(isinstance(one, list) and one and hasattr(one[0], "lineno") for one in (old, new))
    if len(changed) == 1 and blocks and isinstance(old[0], ast.stmt | ast.ExceptHandler):
        return _in_list(old, new)
    return Difference(before, after)


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return ast.dump(one) == ast.dump(other)
    return one == other
