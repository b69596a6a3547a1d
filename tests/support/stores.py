"""A node's migrated database, made once and copied: migrating anew costs most of a short test."""

import functools
import shutil
import tempfile
from pathlib import Path

from node.store.engine import open_store
from node.store.migrations import migrate


def create(path: Path) -> Path:
    """Migrate a new database at ``path``."""
    opened = open_store(path)
    migrate(opened.engine)
    opened.close()
    return path


def own_copy(database: Path, folder: Path) -> Path:
    """Return a private copy of an empty ``database`` in a new ``folder``."""
    folder.mkdir(mode=0o700)
    return Path(shutil.copy(database, folder / "node.db"))


def fresh(folder: Path) -> Path:
    """Return an empty database in a new ``folder``, a copy of one made for this process."""
    return own_copy(create_once(), folder)


@functools.cache
def create_once() -> Path:
    """Return the process's own empty database; it is gone with the process's temporary files."""
    return create(Path(_folder().name) / "node.db")


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory()
