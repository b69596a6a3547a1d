"""What the coordinator says in a run: its requests to cities and the documents it logs.

Lives here: how each is filled in from where the run stands. Must not know: stages, cities' streams,
keys, or what is done with a statement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import ConsentRequest, RoundRequest
from federation.documents.runs import (
    Closure,
    DropRecord,
    RecordedContribution,
    Roster,
    RoundRecord,
)
from federation.errors import LaborfedError
from federation.rounds import terms
from federation.rounds.aggregate import State, parameters_digest
from federation.rounds.position import Position
from federation.rounds.store import Summed


@dataclass(frozen=True)
class Attempt:
    """An attempt of the run of ``charter_digest``; ``consents``: envelope bytes by city."""

    charter_digest: bytes
    number: int
    nonce: bytes
    membership_digest: bytes
    consents: Mapping[str, bytes] = field(default_factory=dict)
    roster_digest: bytes = b""


def standing_attempt(charter_digest: bytes, position: Position) -> Attempt:
    """Return the attempt that the last roster began, as it was when that was logged."""
    roster = position.roster
    if roster is None:
        return Attempt(charter_digest, 0, b"", b"")
    return Attempt(
        charter_digest,
        roster.attempt,
        roster.attempt_nonce,
        roster.membership_digest,
        position.consents,
        position.roster_digest,
    )


def consent_request(attempt: Attempt, now_ms: int) -> ConsentRequest:
    """Ask a city to join ``attempt``."""
    return ConsentRequest(
        charter_digest=attempt.charter_digest,
        attempt=attempt.number,
        attempt_nonce=attempt.nonce,
        membership_digest=attempt.membership_digest,
        issued_ms=now_ms,
    )


def roster(attempt: Attempt, position: Position, now_ms: int) -> Roster:
    """Name the cities that consented."""
    return Roster(
        charter_digest=attempt.charter_digest,
        attempt=attempt.number,
        attempt_nonce=attempt.nonce,
        membership_digest=attempt.membership_digest,
        first_round=position.completed + 1,
        previous_record_digest=position.record_digest,
        consents=tuple(attempt.consents[city] for city in sorted(attempt.consents)),
        rostered_ms=now_ms,
    )


def round_request(attempt: Attempt, position: Position, charter: Charter) -> RoundRequest:
    """Ask a city for its contribution to the next round.

    Nothing in it but what is logged, its time included: a coordinator that comes back asks the same
    round of the same roster with the same bytes, and who answered them sends the same answer again.
    """
    number = position.completed + 1
    return RoundRequest(
        charter_digest=attempt.charter_digest,
        attempt_nonce=attempt.nonce,
        membership_digest=attempt.membership_digest,
        roster_digest=attempt.roster_digest,
        round=number,
        kind=terms.kind_of_round(charter, number),
        parameters_digest=position.parameters_digest,
        previous_record_digest=position.record_digest,
        issued_ms=position.since_ms,
    )


def drop_records(
    attempt: Attempt, round_number: int, missing: Mapping[str, LaborfedError], now_ms: int
) -> Iterator[DropRecord]:
    """Name the cities that did not contribute, one record for each reason."""
    by_reason = sorted(missing, key=lambda city: (missing[city].reason, city))
    for reason, cities in groupby(by_reason, key=lambda city: missing[city].reason):
        yield DropRecord(
            charter_digest=attempt.charter_digest,
            attempt_nonce=attempt.nonce,
            roster_digest=attempt.roster_digest,
            round=round_number,
            cities=tuple(cities),
            reason=reason,
            recorded_ms=now_ms,
        )


def round_record(
    request: RoundRequest,
    summed: Summed,
    state: State | None,
    now_ms: int,
) -> RoundRecord:
    """Record who contributed what and what came of it."""
    following = parameters_digest(state.parameters) if state else request.parameters_digest
    bodies = summed.contributions
    return RoundRecord(
        charter_digest=request.charter_digest,
        attempt_nonce=request.attempt_nonce,
        roster_digest=request.roster_digest,
        round=request.round,
        kind=request.kind,
        parameters_digest=request.parameters_digest,
        contributions=tuple(
            RecordedContribution(city=city, digest=digest(bodies[city].envelope))
            for city in sorted(bodies)
        ),
        sum_digest=digest(summed.total),
        next_parameters_digest=following,
        previous_record_digest=request.previous_record_digest,
        closed_ms=now_ms,
    )


def closure(
    charter_digest: bytes, position: Position, verdict: tuple[str, str], now_ms: int
) -> Closure:
    """End the run with ``verdict``: an outcome and the reason for any but a release."""
    return Closure(
        charter_digest=charter_digest,
        outcome=verdict[0],
        reason=verdict[1],
        last_record_digest=position.record_digest,
        rounds_completed=position.completed,
        attempts=position.attempts,
        closed_ms=now_ms,
    )
