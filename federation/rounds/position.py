"""Where a run stands between two rounds, and how a restarted coordinator finds it again.

Lives here: completed rounds and the state they led to. Must not know: stages, cities' streams, or
what comes next.
"""

from dataclasses import dataclass

from federation.acceptance import Accepted
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.runs import RoundRecord
from federation.errors import Reason, StorageFault
from federation.exchange.blobs import BlobStore
from federation.rounds.aggregate import State, from_bytes, initial_state, next_state, to_bytes
from federation.rounds.store import RunStore
from federation.rounds.terms import NO_PARAMETERS
from federation.wire.codec import decode_document, decode_envelope


@dataclass(frozen=True, eq=False)
class Position:
    """After ``completed`` rounds. ``last_sum``: int64 little-endian bytes of the last one.

    ``state`` is None in a statistics run. ``envelope``: the last record's, empty before the first.
    """

    completed: int
    state: State | None
    parameters_digest: bytes
    record: RoundRecord | None = None
    record_digest: bytes = b""
    envelope: bytes = b""
    last_sum: bytes = b""

    def after(
        self, record: RoundRecord, envelope: bytes, total: bytes, state: State | None
    ) -> "Position":
        """The position once ``record`` is kept."""
        return Position(
            completed=record.round,
            state=state,
            parameters_digest=record.next_parameters_digest,
            record=record,
            record_digest=replay_identity(decode_envelope(envelope)),
            envelope=envelope,
            last_sum=total,
        )


def following(state: State | None, total: bytes, charter: Charter, kind: str) -> State | None:
    """The state after a round: moved by training, unchanged by anything else.

    Raises Malformed(OUT_OF_BOUND).
    """
    if state is None or charter.training is None or kind != "training":
        return state
    return next_state(state, from_bytes(total, charter.length), charter.training)


def start(charter: Charter, blobs: BlobStore) -> Position:
    """The position before round 1.

    Raises Refused(NOT_FOUND) when the initial parameters are not among the blobs, Malformed when
    they are not what the charter says.
    """
    terms = charter.training
    if terms is None:
        return Position(0, None, NO_PARAMETERS)
    raw = blobs.get(terms.initial_parameters_digest)
    state = initial_state(raw, charter.length, terms)
    return Position(0, state, terms.initial_parameters_digest)


def resume(charter: Accepted[Charter], runs: RunStore, blobs: BlobStore) -> Position:
    """The position that the kept records and sums lead to.

    Raises StorageFault(STORAGE) when they contradict each other, and what :func:`start` raises.
    """
    position = start(charter.document, blobs)
    for envelope in runs.records(charter.digest):
        record = _record(envelope)
        total = blobs.get(record.sum_digest)
        state = following(position.state, total, charter.document, record.kind)
        position = position.after(record, envelope, total, state)
    if position.state is not None:
        _check(position, position.state)
    return position


def _record(envelope: bytes) -> RoundRecord:
    opened = decode_envelope(envelope)
    document = decode_document(opened.payload_type, opened.payload)
    if not isinstance(document, RoundRecord):
        raise StorageFault(Reason.STORAGE, "a kept round record is something else")
    return document


def _check(position: Position, state: State) -> None:
    if digest(to_bytes(state.parameters)) != position.parameters_digest:
        raise StorageFault(Reason.STORAGE, "the kept sums do not lead to the recorded parameters")
