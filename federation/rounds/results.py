"""A completed run's result: its evidence read back from what was kept, and the release it gives.

Lives here: votes, cost and the release that follows. Must not know: stages, cities' streams, or how
a release is worded (that is ``outcome``).
"""

from typing import TypeVar

from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Contribution, Vote
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import RoundRecord
from federation.errors import Reason, StorageFault
from federation.rounds.aggregate import sum_from_bytes
from federation.rounds.outcome import Ended, model_release, not_worse, statistics_release
from federation.rounds.position import Position
from federation.rounds.spending import spent
from federation.rounds.store import RunStore
from federation.rounds.terms import length_of_kind
from federation.wire.codec import decode_document, decode_envelope

T = TypeVar("T")


def of_run(
    charter: Accepted[Charter],
    position: Position,
    runs: RunStore,
    latest: Accepted[ModelRelease] | None,
    now_ms: int,
) -> ModelRelease | StatisticsRelease | None:
    """The release of a run whose last round is recorded; None when the cities voted it down.

    ``latest``: the release that this one follows. Raises StorageFault when what was kept does not
    hold.
    """
    terms, record, state = charter.document, position.record, position.state
    if record is None:
        raise StorageFault(Reason.STORAGE, "a run without a round has no result")
    ended = Ended(
        charter=charter,
        cities=tuple(c.city for c in record.contributions),
        record_digest=position.record_digest,
        total=sum_from_bytes(
            position.last_sum, length_of_kind(terms, record.kind), terms.privacy.modulus_bits
        ),
        attempts=position.attempts,
        epsilon=cost(terms, position),
        at_ms=now_ms,
    )
    if terms.statistics is not None:
        return statistics_release(ended, terms.statistics)
    if terms.training is None or state is None:
        raise StorageFault(Reason.STORAGE, "a training run has no state")
    votes = _votes(record, runs)
    if not not_worse([vote for _, vote in votes], len(ended.cities)):
        return None
    previous = (latest.document.version, latest.digest) if latest else (0, b"")
    envelopes = tuple(raw for raw, _ in votes)
    return model_release(ended, terms.training, state.parameters, envelopes, previous)


def rounds_asked(charter: Charter, position: Position) -> int:
    """How many rounds were asked for at most: every attempt after the first repeats one."""
    return min(position.completed, charter.rounds) + max(position.attempts - 1, 0)


def cost(charter: Charter, position: Position) -> float:
    """ε at the charter's δ of everything that was asked so far, per worker."""
    evaluated = charter.kind == "training" and position.completed > charter.rounds
    return spent(charter, rounds_asked(charter, position), evaluated=evaluated)


def _votes(record: RoundRecord, runs: RunStore) -> list[tuple[bytes, Vote]]:
    """Every vote in the recorded contributions, with its envelope bytes, by city."""
    found = []
    for recorded in record.contributions:
        body = runs.contribution(recorded.digest)
        if body is None or digest(body.envelope) != recorded.digest:
            raise StorageFault(Reason.STORAGE, f"the contribution of {recorded.city} is not kept")
        vote = _opened(body.envelope, Contribution).vote
        found.append((vote, _opened(vote, Vote)))
    return found


def _opened(raw: bytes, kind: type[T]) -> T:
    envelope = decode_envelope(raw)
    document = decode_document(envelope.payload_type, envelope.payload)
    if not isinstance(document, kind):
        raise StorageFault(Reason.STORAGE, f"a kept {kind.__name__} is something else")
    return document
