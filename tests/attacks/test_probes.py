"""A probe tells in which cases a broken line would make a difference."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from attacks.case import ROOT
from attacks.mutants import mutants
from attacks.probes import probe_of, reached
from attacks.sources import difference
from attacks.touching import Watched

WHOLE = """
def guard(value):
    if value < 0 or value > 9:
        raise ValueError
    check(value)
    return value
"""


def test_the_innermost_statement_that_differs_is_found() -> None:
    found = difference(WHOLE, WHOLE.replace("value < 0 or ", ""))
    assert found is not None
    assert (found.before.lineno, type(found.after).__name__) == (3, "If")  # type: ignore[attr-defined]
    taken_out = difference(WHOLE, WHOLE.replace("    check(value)\n", ""))
    assert taken_out is not None
    assert taken_out.before.lineno == 5  # type: ignore[attr-defined]
    assert taken_out.after is None


def test_two_differences_are_none_that_can_be_watched() -> None:
    twice = WHOLE.replace("value < 0", "False").replace("check(value)", "pass")
    assert difference(WHOLE, twice) is None


def guard(value: int) -> int:
    if value < 0 or value > 9:
        raise ValueError(value)
    return value


FIRST = guard.__code__.co_firstlineno


@pytest.mark.parametrize(
    ("watched", "mattering"),
    [
        (
            Watched("a bound lost", FIRST + 1, FIRST + 1, "value < 0 or value > 9", "value > 9"),
            {-1},
        ),
        (Watched("both lost", FIRST + 1, FIRST + 1, "value < 0 or value > 9", "False"), {-1, 10}),
        (Watched("untold", FIRST + 1, FIRST + 1, "value < 0", "no_such_name"), {-1, 5, 10}),
        (Watched("raising", FIRST + 2, FIRST + 2, "", ""), {-1, 10}),
        (Watched("reached", FIRST + 3, FIRST + 3, "True", "False"), {5}),
    ],
)
def test_a_probe_is_noted_where_the_broken_line_would_matter(
    watched: Watched, mattering: set[int]
) -> None:
    assert {value for value in (-1, 5, 10) if noted(watched, lambda v=value: guard(v))} == mattering


def noted(watched: Watched, call: Callable[[], object]) -> bool:
    seen: list[bool] = []

    def inside(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is guard.__code__:
            seen.append(watched.matters(frame, event))
        return inside

    before = sys.gettrace()
    sys.settrace(inside)
    try:
        call()
    except ValueError:
        pass
    finally:
        sys.settrace(before)
    return any(seen)


def test_most_guards_of_the_table_are_watched_by_what_they_decide() -> None:
    edits = {edit.where + edit.line: edit for mutant in mutants() for edit in mutant.guard.edits}
    probes = [probe_of(edit) for edit in edits.values()]
    assert sum(probe is not None for probe in probes) > len(probes) * 3 // 4


def test_a_line_that_does_more_than_refuse_is_watched_by_its_function() -> None:
    doing = [edit for mutant in mutants() for edit in mutant.guard.edits if edit.does]
    assert doing
    assert all(probe_of(edit) is None for edit in doing)


def test_what_is_outside_functions_or_in_their_heads_is_reached_by_everything() -> None:
    text = (ROOT / "federation/trust.py").read_text(encoding="utf-8")
    assert reached("federation/trust.py", text.index("import")) is None
    head = text.index("leaf_index: int | None")
    assert reached("federation/trust.py", head) is None
    inside = reached("federation/trust.py", text.index("raise "))
    assert inside is not None
    assert inside.function.startswith("federation/trust.py:")
