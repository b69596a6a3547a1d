"""Running other systems' programs: in a folder of their own, with the environment they are given.

Must not know: which system, or what its files mean.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.study.demo.processes import Service

PAUSE_S = 0.1  # between two looks at a file that another system's process writes


def program(
    name: str, folder: Path, argv: Sequence[str | Path], variables: Mapping[str, str]
) -> Service:
    """Start a program in ``folder``; its lines go to NAME.log there."""
    given = (f"{key}={value}" for key, value in variables.items())
    words = ["env", f"--chdir={folder}", *given, *map(str, argv)]
    return Service(name, words, folder / f"{name}.log")


def wait_for_lines(file: Path, count: int, services: Sequence[Service], within_s: float) -> None:
    """Return once ``file`` has ``count`` lines; RuntimeError when a program ended or time is up."""
    deadline = time.monotonic() + within_s
    while not file.exists() or len(file.read_text("ascii").splitlines()) < count:
        gone = [service.name for service in services if not service.running]
        if gone or time.monotonic() > deadline:
            why = f"{', '.join(gone)} ended" if gone else f"not within {within_s:g} s"
            raise RuntimeError(f"{file.name} never came to {count} lines: {why}")
        time.sleep(PAUSE_S)
