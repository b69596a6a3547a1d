"""SQLite's write-ahead logs: moved into their files beside the work instead of in the middle of it.

Lives here: how far such a log may grow and the task that keeps it short. Must not know: what any
file holds. "Folding" is what SQLite calls a checkpoint; that word is the transparency log's here.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import structlog

from federation.watch import eventlog

# Left to itself, SQLite folds in whichever commit passes 1,000 pages (4 MB): every few rounds one
# would wait ten times as long as the others. A writer still does it at 128 MB, if nobody else did.
LONGEST_PAGES = 32_768
FOLD_S = 5.0


def bound(connection: sqlite3.Connection) -> None:
    """Let commits on ``connection`` leave folding to :func:`keep_folding` as long as they can."""
    connection.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_PAGES}")


def fold(path: Path) -> None:
    """Move what is committed into the database file, as far as no reader needs the old pages.

    Never waits for readers or writers (SQLite: PASSIVE). Raises sqlite3.Error.
    """
    where = f"file:{quote(str(path))}?mode=rw"
    with closing(sqlite3.connect(where, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


async def keep_folding(paths: Sequence[Path]) -> None:
    """Fold each of ``paths`` in turn until cancelled; one that cannot be now is tried again."""
    while True:
        await asyncio.sleep(FOLD_S)
        for path in paths:
            try:
                await asyncio.to_thread(fold, path)
            except sqlite3.Error as error:
                structlog.get_logger().warning(
                    "wal_not_folded", file=path.name, **eventlog.said_of(error)
                )
