"""A coordinator that restarts stands where its own kept documents say, or says what is wrong."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cities import START, charter_of, opened, statistics_charter_of
from support.federation import Federation, document_digest
from support.runs import Run

from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.runs import DropRecord, RecordedContribution, RoundRecord
from federation.documents.types import Document
from federation.errors import LaborfedError, Malformed, Reason, StorageFault
from federation.exchange.blobs import BlobStore
from federation.exchange.database import open_database
from federation.rounds.aggregate import (
    initial_state,
    next_state,
    sum_from_bytes,
    sum_to_bytes,
    to_bytes,
)
from federation.rounds.position import Position, following, resume, start
from federation.rounds.terms import NO_PARAMETERS


@dataclass
class Kept:
    """A run's kept envelopes and blobs, and the positions they lead to, made independently."""

    federation: Federation
    charter: Charter
    digest: bytes
    blobs: BlobStore
    envelopes: list[bytes] = field(default_factory=list)
    rounds: int = 0
    previous: bytes = b""

    def keep(self, document: Document) -> bytes:
        raw = self.federation.by_coordinator(document)
        self.envelopes.append(raw)
        return document_digest(raw)

    def record(self, before: bytes, after: bytes, total: np.ndarray, **changes: Any) -> None:
        """Keep a round that leads from parameters to parameters, and its sum."""
        self.rounds += 1
        record = RoundRecord(
            charter_digest=self.digest,
            attempt_nonce=digest(b"nonce"),
            roster_digest=digest(b"roster"),
            round=self.rounds,
            kind=changes.pop("kind", "training"),
            parameters_digest=digest(before),
            contributions=tuple(
                RecordedContribution(city=city, digest=digest(city.encode()))
                for city in sorted(self.federation.cities)
            ),
            sum_digest=self.blobs.put(sum_to_bytes(total, self.charter.privacy.modulus_bits)),
            next_parameters_digest=digest(after),
            previous_record_digest=self.previous,
            closed_ms=self.federation.clock(),
        )
        self.previous = self.keep(replace(record, **changes))

    def position(self) -> Position:
        return resume(self.charter, self.envelopes, self.blobs)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    store = BlobStore(open_database(tmp_path / "exchange.db"))
    store.put(to_bytes(START))
    return store


@pytest.fixture
def kept(tmp_path: Path, blobs: BlobStore) -> Kept:
    federation = Federation(tmp_path)
    charter = charter_of(federation, rounds=3)
    raw = federation.by_administrators(charter)
    return Kept(federation, charter, document_digest(raw), blobs)


def training(kept: Kept, rounds: int) -> list[Position]:
    """Keep a roster and ``rounds`` training rounds; return the position after each document."""
    assert kept.charter.training is not None
    accepted = kept.federation.publish(kept.federation.by_administrators(kept.charter))
    run = Run(kept.federation, accepted.of(Charter))
    state = initial_state(to_bytes(START), 6, kept.charter.training)
    kept.keep(run.roster())
    positions = [kept.position()]
    for total in np.random.default_rng(4).integers(-(2**25), 2**25, (rounds, 6)):
        after = next_state(state, total, kept.charter.training)
        kept.record(to_bytes(state.parameters), to_bytes(after.parameters), total)
        state = after
        positions.append(kept.position())
    assert positions[-1].state is not None
    assert positions[-1].state.parameters.tolist() == state.parameters.tolist()
    assert positions[-1].state.velocity.tolist() == state.velocity.tolist()
    return positions


def test_before_anything_is_kept_it_stands_at_the_charters_start(kept: Kept) -> None:
    position = kept.position()
    assert position.state is not None
    assert position.state.parameters.tolist() == START.tolist()
    assert position.parameters_digest == digest(to_bytes(START))
    assert (position.completed, position.attempts, position.record) == (0, 0, None)
    assert (position.record_digest, position.last_sum) == (b"", b"")


def test_each_kept_round_is_one_further(kept: Kept) -> None:
    positions = training(kept, 3)
    assert [p.completed for p in positions] == [0, 1, 2, 3]
    assert [p.attempts for p in positions] == [1, 1, 1, 1]
    last = positions[-1]
    assert last.record is not None
    assert last.record.round == 3
    assert last.record_digest == document_digest(kept.envelopes[-1])
    assert digest(last.last_sum) == last.record.sum_digest
    assert last.parameters_digest == last.record.next_parameters_digest


def test_resuming_equals_having_gone_step_by_step(kept: Kept) -> None:
    """The conductor's own way: recorded() after recorded(), without reading anything back."""
    training(kept, 2)
    walked = start(kept.charter, kept.blobs)
    for raw in kept.envelopes:
        document = opened(raw)
        if isinstance(document, RoundRecord):
            raw_sum = kept.blobs.get(document.sum_digest)
            total = sum_from_bytes(raw_sum, 6, kept.charter.privacy.modulus_bits)
            state = following(walked.state, total, kept.charter, document.kind)
            walked = walked.recorded(document, document_digest(raw), raw_sum, state)
        else:
            walked = walked.noted(document, document_digest(raw))
    resumed = kept.position()
    assert walked.state is not None
    assert resumed.state is not None
    assert walked.state.parameters.tolist() == resumed.state.parameters.tolist()
    assert walked.state.velocity.tolist() == resumed.state.velocity.tolist()
    assert replace(walked, state=None).__dict__ == replace(resumed, state=None).__dict__


def test_an_evaluation_moves_no_parameters(kept: Kept) -> None:
    training(kept, 3)
    before = kept.position()
    assert before.state is not None
    candidate = to_bytes(before.state.parameters)
    kept.record(candidate, candidate, np.array([5, 9]), kind="evaluation")
    after = kept.position()
    assert after.completed == 4
    assert after.state is not None
    assert after.state.parameters.tolist() == before.state.parameters.tolist()
    assert after.last_sum == sum_to_bytes(np.array([5, 9]), 32)


def test_attempts_drops_release_and_end_are_read_back(kept: Kept) -> None:
    training(kept, 1)
    accepted = kept.federation.publish(
        kept.federation.by_administrators(replace(kept.charter, nonce=b"2" * 16))
    ).of(Charter)
    run = Run(kept.federation, accepted)
    for cities in (("440300",), ("310000", "340100")):
        drop = DropRecord(
            charter_digest=kept.digest,
            attempt_nonce=bytes(32),
            roster_digest=b"",
            round=2,
            cities=cities,
            reason="round.late",
            recorded_ms=1,
        )
        kept.keep(drop)
    kept.keep(replace(run.roster(), attempt=2))
    position = kept.position()
    assert position.attempts == 2
    assert position.dropped == {"440300", "310000", "340100"}
    assert not position.released
    assert position.closure is None
    closure = run.closure("failed")
    kept.keep(closure)
    assert kept.position().closure == closure


def test_a_statistics_run_has_no_state(kept: Kept) -> None:
    kept.charter = statistics_charter_of(kept.federation)
    assert kept.position().parameters_digest == NO_PARAMETERS
    kept.record(b"", b"", np.arange(6), kind="statistics")
    position = kept.position()
    assert position.state is None
    assert (position.completed, position.last_sum) == (1, sum_to_bytes(np.arange(6), 32))


def wrong_end(kept: Kept) -> None:
    training(kept, 1)
    state = kept.position().state
    assert state is not None
    kept.record(to_bytes(state.parameters), to_bytes(START + 1), np.ones(6, dtype=np.int64))


def foreign_document(kept: Kept) -> None:
    kept.keep(kept.charter)


def sum_of_another_length(kept: Kept) -> None:
    kept.record(to_bytes(START), to_bytes(START), np.zeros(7))


def sum_as_wide_as_a_parameter(kept: Kept) -> None:
    wide = kept.blobs.put(bytes(48))
    kept.record(to_bytes(START), to_bytes(START), np.zeros(6), sum_digest=wide)


def lost_sum(kept: Kept) -> None:
    kept.record(to_bytes(START), to_bytes(START), np.zeros(6), sum_digest=digest(b"lost"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(wrong_end, Reason.STORAGE, id="a sum that leads elsewhere"),
        pytest.param(foreign_document, Reason.STORAGE, id="a document no run has"),
        pytest.param(sum_of_another_length, Reason.OUT_OF_BOUND, id="a sum of another length"),
        pytest.param(sum_as_wide_as_a_parameter, Reason.OUT_OF_BOUND, id="a sum too wide"),
        pytest.param(lost_sum, Reason.NOT_FOUND, id="a sum that was lost"),
    ],
)
def test_what_contradicts_itself_is_not_resumed(kept: Kept, damage: Any, reason: Reason) -> None:
    damage(kept)
    with pytest.raises(LaborfedError) as caught:
        kept.position()
    assert caught.value.reason is reason
    if reason is Reason.STORAGE:
        assert isinstance(caught.value, StorageFault)


def test_a_start_that_is_not_the_charters_is_refused(kept: Kept) -> None:
    assert kept.charter.training is not None
    missing = replace(kept.charter.training, initial_parameters_digest=digest(b"missing"))
    with pytest.raises(LaborfedError) as caught:
        start(replace(kept.charter, training=missing), kept.blobs)
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(Malformed) as other:
        start(replace(kept.charter, length=7), kept.blobs)
    assert other.value.reason is Reason.OUT_OF_BOUND
