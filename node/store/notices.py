"""Policy notices as this node has them: accepted from the log, or in its own outbox.

This file must not know what a policy means, or when a notice is made.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from federation.documents.notices import PolicyNotice
from federation.documents.types import PayloadType
from federation.wire.codec import decode_document, decode_envelope
from node.store import documents
from node.store.schema import outbox


def latest_version(connection: Connection, city: str) -> int:
    """The highest version of a city's notices that were accepted, 0 before the first."""
    return max((n.version for n in _accepted(connection) if n.city == city), default=0)


def next_version(connection: Connection, city: str) -> int:
    """The version of this city's next notice: above what was accepted and what waits to be sent."""
    query = select(outbox.c.envelope).where(outbox.c.payload_type == PayloadType.POLICY_NOTICE)
    made = (_notice(raw) for raw in connection.scalars(query))
    own = max((n.version for n in made if n is not None), default=0)
    return 1 + max(own, latest_version(connection, city))


def _accepted(connection: Connection) -> Iterator[PolicyNotice]:
    for stored in documents.of_type(connection, PayloadType.POLICY_NOTICE):
        notice = _notice(stored.envelope)
        if notice is not None:
            yield notice


def _notice(raw: bytes) -> PolicyNotice | None:
    envelope = decode_envelope(raw)
    document = decode_document(envelope.payload_type, envelope.payload)
    return document if isinstance(document, PolicyNotice) else None
