"""How far this node has read the log, which entries it would not believe, and what hangs on them.

This file must not know why an entry is refused or what follows from a document.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from federation.errors import Reason
from node.store import documents
from node.store.documents import StoredDocument
from node.store.schema import answers, budget_reservations, refused_entries
from node.store.schema import documents as documents_table

_BY_IDENTITY = select(documents_table).where(
    documents_table.c.replay_identity == bindparam("identity")
)
_ANSWERED = select(answers.c.round).where(
    answers.c.attempt == bindparam("attempt"), answers.c.round == bindparam("round")
)


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that is in the log but was not believed, with the stable reason."""

    leaf_index: int
    reason: str
    sentence: str
    refused_ms: int


def next_index(connection: Connection) -> int:
    """The log index to read next: one past the last entry accepted or refused."""
    last_refused = connection.scalar(
        select(refused_entries.c.leaf_index).order_by(refused_entries.c.leaf_index.desc()).limit(1)
    )
    last_accepted = documents.last_leaf_index(connection)
    return 1 + max(
        -1 if last_refused is None else last_refused,
        -1 if last_accepted is None else last_accepted,
    )


def refuse_entry(connection: Connection, entry: RefusedEntry) -> None:
    """Record that an entry was read and not believed, and count its reason."""
    connection.execute(insert(refused_entries).values(**vars(entry)))
    documents.count_refusal(connection, Reason(entry.reason))


def refused(connection: Connection) -> list[RefusedEntry]:
    """All entries that were not believed, in log order."""
    query = select(refused_entries).order_by(refused_entries.c.leaf_index)
    return [RefusedEntry(**row._mapping) for row in connection.execute(query)]


def by_identity(connection: Connection, replay_identity: bytes) -> StoredDocument | None:
    """The document with this replay identity, which is how other documents name it."""
    row = connection.execute(_BY_IDENTITY, {"identity": replay_identity}).one_or_none()
    return None if row is None else StoredDocument(**row._mapping)


def logged_documents(
    connection: Connection, before: int | None = None, limit: int = 100
) -> list[StoredDocument]:
    """Up to ``limit`` logged documents below leaf index ``before``, newest first."""
    query = select(documents_table).where(documents_table.c.leaf_index.is_not(None))
    if before is not None:
        query = query.where(documents_table.c.leaf_index < before)
    ordered = query.order_by(documents_table.c.leaf_index.desc()).limit(limit)
    return [StoredDocument(**row._mapping) for row in connection.execute(ordered)]


def has_answered(connection: Connection, attempt: bytes, round_number: int) -> bool:
    """Whether an answer of any kind is committed for this round of the attempt."""
    asked = {"attempt": attempt, "round": round_number}
    return connection.execute(_ANSWERED, asked).first() is not None


def open_reservations(connection: Connection) -> list[bytes]:
    """Digests of the charters whose budget claim is not closed."""
    query = select(budget_reservations.c.charter_digest)
    return list(connection.scalars(query.where(budget_reservations.c.closed.is_(False))))
