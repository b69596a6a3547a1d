"""A pytest plugin that notes which functions of the packages each test case calls.

Lives here: the noting. Must not know: guards or mutants. A case that never calls a function cannot
tell whether it is broken, so a mutant need not be played against it.
"""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

PACKAGES = ("federation", "node")
TOUCHED = "touched.json"


class Touching:
    """Notes ``file:line`` of each function called, by test case; lines are those of its code."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = tuple(f"{root / package}/" for package in PACKAGES)
        self._called: set[tuple[str, int]] = set()
        self._by_case: dict[str, list[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self._called = set()
        sys.settrace(self._note)
        threading.settrace(self._note)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self._by_case[item.nodeid] = self._relative()

    def pytest_sessionfinish(self) -> None:
        (self._root / TOUCHED).write_text(json.dumps(self._by_case), encoding="utf-8")

    def _note(self, frame: FrameType, _event: str, _: object) -> None:
        """Called with each call; as it returns no tracer, lines are not traced."""
        if frame.f_code.co_filename.startswith(self._folders):
            self._called.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def _relative(self) -> list[str]:
        return [f"{Path(f).relative_to(self._root)}:{line}" for f, line in sorted(self._called)]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Touching(config.rootpath))
