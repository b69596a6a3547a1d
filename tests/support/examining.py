"""Examining a home in a test: what each check says, and that nothing was changed by asking."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from federation.watch.checks import Check, Finding, Verdict, examine
from support.administration import contents

S = TypeVar("S")


def findings(checks: tuple[Check[S], ...], patient: S) -> dict[str, Finding]:
    """Return what every check says."""
    return {result.check: result.finding for result in examine(checks, patient)}


def bad(found: dict[str, Finding]) -> dict[str, Verdict]:
    """Return the checks that neither hold nor wait for another one."""
    good = (Verdict.OK, Verdict.SKIPPED)
    return {name: one.verdict for name, one in found.items() if one.verdict not in good}


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing in ``folder`` is another after the block: bytes, rows, modes, names."""
    before = contents(folder)
    yield
    assert contents(folder) == before
