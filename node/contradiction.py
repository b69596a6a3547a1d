"""Where a logged document contradicts what this city's own store holds.

Lives here: comparisons of one document with answers sent and documents kept before. Must not know:
how a document was accepted, signatures, or what follows from a contradiction.
"""

from sqlalchemy import Connection

from federation.crypto.keys import digest
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, RoundRecord
from federation.documents.types import PayloadType
from federation.errors import Reason, Refused
from node.status import document_of
from node.store import answers, documents
from node.store.answers import Question

_Ending = ModelRelease | StatisticsRelease | Closure


def exchanged(connection: Connection, city: str, record: RoundRecord) -> bool:
    """Whether the record names something else as this city's contribution than what it sent.

    An answer that is not remembered, as after a restore, contradicts nothing.
    """
    question = Question(record.attempt_nonce, record.round, record.kind)
    sent = answers.given(connection, question)
    named = {c.city: c.digest for c in record.contributions}.get(city)
    return sent is not None and named != digest(sent)


def check_unreleased(connection: Connection, charter_digest: bytes, release: bytes) -> None:
    """Raise Refused unless a charter's run is open and has no result but the one named.

    ``release``: that result's document digest. A run's votes stay valid for ever: released once
    more under a higher version, they would bring an old model back. Raises CHARTER_CLOSED or
    REPLAYED.
    """
    if charter_digest in _ended(connection, PayloadType.CLOSURE, release):
        raise Refused(Reason.CHARTER_CLOSED, "the run of this release was closed before")
    for kind in (PayloadType.MODEL_RELEASE, PayloadType.STATISTICS_RELEASE):
        if charter_digest in _ended(connection, kind, release):
            raise Refused(Reason.REPLAYED, "the result of this run was released before")


def _ended(connection: Connection, kind: PayloadType, besides: bytes) -> set[bytes]:
    """Charters of the kept documents of ``kind``, the document ``besides`` left out."""
    kept = documents.of_type(connection, kind)
    others = (document_of(stored) for stored in kept if stored.replay_identity != besides)
    return {d.charter_digest for d in others if isinstance(d, _Ending)}
