"""Where a run stands between two stages, read off the documents its coordinator kept.

Lives here: completed rounds, the state they led to, attempts, drops and the end. Must not know:
stages, cities' streams, or what comes next.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from federation.crypto.envelope import Envelope, replay_identity
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.documents.types import Document
from federation.errors import Reason, StorageFault
from federation.exchange.blobs import BlobStore
from federation.rounds.aggregate import (
    Integers,
    State,
    initial_state,
    next_state,
    parameters_digest,
    sum_from_bytes,
)
from federation.rounds.terms import NO_PARAMETERS, length_of_kind
from federation.wire.codec import decode_document, decode_envelope


@dataclass(frozen=True, eq=False)
class Position:
    """After ``completed`` rounds. ``last_sum``: the last one's sum as it is sent.

    ``state`` is None in a statistics run. ``roster``: the last attempt's, ``since_ms``: when it or
    the last record after it was made; ``dropped``: cities out of the run; ``released``: whether its
    result was; ``closure``: its end, None before it.
    """

    state: State | None
    parameters_digest: bytes
    completed: int = 0
    record: RoundRecord | None = None
    record_digest: bytes = b""
    last_sum: bytes = b""
    roster: Roster | None = None
    roster_digest: bytes = b""
    since_ms: int = 0
    dropped: frozenset[str] = frozenset()
    released: bool = False
    closure: Closure | None = None

    @property
    def attempts(self) -> int:
        """How many rosters were made."""
        return self.roster.attempt if self.roster else 0

    @property
    def consents(self) -> dict[str, bytes]:
        """The last roster's consent envelopes by city, ascending."""
        return {_city_of(raw): raw for raw in self.roster.consents} if self.roster else {}

    @property
    def standing(self) -> bool:
        """Whether the last attempt is still on: it has a roster, and no city of it was dropped."""
        return self.roster is not None and not self.dropped & self.consents.keys()

    def recorded(
        self, record: RoundRecord, own_digest: bytes, total: bytes, state: State | None
    ) -> "Position":
        """The position once a round's ``record`` is kept: its sum ``total`` led to ``state``."""
        return replace(
            self,
            completed=record.round,
            state=state,
            parameters_digest=record.next_parameters_digest,
            record=record,
            record_digest=own_digest,
            last_sum=total,
            since_ms=record.closed_ms,
        )

    def noted(self, document: Document, own_digest: bytes) -> "Position":
        """The position once any other document of the run is kept."""
        match document:
            case Roster():
                since = document.rostered_ms
                return replace(self, roster=document, roster_digest=own_digest, since_ms=since)
            case DropRecord():
                return replace(self, dropped=self.dropped | set(document.cities))
            case ModelRelease() | StatisticsRelease():
                return replace(self, released=True)
            case Closure():
                return replace(self, closure=document)
        raise StorageFault(Reason.STORAGE, f"a run keeps no {type(document).__name__}")


def following(state: State | None, total: Integers, charter: Charter, kind: str) -> State | None:
    """The state after a round: moved by training, unchanged by anything else.

    Raises Malformed(OUT_OF_BOUND).
    """
    if state is None or charter.training is None or kind != "training":
        return state
    return next_state(state, total, charter.training)


def start(charter: Charter, blobs: BlobStore) -> Position:
    """The position before round 1.

    Raises Refused(NOT_FOUND) when the initial parameters are not among the blobs, Malformed when
    they are not what the charter says.
    """
    terms = charter.training
    if terms is None:
        return Position(None, NO_PARAMETERS)
    raw = blobs.get(terms.initial_parameters_digest)
    return Position(initial_state(raw, charter.length, terms), terms.initial_parameters_digest)


def resume(charter: Charter, kept: Iterable[bytes], blobs: BlobStore) -> Position:
    """The position that the ``kept`` envelopes, in order, lead to.

    Raises StorageFault(STORAGE) when they and the kept sums contradict each other, and what
    :func:`start` raises.
    """
    position = start(charter, blobs)
    for raw in kept:
        envelope, document = _opened(raw)
        if not isinstance(document, RoundRecord):
            position = position.noted(document, replay_identity(envelope))
            continue
        raw_sum = blobs.get(document.sum_digest)
        length = length_of_kind(charter, document.kind)
        total = sum_from_bytes(raw_sum, length, charter.privacy.modulus_bits)
        state = following(position.state, total, charter, document.kind)
        position = position.recorded(document, replay_identity(envelope), raw_sum, state)
    if position.state is not None:
        _check(position, position.state)
    return position


def outline(kept: Iterable[bytes]) -> Position:
    """The position that the ``kept`` envelopes lead to, sums and parameters left out: to show it.

    StorageFault(STORAGE) when one is none of a run's.
    """
    position = Position(None, NO_PARAMETERS)
    for raw in kept:
        envelope, document = _opened(raw)
        own_digest = replay_identity(envelope)
        if isinstance(document, RoundRecord):
            position = position.recorded(document, own_digest, b"", None)
        else:
            position = position.noted(document, own_digest)
    return position


def _opened(raw: bytes) -> tuple[Envelope, Document]:
    envelope = decode_envelope(raw)
    return envelope, decode_document(envelope.payload_type, envelope.payload)


def _city_of(consent: bytes) -> str:
    _, document = _opened(consent)
    if not isinstance(document, Consent):
        raise StorageFault(Reason.STORAGE, "a kept roster holds something that is no consent")
    return document.city


def _check(position: Position, state: State) -> None:
    if parameters_digest(state.parameters) != position.parameters_digest:
        raise StorageFault(Reason.STORAGE, "the kept sums do not lead to the recorded parameters")
