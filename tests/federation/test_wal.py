"""Write-ahead logs are folded beside the work: never in a commit, never lost."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql

from federation import wal
from federation.log import database
from node.store.engine import open_store

MEGABYTE = bytes(2**20)
Open = Callable[[Path], sql.Engine]


def coordinators(path: Path) -> sql.Engine:
    path.touch()
    return database.engine(path)


def nodes(path: Path) -> sql.Engine:
    return open_store(path).engine


@pytest.fixture(params=[coordinators, nodes], ids=["coordinator", "node"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A database with a row of 8 MB, twice what SQLite would fold by itself, still open."""
    tmp_path.chmod(0o700)
    path = tmp_path / "some.sqlite"
    engine = request.param(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (content BLOB)")
        connection.exec_driver_sql("INSERT INTO kept VALUES (?)", (8 * MEGABYTE,))
    yield path
    engine.dispose()


def rows_in_file_alone(path: Path) -> int:
    """Count rows that a copy without its write-ahead log shows; -1 when not all is there."""
    alone = path.with_name("alone.sqlite")
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM kept").fetchone()[0])
        except sqlite3.DatabaseError:  # nothing there yet, or half of it
            return -1


def test_a_commit_leaves_folding_to_others(written: Path) -> None:
    assert rows_in_file_alone(written) == -1
    wal.fold(written)
    assert rows_in_file_alone(written) == 1


def test_the_task_folds_what_it_can_and_goes_on(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "FOLD_S", 0.0)
    missing = written.with_name("missing.sqlite")

    async def until_folded() -> None:
        task = asyncio.create_task(wal.keep_folding([missing, written]))
        while rows_in_file_alone(written) != 1:
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()

    asyncio.run(asyncio.wait_for(until_folded(), 60))
    assert not missing.exists()
