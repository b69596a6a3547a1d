"""The log's tables and how they are reached: one SQLite file, WAL, every commit on disk.

Knows SQL and nothing else does; must not know what may be appended or proved.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from federation import wal
from federation.errors import Reason, StorageFault
from federation.log import merkle

Result = TypeVar("Result")

BUSY_SECONDS = 30.0  # a second writer waits its turn this long before it fails

metadata = sql.MetaData()
entries = sql.Table(
    "entries",
    metadata,
    sql.Column("index", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("digest", sql.LargeBinary, nullable=False),
    sql.Column("payload_type", sql.Text, nullable=False),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
    sql.Column("replay_identity", sql.LargeBinary, nullable=False, unique=True),
    sql.Column("appended_ms", sql.Integer, nullable=False),
)
# level 0 is not here: a leaf hash is one hash away from its entry's digest
nodes = sql.Table(
    "nodes",
    metadata,
    sql.Column("level", sql.Integer, primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("hash", sql.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
head = sql.Table(
    "head",
    metadata,
    sql.Column("only", sql.Integer, sql.CheckConstraint("only = 1"), primary_key=True),
    sql.Column("origin", sql.Text, nullable=False),
    sql.Column("size", sql.Integer, nullable=False),
    sql.Column("root", sql.LargeBinary, nullable=False),
)

# Statements are built once, here and beside the tables of other files: building one costs several
# times what running it does, and a round runs dozens.
_HEAD = sql.select(head.c.origin, head.c.size, head.c.root)
# One JSON parameter whatever the number of rows: SQLite walks it and seeks each row by its key,
# where a list of row values would make it scan the whole table.
_wanted = sql.func.json_each(sql.bindparam("wanted", type_=sql.Text)).table_valued("value")
_LEAVES = sql.select(entries.c.index, entries.c.digest).join_from(
    _wanted, entries, entries.c.index == _wanted.c.value
)
_INNER = sql.select(nodes.c.level, nodes.c.position, nodes.c.hash).join_from(
    _wanted,
    nodes,
    (nodes.c.level == sql.func.json_extract(_wanted.c.value, "$[0]"))
    & (nodes.c.position == sql.func.json_extract(_wanted.c.value, "$[1]")),
)


@dataclass(frozen=True)
class Head:
    """The log's state: ``size`` leaves under ``root`` (32 bytes), named by ``origin``."""

    origin: str
    size: int
    root: bytes


def engine(path: Path) -> sql.Engine:
    """Return an engine on an existing file (SQLite would otherwise make a missing one)."""
    where = f"file:{quote(str(path))}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            where, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )

    made = sql.create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    sql.event.listen(made, "connect", _prepare)
    return made


@contextmanager
def transaction(engine: sql.Engine, *, write: bool = False) -> Iterator[sql.Connection]:
    """Run one transaction: a snapshot to read, or, with ``write``, alone from its first statement.

    Raises StorageFault(STORAGE) for every fault of the database but a violated constraint.
    """
    try:
        with engine.connect() as connection, connection.begin():
            # past SQLAlchemy, for which this would be one statement more to prepare
            begin = "BEGIN IMMEDIATE" if write else "BEGIN"
            connection.connection.cursor().execute(begin)
            yield connection
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        # the driver's own words: SQLAlchemy's quote the statement and its parameters
        said = getattr(error, "orig", None) or error
        raise StorageFault(Reason.STORAGE, f"the log's database failed: {said}") from error


def read_head(connection: sql.Connection) -> Head:
    """Return the head; StorageFault(LOG_CORRUPT) when there is none."""
    row = connection.execute(_HEAD).one_or_none()
    if row is None or not isinstance(row.size, int):  # SQLite keeps any type in any column
        raise corrupt("the file holds no head")
    return Head(row.origin, row.size, row.root)


def read_nodes(
    connection: sql.Connection, wanted: Collection[merkle.Coordinate]
) -> dict[merkle.Coordinate, bytes]:
    """Return the hashes of complete subtrees; StorageFault(LOG_CORRUPT) when one is missing."""
    leaves = [position for level, position in wanted if level == 0]
    inner = [coordinate for coordinate in wanted if coordinate[0] > 0]
    found: dict[merkle.Coordinate, bytes] = {}
    if leaves:
        entry_rows = connection.execute(_LEAVES, {"wanted": json.dumps(leaves)})
        found |= {(0, index): merkle.leaf_hash(digest) for index, digest in entry_rows}
    if inner:
        node_rows = connection.execute(_INNER, {"wanted": json.dumps(inner)})
        found |= {(level, position): value for level, position, value in node_rows}
    if len(found) != len(set(wanted)):
        raise corrupt("a complete subtree is missing")
    return found


def with_nodes(
    connection: sql.Connection, compute: Callable[[merkle.NodeReader], Result]
) -> Result:
    """Run ``compute`` over stored subtrees.

    Which subtrees a proof reads does not depend on their hashes: a first run with blank hashes
    collects them, so that two queries fetch what would otherwise take dozens.
    """
    wanted: list[merkle.Coordinate] = []

    def note(coordinate: merkle.Coordinate) -> bytes:
        wanted.append(coordinate)
        return merkle.EMPTY_ROOT

    compute(note)
    return compute(read_nodes(connection, wanted).__getitem__)


def quick_check(path: Path) -> list[str]:
    """What SQLite finds wrong with pages, rows and indexes of a file; empty when all is well.

    StorageFault(STORAGE) when it is no database.
    """
    opened = engine(path)
    try:
        with transaction(opened) as connection:
            rows = connection.exec_driver_sql("PRAGMA quick_check(10)").scalars()
            return [str(row) for row in rows if row != "ok"]
    finally:
        opened.dispose()


def prove_writable(engine: sql.Engine) -> None:
    """Commit one change to disk that says nothing; StorageFault(STORAGE) when that fails.

    The header's ``user_version`` is left to applications (sqlite.org/fileformat.html §1.3.13) and
    has no other use here; an update that changes no byte would never reach the disk.
    """
    with transaction(engine, write=True) as connection:
        held = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {(held + 1) % 2**31}")


def corrupt(what: str) -> StorageFault:
    """Return the fault of a log whose stored parts contradict each other."""
    return StorageFault(Reason.LOG_CORRUPT, f"the log is damaged: {what}")


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL flushes the write-ahead log at each commit: a receipt given is a receipt kept
    connection.execute("PRAGMA synchronous = FULL")
    wal.bound(connection)
