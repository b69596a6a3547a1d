"""Signed heads as the log keeps them: one row for each tree a head was ever signed of.

Lives here: the table of what this log has said of itself. Must not know: who signs, who co-signs,
or whether a head is still fresh.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

from federation.log.database import corrupt, metadata

# Two rows of one size are two histories: the key has the root in it so that both would be kept.
signed_heads = sql.Table(
    "signed_heads",
    metadata,
    sql.Column("size", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("root", sql.LargeBinary, primary_key=True),
    sql.Column("note", sql.LargeBinary, nullable=False),
    sql.Column("cosigned", sql.LargeBinary),
)

_new = sqlite.insert(signed_heads)
_KEEP = _new.on_conflict_do_update(
    index_elements=["size", "root"],
    set_={
        "note": _new.excluded.note,
        "cosigned": sql.func.coalesce(_new.excluded.cosigned, signed_heads.c.cosigned),
    },
)


@dataclass(frozen=True, kw_only=True)
class SignedHead:
    """What was signed of the tree of ``size`` leaves under ``root`` (32 bytes).

    ``note`` is the latest signed note (C2SP), ``cosigned`` the latest that bears the co-signatures
    of a witness quorum, None before the first.
    """

    size: int
    root: bytes
    note: bytes
    cosigned: bytes | None = None


def keep(connection: sql.Connection, head: SignedHead) -> None:
    """Keep what was signed last of a tree; a co-signed note stays until the next one."""
    connection.execute(_KEEP, vars(head))


def every(connection: sql.Connection, after: int, limit: int) -> Iterator[SignedHead]:
    """Yield what is kept of trees larger than ``after``: about ``limit`` rows, whole sizes.

    StorageFault(LOG_CORRUPT) for a row that cannot be a head.
    """
    sizes = (
        sql.select(signed_heads.c.size)
        .where(signed_heads.c.size > after)
        .distinct()
        .order_by(signed_heads.c.size)
        .limit(limit)
    )
    query = (
        sql.select(signed_heads)
        .where(signed_heads.c.size.in_(sizes))
        .order_by(signed_heads.c.size, signed_heads.c.root)
    )
    for row in connection.execute(query).mappings():
        yield _head(row)


def latest(connection: sql.Connection, *, cosigned: bool) -> SignedHead | None:
    """Return what is kept of the largest tree (that witnesses co-signed), if anything.

    StorageFault(LOG_CORRUPT) when it cannot be a head.
    """
    query = sql.select(signed_heads).order_by(signed_heads.c.size.desc()).limit(1)
    if cosigned:
        query = query.where(signed_heads.c.cosigned.is_not(None))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _head(row)


def _head(row: sql.RowMapping) -> SignedHead:
    # SQLite keeps any type in any column
    kinds = {"size": int, "root": bytes, "note": bytes, "cosigned": bytes | None}
    if not all(isinstance(row[name], kind) for name, kind in kinds.items()):
        raise corrupt(f"what is kept of the head of size {row['size']} is no head")
    return SignedHead(**row)
