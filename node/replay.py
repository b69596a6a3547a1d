"""The optimiser's state before a round, derived by this city itself from logged records.

Lives here: the walk from the last state held over recorded sums. Must not know: where states and
sums are stored, or anything of records about people.
"""

from collections.abc import Callable
from dataclasses import dataclass

from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.charter import Charter, TrainingTerms
from federation.documents.exchanged import RoundRequest
from federation.documents.runs import RoundRecord
from federation.documents.types import Document
from federation.errors import Malformed, Reason, Refused
from federation.rounds.aggregate import (
    State,
    initial_state,
    next_state,
    parameters_digest,
    sum_from_bytes,
)

FetchBlob = Callable[[bytes], bytes]
FindDocument = Callable[[bytes], Accepted[Document] | None]


@dataclass(frozen=True, eq=False)
class Reached:
    """The state after ``round`` rounds and the digest of its parameters."""

    round: int
    state: State
    parameters_digest: bytes


def start(charter: Charter, terms: TrainingTerms, fetch: FetchBlob) -> Reached:
    """The state before round 1, from the bytes the charter names."""
    raw = fetch(terms.initial_parameters_digest)
    state = initial_state(raw, charter.length, terms)
    return Reached(0, state, terms.initial_parameters_digest)


def state_before(
    charter: Accepted[Charter],
    terms: TrainingTerms,
    request: RoundRequest,
    held: Reached | None,
    *,
    last_sum: bytes,
    find: FindDocument,
    fetch: FetchBlob,
) -> Reached:
    """The state on which ``request`` is to be computed.

    ``held`` is a state of this run, or None: then it is replayed from the start. ``last_sum``, what
    came attached to the request, serves the last step; without it, and for the steps before, sums
    are fetched by the digests in the records.

    Raises Malformed(WRONG_SUM) when any digest disagrees, Malformed(OUT_OF_BOUND),
    Refused(WRONG_ROUND) when the records do not lead here, and what ``fetch`` raises.
    """
    reached = held if held is not None and held.round < request.round else None
    if reached is None:
        reached = start(charter.document, terms, fetch)
    for record in _records_after(reached.round, charter.digest, request, find):
        last = record.round == request.round - 1
        total = last_sum if last and last_sum else fetch(record.sum_digest)
        reached = _applied(reached, record, total, charter.document, terms)
    if reached.parameters_digest != request.parameters_digest:
        raise Malformed(Reason.WRONG_SUM, "the request is not about the parameters records lead to")
    return reached


def _applied(
    reached: Reached, record: RoundRecord, total: bytes, charter: Charter, terms: TrainingTerms
) -> Reached:
    if digest(total) != record.sum_digest:
        raise Malformed(Reason.WRONG_SUM, f"the sum of round {record.round} is not the recorded")
    if record.parameters_digest != reached.parameters_digest:
        raise Malformed(Reason.WRONG_SUM, f"round {record.round} began on other parameters")
    summed = sum_from_bytes(total, charter.length, charter.privacy.modulus_bits)
    state = next_state(reached.state, summed, terms)
    made = parameters_digest(state.parameters)
    if made != record.next_parameters_digest:
        raise Malformed(Reason.WRONG_SUM, f"round {record.round} does not lead where it says")
    return Reached(record.round, state, made)


def _records_after(
    reached: int, charter_digest: bytes, request: RoundRequest, find: FindDocument
) -> list[RoundRecord]:
    """Records of the rounds after ``reached`` up to the one before the request, in order."""
    found: list[RoundRecord] = []
    wanted, number = request.previous_record_digest, request.round - 1
    while number > reached:
        accepted = find(wanted)
        record = None if accepted is None else accepted.document
        if not isinstance(record, RoundRecord) or not _follows(record, charter_digest, number):
            raise Refused(Reason.WRONG_ROUND, f"no accepted record of round {number} leads here")
        found.append(record)
        wanted, number = record.previous_record_digest, number - 1
    return found[::-1]


def _follows(record: RoundRecord, charter_digest: bytes, number: int) -> bool:
    return (
        record.charter_digest == charter_digest
        and record.round == number
        and record.kind == "training"
    )
