"""A node's store on disk, migrated, as every test of the node begins with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store.engine import Store, open_store
from node.store.migrations import migrate


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file; migrating anew for each test would cost most of the time."""
    path = tmp_path_factory.mktemp("template") / "node.db"
    opened = open_store(path)
    migrate(opened.engine)
    opened.close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Iterator[Store]:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    shutil.copy(empty_database, folder / "node.db")
    opened = open_store(folder / "node.db")
    yield opened
    opened.close()
