"""Durable appends in batches beside bare SQLite commits of the same rows.

Lives here: both ways over the same batches, each into a file of its own with the log's own schema
and pragmas. Must not know: how the log keeps its tree.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

from benchmarks.rates.entries import batch
from benchmarks.rates.pairs import Rate, compare
from federation.log import database
from federation.log.entry import NewEntry
from federation.log.store import LogStore, create_log

ENTRY_BYTES = 4_000
ORIGIN = "log.example"
_COLUMNS = '"index", digest, payload_type, envelope, replay_identity, appended_ms'
_INSERT = f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 constants


def measure(size: int, pairs: int) -> Rate:
    """Append ``pairs`` batches of ``size`` entries, and commit as many bare ones in turn."""
    with tempfile.TemporaryDirectory(prefix="bench-appends-") as folder:
        log, bare = Path(folder) / "log.sqlite", Path(folder) / "bare.sqlite"
        for path in (log, bare):
            create_log(path, ORIGIN)
        engine = database.engine(bare)  # a connection of the log's own making, pragmas included
        with closing(LogStore(log)) as store, closing(engine.raw_connection()) as pooled:
            connection = cast(sqlite3.Connection, pooled.driver_connection)
            made = _pairs(store, connection, size, pairs)
            name = f"entries appended durably in batches of {size:,}, beside bare SQLite commits"
            return compare(name, made, size)


def _pairs(
    store: LogStore, connection: sqlite3.Connection, size: int, pairs: int
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    for number in range(pairs):
        entries = batch(number * size, size, ENTRY_BYTES)
        yield (
            partial(_append, store, entries),
            partial(_commit, connection, number * size, entries),
        )


def _append(store: LogStore, entries: Sequence[NewEntry]) -> None:
    store.append(entries, 0)


def _commit(connection: sqlite3.Connection, first: int, entries: Sequence[NewEntry]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        _INSERT,
        (
            (index, e.digest, e.payload_type, e.envelope, e.replay_identity, 0)
            for index, e in enumerate(entries, start=first)
        ),
    )
    connection.execute("COMMIT")
