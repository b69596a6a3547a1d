"""What an attack is: a line of the table, the stage it is played on, and the line that stops it.

Lives here: the shape of the table and how one case is judged. Must not know: any single attack.
"""

import ast
import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, Self

from federation.acceptance.table import STEPS
from federation.errors import LaborfedError, Reason

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ROOT = Path(__file__).parents[2]


class By(StrEnum):
    """Who attacks."""

    COORDINATOR = "coordinator"
    CITY = "city"
    OUTSIDER = "outsider"
    MINORITY = "administrator minority"


class Stage(Protocol):
    """A place where attacks are played: real parts, and the victim's state.

    Built in a folder of its own. ``state`` is everything that an accepted document or an answer may
    change; it must compare equal before and after an attack.
    """

    def __init__(self, folder: Path) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def state(self) -> object: ...


# The blow itself. It raises what refuses it, or returns the reason of a signed refusal; anything
# else that it returns means that it was let through.
Strike = Callable[[], object]
# Prepares a blow on a stage; whatever it does before is not yet the attack.
Act = Callable[[Any], Strike]


@dataclass(frozen=True)
class Guard:
    """The line that stops an attack, and the same line broken.

    ``line`` occurs exactly once in ``file``. ``backed_by``: guards that would stop the attack for
    the same reason, broken together with this one. ``stops_too``: names of attacks that this line
    stops as well, whose own guards are others. ``does``: the line is a call that does more than
    refuse, so that its absence shows elsewhere too.
    """

    file: str
    line: str
    broken: str
    backed_by: tuple["Guard", ...] = ()
    stops_too: tuple[str, ...] = ()
    does: bool = False

    @property
    def edits(self) -> tuple["Guard", ...]:
        """Every line to break."""
        return (self, *self.backed_by)

    @property
    def lines(self) -> frozenset[tuple[str, str, str]]:
        """What breaking the guard changes."""
        return frozenset((edit.file, edit.line, edit.broken) for edit in self.edits)

    def position(self, root: Path = ROOT) -> int:
        """Offset of the line in its file; ValueError unless it is there exactly once."""
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.line) != 1:
            found = text.count(self.line)
            raise ValueError(f"{self.file}: found {found} times, not once:\n{self.line}")
        return text.index(self.line)

    @property
    def where(self) -> str:
        """``file:function`` of the line."""
        function = self._function
        return f"{self.file}:{function.name if function else 'module'}"

    @property
    def called_as(self) -> str | None:
        """``file:line`` as the function's code names itself; None for a line outside functions."""
        return _code(self.file, self._function)

    @functools.cached_property
    def _function(self) -> Definition | None:
        text = (ROOT / self.file).read_text(encoding="utf-8")
        at = self.position()
        # a line that begins with a line break stands on the next one
        at += len(self.line) - len(self.line.lstrip("\n"))
        return innermost(ast.parse(text), text.count("\n", 0, at) + 1)


@dataclass(frozen=True)
class Attack:
    """One line of the table.

    ``act`` prepares the attack, ``twin`` its honest counterpart on the same stage. ``reason`` None:
    the attack is let in and does no harm, which its strike shows by itself. ``step``: the
    acceptance step that must be named, where the door refuses.
    """

    name: str
    by: By
    act: Act
    reason: Reason | None
    guard: Guard
    stage: type[Stage]
    twin: Act
    step: int | None = None

    def __str__(self) -> str:
        return f"{self.name} [{self.by}]"

    def check(self, strike: Strike) -> None:
        """Strike; the attack must be refused for its reason, at its step."""
        reason, told = outcome(strike)
        assert reason == self.reason, f"{reason}: {told}"
        if self.step is not None:
            assert told.startswith(f"step {self.step} ({STEPS[self.step]}): "), told


def outcome(strike: Strike) -> tuple[Reason | None, str]:
    """Return why a blow was refused and the sentence, None and nothing when it was let through."""
    try:
        answer = strike()
    except LaborfedError as error:
        return error.reason, error.message
    return (answer, "") if isinstance(answer, Reason) else (None, "")


def called_as(module: ast.Module, file: str, line: int) -> str | None:
    """``file:line`` as the function that holds a line names itself; None outside functions."""
    return _code(file, innermost(module, line))


def _code(file: str, function: Definition | None) -> str | None:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    first = min((node.lineno for node in function.decorator_list), default=function.lineno)
    return f"{file}:{first}"


def innermost(module: ast.Module, line: int) -> Definition | None:
    """The function, else class, that holds a line; None for the module's own lines."""
    inside = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return min(inside, key=lambda n: (n.end_lineno or 0) - n.lineno, default=None)
