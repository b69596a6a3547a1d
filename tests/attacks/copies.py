"""A copy of the packages in which lines are broken and mended.

Lives here: the copy and the edits. Must not know: how it is played.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attacks.case import ROOT, Guard

PACKAGES = ("federation", "node", "pyproject.toml")
TESTS = ("tests/attacks", "tests/support")
# stores that live for a moment need no disk
MEMORY = Path("/dev/shm")  # noqa: S108 a folder of our own inside it


@contextlib.contextmanager
def copied(*tests: str) -> Iterator[Path]:
    """Yield a folder with a copy of the packages and of ``tests``, by default the table's."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for name in (*PACKAGES, *(tests or TESTS)):
            source, target = ROOT / name, Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        yield Path(folder)


@contextlib.contextmanager
def broken(root: Path, guard: Guard) -> Iterator[None]:
    """Break a guard's lines in the copy at ``root``, and mend them afterwards."""
    whole = {edit.file: (root / edit.file).read_text(encoding="utf-8") for edit in guard.edits}
    try:
        for edit in guard.edits:
            at, path = edit.position(root), root / edit.file
            text = path.read_text(encoding="utf-8")
            write(path, text[:at] + edit.broken + text[at + len(edit.line) :])
        yield
    finally:
        for file, text in whole.items():
            write(root / file, text)


def write(path: Path, text: str) -> None:
    """Write a source file; its compiled form, told by size and second, must not outlive it."""
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
