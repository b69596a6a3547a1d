"""Opening the node's database: one private SQLite file, durable commits, single writer.

Transactions begin here and nowhere else. This file must not know a table.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from federation import wal
from federation.errors import Reason, StorageFault
from federation.permissions import require_private
from federation.vectors import VectorFile

# How long a writer waits for another before it gives up, milliseconds.
BUSY_TIMEOUT_MS = 15_000


class Store:
    """The node's database. ``read`` sees one snapshot; ``write`` is serialised and durable.

    ``vectors``: what is too large for its rows.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.vectors = VectorFile(path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot. Raises StorageFault(STORAGE)."""
        with begun(self.engine, "BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start and commits at its end.

        Raises StorageFault(STORAGE) when the lock, the disk or a constraint fails.
        """
        with begun(self.engine, "BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def rehearsal(self) -> Iterator[Connection]:
        """A ``write`` that is always taken back at its end; raises what ``write`` raises."""
        with self.write() as connection:
            everything = connection.begin_nested()
            yield connection
            everything.rollback()

    def close(self) -> None:
        """Release the file."""
        self.engine.dispose()


@contextmanager
def begun(engine: Engine, begin: str) -> Iterator[Connection]:
    """One transaction that ``begin`` opens; raises StorageFault(STORAGE)."""
    try:
        with engine.connect() as connection, connection.begin():
            # past SQLAlchemy, for which this would be one statement more to prepare
            connection.connection.cursor().execute(begin)
            yield connection
    except (DBAPIError, sqlite3.Error) as error:
        # The statement's parameters may be records: only the database's own words are kept.
        said = getattr(error, "orig", None) or error
        raise StorageFault(Reason.STORAGE, f"database: {said}") from None


def open_store(path: Path) -> Store:
    """Open or create the database file ``path`` (mode 0600, its folder 0700).

    The schema is not touched: see :func:`node.store.migrations.migrate`. Raises
    Misconfigured(PERMISSIONS) when folder or file are open to other accounts.
    """
    _claim(path)
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure)
    return Store(engine, path)


def open_to_read(path: Path) -> Store:
    """Open an existing database to look at it: no statement of this process can change it.

    Raises as :func:`open_store`.
    """
    store = open_store(path)
    event.listen(store.engine, "connect", _only_reading)
    return store


def quick_check(connection: Connection) -> list[str]:
    """What SQLite finds wrong with pages, rows and indexes; empty when all is well."""
    rows = connection.exec_driver_sql("PRAGMA quick_check(10)").scalars()
    return [str(row) for row in rows if row != "ok"]


def _claim(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(path.parent)
    # Created here, as SQLite would follow the umask; its -wal and -shm files copy this mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    require_private(path)


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin in begun(), not in the driver
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    wal.bound(connection)


def _only_reading(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
