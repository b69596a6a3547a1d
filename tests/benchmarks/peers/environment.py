"""An environment of its own for each other system, made once from a lock with hashes.

Must not know: what is run in it. Ours is never touched.
"""

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "bench-venvs"
LOCKS = Path(__file__).parent / "locks"


@dataclass(frozen=True)
class Environment:
    """An installed environment; ``lock`` is the file that it was made from."""

    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def program(self, name: str) -> Path:
        """One of its console scripts."""
        return self.folder / "bin" / name

    def version(self, package: str) -> str:
        """The version of a package as its lock pins it."""
        rows = self.lock.read_text(encoding="utf-8").splitlines()
        row = next(row for row in rows if row.startswith(f"{package}=="))
        return row.removeprefix(f"{package}==").split()[0]


def environment(name: str) -> Environment:
    """Return the environment of ``locks/NAME.txt``, installed now unless it is there already."""
    lock = LOCKS / f"{name}.txt"
    read = lock.read_bytes()
    made = Environment(FOLDER / f"{name}-{hashlib.sha256(read).hexdigest()[:16]}", lock)
    stamp = made.folder / ".complete"
    if not stamp.exists():
        print(f"installing {name} into {made.folder.name} …", file=sys.stderr, flush=True)
        venv.create(made.folder, with_pip=True, clear=True)
        options = ("--quiet", "--disable-pip-version-check", "--require-hashes")
        argv = [made.python, "-m", "pip", "install", *options, "-r", lock]
        subprocess.run(argv, env={**os.environ, "PYTHONPATH": ""}, check=True)
        stamp.touch()
    return made
