"""What the log shows this city did and its store does not remember: its charter counts as spent.

Lives here: how a store older than the log, as after a restore, is noticed, and what that costs.
Must not know: how a document was accepted, or who is told.
"""

from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.runs import Roster, RoundRecord
from federation.errors import CallerError
from federation.rounds.terms import charter_events
from federation.trust import Trust
from federation.verification import verify_roster
from node.privacy import ledger
from node.store import feed, runs


def consent(
    connection: Connection,
    city: str,
    roster: Accepted[Roster],
    charter: Accepted[Charter],
    trust: Trust,
) -> bool:
    """Whether the roster holds a consent of this city's that it does not remember.

    Then everything the charter may cost is spent. A roster that does not verify holds none: nobody
    answered under it.
    """
    if _remembers(connection, charter, roster.document.attempt_nonce):
        return False
    try:
        cities = [consent.city for consent in verify_roster(roster, charter, trust)]
    except CallerError:
        return False
    if city not in cities:
        return False
    _spend(connection, charter, roster.document.rostered_ms)
    return True


def contribution(
    connection: Connection, city: str, record: RoundRecord, charter: Accepted[Charter]
) -> bool:
    """Whether the record names a contribution to an attempt of this city's that it lacks.

    Then everything the charter may cost is spent.
    """
    named = city in [recorded.city for recorded in record.contributions]
    if not (named and _remembers(connection, charter, record.attempt_nonce)):
        return False
    if feed.has_answered(connection, record.attempt_nonce, record.round):
        return False
    _spend(connection, charter, record.closed_ms)
    return True


def _remembers(connection: Connection, charter: Accepted[Charter], attempt: bytes) -> bool:
    return attempt in runs.attempts_seen(connection, charter.digest)


def _spend(connection: Connection, charter: Accepted[Charter], at_ms: int) -> None:
    ledger.exhaust(
        connection,
        charter.digest,
        purpose=charter.document.purpose,
        year=ledger.year_of(at_ms),
        events=charter_events(charter.document),
    )
