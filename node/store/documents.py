"""Accepted documents, the log's heads this node holds to, and what was refused and why.

Only what passed the acceptance table is handed in; this file checks uniqueness, not signatures.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, bindparam, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.errors import Reason, StorageFault
from node.store import cells
from node.store.schema import documents, refusals

CHECKPOINT = "log/checkpoint"
COSIGNED = "log/cosigned"
_REPLAYED = select(documents.c.digest).where(documents.c.replay_identity == bindparam("identity"))
_BY_DIGEST = select(documents).where(documents.c.digest == bindparam("digest"))
_KEEP = sqlite_insert(documents).on_conflict_do_nothing()


@dataclass(frozen=True)
class StoredDocument:
    """One accepted envelope as it travelled; ``leaf_index`` is None for what is never logged."""

    digest: bytes  # SHA-256 of the envelope's bytes
    replay_identity: bytes
    leaf_index: int | None
    payload_type: str
    envelope: bytes
    accepted_ms: int


def keep(connection: Connection, document: StoredDocument) -> bool:
    """Keep a document; False when exactly this one is held already.

    Raises StorageFault(STORAGE) when another holds its replay identity or leaf index.
    """
    if connection.execute(_KEEP, vars(document)).rowcount == 1:
        return True
    if by_digest(connection, document.digest) is None:
        raise StorageFault(
            Reason.STORAGE,
            f"a different {document.payload_type} document is held under this identity or "
            f"leaf index {document.leaf_index}",
        )
    return False


def by_digest(connection: Connection, digest: bytes) -> StoredDocument | None:
    """The document whose envelope has this SHA-256."""
    row = connection.execute(_BY_DIGEST, {"digest": digest}).one_or_none()
    return None if row is None else _document(row)


def is_replayed(connection: Connection, replay_identity: bytes) -> bool:
    """Whether a document with this identity (signatures excluded) is held."""
    return connection.scalar(_REPLAYED, {"identity": replay_identity}) is not None


def of_type(connection: Connection, payload_type: str, since: int = 0) -> list[StoredDocument]:
    """Logged documents of a type from leaf index ``since`` on, in log order."""
    query = (
        select(documents)
        .where(documents.c.payload_type == payload_type, documents.c.leaf_index >= since)
        .order_by(documents.c.leaf_index)
    )
    return [_document(row) for row in connection.execute(query)]


def latest_of_type(connection: Connection, payload_type: str) -> StoredDocument | None:
    """The document of a type with the highest leaf index."""
    query = (
        select(documents)
        .where(documents.c.payload_type == payload_type, documents.c.leaf_index.is_not(None))
        .order_by(documents.c.leaf_index.desc())
        .limit(1)
    )
    return _one(connection, query)


def last_leaf_index(connection: Connection) -> int | None:
    """The highest leaf index held."""
    highest: int | None = connection.scalar(select(func.max(documents.c.leaf_index)))
    return highest


def kept_checkpoint(connection: Connection) -> bytes | None:
    """The signed note of the last checkpoint found consistent."""
    return cells.get(connection, CHECKPOINT)


def keep_checkpoint(connection: Connection, previous: bytes | None, checkpoint: bytes) -> None:
    """Replace the kept checkpoint if it still is ``previous``; raises StorageFault(HEAD_MOVED)."""
    if not cells.replace(connection, CHECKPOINT, previous, checkpoint):
        raise StorageFault(Reason.HEAD_MOVED, "the kept checkpoint changed meanwhile")


def cosigned_head(connection: Connection) -> bytes | None:
    """The signed note of the head this city co-signed last."""
    return cells.get(connection, COSIGNED)


def keep_cosigned(connection: Connection, note: bytes) -> None:
    """Remember what is about to be co-signed, in the transaction that makes the signature."""
    cells.put(connection, COSIGNED, note)


def count_refusal(connection: Connection, reason: str) -> None:
    """Count one document refused for ``reason``, a :class:`Reason`'s value."""
    first = sqlite_insert(refusals).values(reason=str(reason), count=1)
    again = {"count": refusals.c.count + 1}
    connection.execute(first.on_conflict_do_update(index_elements=["reason"], set_=again))


def refusals_by_reason(connection: Connection) -> dict[str, int]:
    """How many documents were refused, by reason code."""
    rows = connection.execute(select(refusals.c.reason, refusals.c.count))
    return {str(reason): int(count) for reason, count in rows}


def _one(connection: Connection, query: Select[tuple[object, ...]]) -> StoredDocument | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else _document(row)


def _document(row: Row[tuple[object, ...]]) -> StoredDocument:
    return StoredDocument(**row._mapping)
