"""Notes what each test case calls, and which probes would have mattered to it; also under pytest.

Lives here: the noting. Must not know: guards or mutants. What is watched, and which part of the
cases is played, stands for pytest in a file of the folder in which the tests run.
"""

import contextlib
import json
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

PACKAGES = ("federation", "node")
TOUCHED = "touched.json"
WATCHED = "watched.json"


class Watched:
    """One probe: a place whose two forms are compared, or whose raising is noted."""

    def __init__(self, name: str, first: int, last: int, whole: str, broken: str) -> None:
        self.name = name
        self._lines = range(first, last + 1)
        self._forms: list[CodeType] = [
            compile(form, "<probe>", "eval") for form in (whole, broken) if form
        ]

    def matters(self, frame: FrameType, event: str) -> bool:
        """Say whether what happens in the frame would differ, were the line broken."""
        if frame.f_lineno not in self._lines:
            return False
        if not self._forms:
            return event == "exception"
        return event == "line" and self._differ({**frame.f_globals, **frame.f_locals})

    def _differ(self, names: dict[str, Any]) -> bool:
        try:
            whole, broken = (bool(eval(form, names)) for form in self._forms)  # noqa: S307 ours
        except Exception:  # noqa: BLE001 what cannot be told here is left to the mutant
            return True
        return whole is not broken


class Noting:
    """Notes ``file:line`` of each function of the packages called, and names of probes.

    ``probes``: for each, its function as ``file:line`` and what :class:`Watched` is made of.
    """

    def __init__(self, root: Path, probes: Iterable[Sequence[Any]]) -> None:
        self._root = root
        self._folders = tuple(f"{root / package}/" for package in PACKAGES)
        self._watched: dict[str, list[Watched]] = {}
        for function, *probe in probes:
            self._watched.setdefault(f"{root}/{function}", []).append(Watched(*probe))
        self._noted: set[str] = set()

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Note anew what is called inside."""
        self._noted = set()
        sys.settrace(self._called)
        threading.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]

    @property
    def noted(self) -> list[str]:
        """What was noted, in order of names."""
        return sorted(one.removeprefix(f"{self._root}/") for one in self._noted)

    def _called(self, frame: FrameType, _event: str, _: object) -> Any:
        """Called with each call; only functions that hold a probe are traced further."""
        code = frame.f_code
        if not code.co_filename.startswith(self._folders):
            return None
        name = f"{code.co_filename}:{code.co_firstlineno}"
        self._noted.add(name)
        return self._inside if name in self._watched else None

    def _inside(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        watched = self._watched[f"{code.co_filename}:{code.co_firstlineno}"]
        self._noted.update(probe.name for probe in watched if probe.matters(frame, event))
        return self._inside


class Touching:
    """The plugin: one part of the cases is played, and what each calls is written down."""

    def __init__(self, root: Path) -> None:
        told = json.loads((root / WATCHED).read_text(encoding="utf-8"))
        self._part, self._parts = told["part"], told["parts"]
        self._noting = Noting(root, told["probes"])
        self._written = root / TOUCHED
        self._by_case: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = items[self._part :: self._parts]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        with self._noting.begun():
            yield
        self._by_case[item.nodeid] = self._noting.noted

    def pytest_sessionfinish(self) -> None:
        self._written.write_text(json.dumps(self._by_case), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Touching(config.rootpath))
