"""A node's store on disk, migrated, as every test of the node begins with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store.engine import Store, open_store
from node.store.migrations import migrate


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store" / "node.db")
    migrate(opened.engine)
    yield opened
    opened.close()
