"""Plays test cases in a copy of the packages, as often as asked, without starting anew each time.

Lives here: a process that has other people's packages loaded and forks for every play; the fork
loads ours from the copy as it stands then. Must not know: guards, mutants, or what is played.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Self

import pytest

OURS = ("federation", "node", "deploy", "attacks", "support", "__main__")
ENDED = "the process ended"
REPORT, TOLD = "report.xml", "told.txt"


class Player:
    """A process that plays cases in the copy at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        temporary = root / "temporary"
        temporary.mkdir(exist_ok=True)
        path = f"{root}{os.pathsep}{root / 'tests'}"
        environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)}
        # the copy is thrown away with whatever is written into it
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "attacks.player"],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def failures(self, *arguments: str) -> set[str]:
        """Play what pytest's arguments say; return the names of cases that failed.

        A play that ends without a report failed as a whole: ``{ENDED}``.
        """
        report = self.root / REPORT
        report.unlink(missing_ok=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\0".join(arguments) + "\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError(f"the copy does not even start:\n{self.told}")
        if not report.exists():
            return {ENDED}
        cases = ET.parse(report).iter("testcase")  # noqa: S314 written by our own pytest
        failed = (c for c in cases if any(part.tag in ("failure", "error") for part in c))
        return {case.attrib["name"] for case in failed}

    @property
    def told(self) -> str:
        """What the last play printed."""
        with contextlib.suppress(FileNotFoundError):
            return (self.root / TOLD).read_text(encoding="utf-8", errors="replace")
        return ""


def serve() -> None:
    """Play each line of standard input in a fork of its own; print a line when it has ended."""
    for name in _packages():
        # some parts of packages come with others and have no way in of their own
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _play(line.rstrip("\n").split("\0"))
        os.waitpid(child, 0)
        print("played", flush=True)


def _packages() -> list[str]:
    """Names of the modules that playing loads and that are not ours, found out in a fork."""
    names, said = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            importlib.import_module("attacks.test_attacks")
        os.close(names)
        with os.fdopen(said, "w") as pipe:
            pipe.write("\n".join(sys.modules))
        os._exit(0)
    os.close(said)
    with os.fdopen(names) as pipe:
        loaded = pipe.read().split()
    os.waitpid(child, 0)
    return [name for name in loaded if name.partition(".")[0] not in OURS]


def _play(arguments: list[str]) -> None:
    """In the fork: play, write the report, end."""
    told = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (told, 1), (told, 2)):
        os.dup2(source, target)
    code = 1
    try:
        keep_none = ("-o", "tmp_path_retention_policy=none", "--timeout=120")
        code = pytest.main(["-q", f"--junitxml={REPORT}", *keep_none, *arguments])
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
