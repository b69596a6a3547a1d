"""What a person wants to know of a node at a glance, gathered from its home.

Reads only; must not know the command line, or ask the network anything.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from federation.crypto import certificates
from federation.documents.membership import Membership
from federation.documents.types import PayloadType
from federation.model.parameters import MODEL_ID
from federation.wire.codec import decode_document, decode_envelope
from node.identity import Home
from node.lock import is_claimed
from node.policy import Policy
from node.presence import Presence, last_presence
from node.privacy import ledger
from node.privacy.ledger import Statement
from node.store import documents, feed, models, records, runs
from node.store.documents import StoredDocument
from node.store.runs import Alarm


@dataclass(frozen=True)
class Status:
    """A node's state. Times are Unix milliseconds; ``records`` are exact and for the city only."""

    division: str
    name: str
    federation: str | None
    certificate_until_ms: int | None
    serving: bool
    presence: Presence | None
    presence_ms: int | None
    next_index: int
    membership_version: int | None
    active_cities: tuple[str, ...]
    records: dict[str, int]
    model_active: bool
    pending_decisions: int
    refused_entries: int
    alarms: tuple[Alarm, ...]
    budget: Statement

    @property
    def enrolled(self) -> bool:
        """Whether the node has its certificate."""
        return self.certificate_until_ms is not None


def gather(connection: Connection, home: Home, policy: Policy, now_ms: int) -> Status:
    """Return the state as the home and its store show it."""
    association, pem = home.association(), home.certificate()
    seen = last_presence(connection)
    membership = current_membership(connection)
    year = datetime.fromtimestamp(now_ms / 1000, UTC).year
    return Status(
        division=home.config.division,
        name=home.config.name,
        federation=None if association is None else association.federation,
        certificate_until_ms=None if pem is None else _expiry_ms(pem),
        serving=is_claimed(home.lock),
        presence=None if seen is None else seen[0],
        presence_ms=None if seen is None else seen[1],
        next_index=feed.next_index(connection),
        membership_version=None if membership is None else membership.version,
        active_cities=() if membership is None else membership.active_cities,
        records=records.counts(connection),
        model_active=models.active(connection, MODEL_ID) is not None,
        pending_decisions=len(runs.pending_decisions(connection)),
        refused_entries=len(feed.refused(connection)),
        alarms=tuple(runs.alarms_raised(connection)),
        budget=ledger.statement(connection, year, policy.allowance),
    )


def current_membership(connection: Connection) -> Membership | None:
    """The membership this node believed last, None before the first."""
    stored = documents.latest_of_type(connection, PayloadType.MEMBERSHIP)
    document = None if stored is None else document_of(stored)
    return document if isinstance(document, Membership) else None


def document_of(stored: StoredDocument) -> object:
    """The document inside an envelope that was accepted when it was stored."""
    envelope = decode_envelope(stored.envelope)
    return decode_document(envelope.payload_type, envelope.payload)


def _expiry_ms(pem: bytes) -> int:
    return certificates.expires_ms(certificates.load_certificate(pem))
