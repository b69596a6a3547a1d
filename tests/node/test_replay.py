"""A city derives the optimiser's state itself: from scratch, step by step, never from hearsay."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from support.cities import START, charter_of
from support.federation import Federation
from support.runs import Run

from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.charter import Charter, TrainingTerms
from federation.documents.exchanged import RoundRequest
from federation.documents.runs import RecordedContribution, RoundRecord
from federation.documents.types import Document
from federation.errors import LaborfedError, Malformed, Reason, Refused
from federation.rounds.aggregate import (
    State,
    initial_state,
    next_state,
    sum_from_bytes,
    sum_to_bytes,
    to_bytes,
)
from node.replay import Reached, start, state_before

ROUNDS = 6
BITS = 32  # the modulus's width
Asked = tuple[RoundRequest, bytes]  # a request, and the sum attached to it


@dataclass
class Walk:
    """A run whose sums are recorded, and a city that follows it."""

    federation: Federation
    charter: Accepted[Charter]
    states: list[State]
    sums: list[bytes] = field(default_factory=list)
    records: list[Accepted[RoundRecord]] = field(default_factory=list)
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    fetched: list[bytes] = field(default_factory=list)

    @property
    def terms(self) -> TrainingTerms:
        terms = self.charter.document.training
        assert terms is not None
        return terms

    def record(self, total: np.ndarray, **changes: Any) -> None:
        """Log one more round with this sum."""
        state = next_state(self.states[-1], total, self.terms)
        before, raw = self.states[-1], sum_to_bytes(total, BITS)
        made = RoundRecord(
            charter_digest=self.charter.digest,
            attempt_nonce=digest(b"nonce"),
            roster_digest=digest(b"roster"),
            round=len(self.records) + 1,
            kind="training",
            parameters_digest=digest(to_bytes(before.parameters)),
            contributions=tuple(
                RecordedContribution(city=city, digest=digest(city.encode()))
                for city in sorted(self.federation.cities)
            ),
            sum_digest=digest(raw),
            next_parameters_digest=digest(to_bytes(state.parameters)),
            previous_record_digest=self.records[-1].digest if self.records else b"",
            closed_ms=self.federation.clock(),
        )
        run = Run(self.federation, self.charter)
        self.records.append(run.publish_record(replace(made, **changes)))
        self.states.append(state)
        self.sums.append(raw)
        self.blobs[digest(raw)] = raw

    def request(self, number: int, **changes: Any) -> RoundRequest:
        """Return the request for round ``number``."""
        request = RoundRequest(
            charter_digest=self.charter.digest,
            attempt_nonce=digest(b"nonce"),
            membership_digest=self.federation.trust.current_digest,
            roster_digest=digest(b"roster"),
            round=number,
            kind="training",
            parameters_digest=digest(to_bytes(self.states[number - 1].parameters)),
            previous_record_digest=self.records[number - 2].digest if number > 1 else b"",
            issued_ms=self.federation.clock(),
        )
        return replace(request, **changes)

    def ask(self, number: int, **changes: Any) -> Asked:
        """Return the request for round ``number`` with the sum of the round before."""
        return self.request(number, **changes), self.sums[number - 2] if number > 1 else b""

    def before(self, asked: Asked, held: Reached | None) -> Reached:
        """Derive the state before a round, as the city does."""
        request, last_sum = asked
        return state_before(
            self.charter,
            self.terms,
            request,
            held,
            last_sum=last_sum,
            find=self.find,
            fetch=self.fetch,
        )

    def find(self, wanted: bytes) -> Accepted[Document] | None:
        logged: list[Accepted[Document]] = [*self.records, self.charter]
        return {document.digest: document for document in logged}.get(wanted)

    def fetch(self, wanted: bytes) -> bytes:
        self.fetched.append(wanted)
        if wanted not in self.blobs:
            raise Refused(Reason.NOT_FOUND, "no such blob is kept")
        return self.blobs[wanted]


@pytest.fixture
def walk(federation: Federation, blobs: dict[bytes, bytes]) -> Walk:
    signed = federation.by_administrators(charter_of(federation, rounds=ROUNDS))
    charter = federation.publish(signed).of(Charter)
    training = charter.document.training
    assert training is not None
    begun = Walk(federation, charter, [initial_state(to_bytes(START), 6, training)], blobs=blobs)
    for total in np.random.default_rng(1).integers(-(2**25), 2**25, (ROUNDS, 6)):
        begun.record(total)
    return begun


def same(reached: Reached, state: State) -> bool:
    return (
        reached.state.parameters.tolist() == state.parameters.tolist()
        and reached.state.velocity.tolist() == state.velocity.tolist()
        and reached.parameters_digest == digest(to_bytes(state.parameters))
    )


def test_step_by_step_needs_only_what_is_attached_to_each_request(walk: Walk) -> None:
    held = walk.before(walk.ask(1), None)
    assert walk.fetched == [walk.terms.initial_parameters_digest]
    for number in range(2, ROUNDS + 2):
        held = walk.before(walk.ask(number), held)
        assert held.round == number - 1
        assert same(held, walk.states[number - 1])
    assert len(walk.fetched) == 1
    assert len({to_bytes(state.parameters) for state in walk.states}) == ROUNDS + 1


@pytest.mark.parametrize("number", range(1, ROUNDS + 2))
def test_from_wherever_a_city_stands_it_gets_to_the_same_state(walk: Walk, number: int) -> None:
    """From scratch, from a state that is behind, from the right one, and from one too far ahead."""
    held = [Reached(n, s, digest(to_bytes(s.parameters))) for n, s in enumerate(walk.states)]
    handed, fetched = walk.ask(number), (walk.request(number), b"")
    for standing in (None, *held):
        for asked in (handed, fetched):
            reached = walk.before(asked, standing)
            assert reached.round == number - 1
            assert same(reached, walk.states[number - 1])


def other_start(walk: Walk) -> Asked:
    walk.blobs[walk.terms.initial_parameters_digest] = to_bytes(START + 1)
    return walk.ask(3)


def missing_record(walk: Walk) -> Asked:
    del walk.records[0]
    walk.records.insert(0, walk.records[-1])
    return walk.ask(3)


def other_document(walk: Walk) -> Asked:
    return walk.ask(3, previous_record_digest=walk.charter.digest)


def record_of_another_round(walk: Walk) -> Asked:
    return walk.ask(3, previous_record_digest=walk.records[0].digest)


def other_sum(walk: Walk) -> Asked:
    return walk.request(3), walk.sums[2]


def sum_that_leads_to_the_same_parameters(walk: Walk) -> Asked:
    """One unit more is lost in the step's shift and would live on in the velocity."""
    before, recorded = walk.states[1], sum_from_bytes(walk.sums[1], 6, BITS)
    for change in np.array([[1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0]]):
        made_up = recorded + change
        state = next_state(before, made_up, walk.terms)
        if np.array_equal(state.parameters, walk.states[2].parameters):
            return walk.request(3), sum_to_bytes(made_up, BITS)
    raise AssertionError("either one unit up or one unit down stays within the shift")


def sum_with_more_behind_it(walk: Walk) -> Asked:
    return walk.request(3), walk.sums[1] + bytes(4)


def sum_cut_short(walk: Walk) -> Asked:
    return walk.request(3), walk.sums[1][:-4]


def sum_as_wide_as_a_parameter(walk: Walk) -> Asked:
    """The same integers, written in eight bytes each."""
    return walk.request(3), to_bytes(sum_from_bytes(walk.sums[1], 6, BITS))


def lost_sum(walk: Walk) -> Asked:
    del walk.blobs[digest(walk.sums[1])]
    return walk.request(3), b""


def recorded_sum(raw: bytes) -> Callable[[Walk], Asked]:
    """A record of bytes that are no sum of the charter's, and these bytes attached."""

    def make(walk: Walk) -> Asked:
        walk.record(np.ones(6, dtype=np.int64), sum_digest=digest(raw))
        return walk.request(ROUNDS + 2), raw

    return make


def other_fetched_sum(walk: Walk) -> Asked:
    walk.blobs[digest(walk.sums[0])] = walk.sums[1]
    return walk.ask(3)


def other_parameters(walk: Walk) -> Asked:
    return walk.ask(3, parameters_digest=digest(b"other"))


def first_round_on_others(walk: Walk) -> Asked:
    return walk.ask(1, parameters_digest=digest(b"other"))


def last_record(**changes: Any) -> Callable[[Walk], Asked]:
    def make(walk: Walk) -> Asked:
        walk.record(np.ones(6, dtype=np.int64), **changes)
        return walk.ask(ROUNDS + 2)

    return make


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        pytest.param(other_start, Reason.WRONG_SUM, id="another beginning than the charter's"),
        pytest.param(missing_record, Reason.WRONG_ROUND, id="a record that is not in the log"),
        pytest.param(other_document, Reason.WRONG_ROUND, id="a charter as record"),
        pytest.param(record_of_another_round, Reason.WRONG_ROUND, id="a record left out"),
        pytest.param(other_sum, Reason.WRONG_SUM, id="another sum attached"),
        pytest.param(
            sum_that_leads_to_the_same_parameters, Reason.WRONG_SUM, id="a sum almost the same"
        ),
        pytest.param(sum_with_more_behind_it, Reason.WRONG_SUM, id="a sum with more behind it"),
        pytest.param(sum_cut_short, Reason.WRONG_SUM, id="a sum cut short"),
        pytest.param(
            sum_as_wide_as_a_parameter, Reason.WRONG_SUM, id="a sum as wide as a parameter"
        ),
        pytest.param(lost_sum, Reason.NOT_FOUND, id="no sum attached and none kept"),
        pytest.param(
            recorded_sum(bytes(28)), Reason.OUT_OF_BOUND, id="a recorded sum of seven integers"
        ),
        pytest.param(
            recorded_sum(bytes(23)), Reason.OUT_OF_BOUND, id="a recorded sum of half an integer"
        ),
        pytest.param(other_fetched_sum, Reason.WRONG_SUM, id="another sum from the exchange"),
        pytest.param(other_parameters, Reason.WRONG_SUM, id="parameters records do not lead to"),
        pytest.param(first_round_on_others, Reason.WRONG_SUM, id="a first round on others"),
        pytest.param(
            last_record(charter_digest=digest(b"another")),
            Reason.WRONG_ROUND,
            id="a record of another run",
        ),
        pytest.param(
            last_record(parameters_digest=digest(b"other")),
            Reason.WRONG_SUM,
            id="a record that began elsewhere",
        ),
        pytest.param(
            last_record(next_parameters_digest=digest(b"other")),
            Reason.WRONG_SUM,
            id="a record that ends elsewhere",
        ),
    ],
)
def test_a_city_does_not_follow(
    walk: Walk, attack: Callable[[Walk], Asked], reason: Reason
) -> None:
    asked = attack(walk)
    with pytest.raises(LaborfedError) as caught:
        walk.before(asked, None)
    assert caught.value.reason is reason


def test_parameters_beyond_the_bound_are_never_reached(walk: Walk) -> None:
    terms = replace(walk.terms, parameter_bound=10_000)
    request, last_sum = walk.ask(7)
    with pytest.raises(Malformed) as caught:
        state_before(
            walk.charter, terms, request, None, last_sum=last_sum, find=walk.find, fetch=walk.fetch
        )
    assert caught.value.reason is Reason.OUT_OF_BOUND


def test_the_start_is_the_charters_and_its_velocity_is_zero(walk: Walk) -> None:
    begun = start(walk.charter.document, walk.terms, walk.fetch)
    assert begun.round == 0
    assert begun.state.parameters.tolist() == START.tolist()
    assert not begun.state.velocity.any()
