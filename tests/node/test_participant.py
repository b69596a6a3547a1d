"""A city's side of a run against a coordinator that may do anything; each refusal is by reason."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import asking, charters, rounds
from attacks.asking import Changes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from structlog.testing import capture_logs
from support import disk
from support.cities import (
    START,
    CitySide,
    Coordinator,
    GivenWork,
    Integers,
    PaperCity,
    charter_of,
    contribution_in,
    opened,
    reason_in,
    statistics_charter_of,
    vector_in,
    vote_in,
)
from support.federation import Federation

from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Refusal, RoundRequest
from federation.documents.runs import DropRecord
from federation.documents.types import PayloadType
from federation.errors import Malformed, PeerError, Reason, StorageFault
from federation.rounds import terms
from federation.rounds.aggregate import to_bytes
from federation.wire.codec import encode_body
from federation.wire.v1.envelope_pb2 import Attached
from node.faults import OWN_FAULT
from node.participant import STATE_EVERY
from node.policy import Budget, KindRules, Mode, Policy
from node.store import egress, runs

HOME, NEXT, THIRD, LAST = "310000", "330100", "340100", "440300"
DAY_S = 86_400
UNKNOWN_FIELD = b"\xf8\x07\x01"  # number 127, varint 1


@pytest.fixture
def coordinator(
    federation: Federation,
    company: dict[str, CitySide | PaperCity],
    blobs: dict[bytes, bytes],
) -> Coordinator:
    """A training charter is logged, nobody was asked yet; ``home`` is the one real node."""
    return Coordinator(federation, charter_of(federation), company, blobs)


@pytest.fixture
def together(
    federation: Federation, cities: dict[str, CitySide], blobs: dict[bytes, bytes]
) -> Coordinator:
    """The same among four real nodes."""
    return Coordinator(federation, charter_of(federation), cities, blobs)


def expected_sum(cities: dict[str, CitySide], kind: str, noise: int) -> list[int]:
    """The sum of what the cities' work gave, with ``noise`` added by every city."""
    exact = np.sum([side.work.figures[kind] for side in cities.values()], axis=0)
    return [int(value) + noise * len(cities) for value in exact]


def refused_without_a_trace(city: CitySide, body: bytes, reason: Reason) -> None:
    """Ask; the answer is a refusal for ``reason``, counted, and nothing else has changed."""
    before, counted, done = city.footprint, city.refusals.get(reason, 0), list(city.work.done)
    document = city.answer(body)
    assert isinstance(document, Refusal), document
    assert document.reason == reason, document.message
    assert document.city == city.division
    assert city.footprint == before
    assert city.refusals[reason] == counted + 1
    assert city.work.done == done


def check_books(city: CitySide) -> None:
    """Every answer has its egress entry, and every entry of a charged kind its charge."""
    books = city.footprint
    left = {entry for (entry,) in books["egress"]}
    assert {digest(row[4]) for row in books["answers"]} <= left
    with city.store.read() as connection:
        for _, departure in egress.entries(connection, limit=1_000):
            charged = departure.payload_type in (PayloadType.CONTRIBUTION, PayloadType.VOTE)
            assert (departure.budget_touch is not None) == charged


@contextmanager
def fault_at_statement(city: CitySide, number: int) -> Iterator[list[str]]:
    """Let the ``number``-th statement fail that would change the database or commit a change."""
    seen: list[str] = []
    happened: list[str] = []

    def fail(*arguments: Any) -> None:
        statement = arguments[2] if len(arguments) > 2 else "COMMIT"
        if statement.startswith(("SELECT", "BEGIN", "PRAGMA")):
            return
        seen.append(statement)
        if len(seen) == number:
            happened.append(statement)
            raise StorageFault(Reason.STORAGE, "the disk is full")

    engine = city.store.engine
    event.listen(engine, "before_cursor_execute", fail)
    event.listen(engine, "commit", fail)
    try:
        yield happened
    finally:
        event.remove(engine, "before_cursor_execute", fail)
        event.remove(engine, "commit", fail)


# ── the honest way ──────────────────────────────────────────────────────────────────────────────


def test_a_training_run_is_answered_round_by_round_and_its_sums_are_exact(
    together: Coordinator, cities: dict[str, CitySide], home: CitySide
) -> None:
    together.start()
    for kind, noise in (("training", 1), ("training", 2), ("evaluation", 3)):
        answers = together.ask()
        assert together.total(answers).tolist() == expected_sum(cities, kind, noise)
        together.publish_record(together.record_of(answers))
    assert home.work.done == ["training", "training", "evaluation"]
    assert home.work.parameters[0] == to_bytes(START)
    assert home.work.parameters[-1] == together.parameters
    assert len(set(home.work.parameters)) == 3
    assert home.refusals == {}


def test_a_statistics_run_is_answered_without_parameters(
    federation: Federation, cities: dict[str, CitySide], blobs: dict[bytes, bytes]
) -> None:
    coordinator = Coordinator(federation, statistics_charter_of(federation), cities, blobs)
    coordinator.start()
    answers = coordinator.ask()
    assert coordinator.total(answers).tolist() == expected_sum(cities, "statistics", 1)


def test_every_consent_carries_a_fresh_key_bound_to_its_attempt(together: Coordinator) -> None:
    first = [opened(raw) for raw in together.gather().values()]
    second = [opened(raw) for raw in together.gather().values()]
    consents = [c for c in (*first, *second) if isinstance(c, Consent)]
    assert len(consents) == 8
    assert len({c.agreement_key for c in consents}) == 8
    assert {c.attempt_nonce for c in consents[4:]} == {together.nonce}
    assert {c.charter_digest for c in consents} == {together.charter.digest}


def test_after_a_drop_out_the_others_go_on_as_a_new_attempt_with_fresh_keys(
    together: Coordinator, cities: dict[str, CitySide]
) -> None:
    together.start()
    together.complete_round()
    lost = together.ask()  # round 2, of which the last city's answer never arrives
    drop = DropRecord(
        charter_digest=together.charter.digest,
        attempt_nonce=together.nonce,
        roster_digest=together.roster.digest,
        round=2,
        cities=(LAST,),
        reason="round.late",
        recorded_ms=together.federation.clock(),
    )
    together.publish(drop)
    del together.cities[LAST]
    dropped = cities.pop(LAST)
    together.start()
    answers = together.ask()
    assert together.total(answers).tolist() == expected_sum(cities, "training", 3)
    assert vector_in(answers[HOME]) != vector_in(lost[HOME])
    dropped.catch_up()
    refused_without_a_trace(dropped, together.round_body(), Reason.DROPPED)


def test_noise_is_as_wide_as_the_charter_and_the_roster_say(
    together: Coordinator, home: CitySide
) -> None:
    together.start()
    together.complete_round()
    together.complete_round()
    together.complete_round()
    charter = together.charter.document
    training, evaluation = (terms.noise_sd(charter, k, 4) for k in ("training", "evaluation"))
    assert home.noise.widths == [training, training, evaluation]


# ── requests to join ────────────────────────────────────────────────────────────────────────────


def before_the_window(coordinator: Coordinator) -> dict[str, Any]:
    start = coordinator.charter.document.not_before_ms
    later = charter_of(coordinator.federation, nonce=b"l" * 16, not_before_ms=start + 60_000)
    accepted = coordinator.federation.publish(coordinator.federation.by_administrators(later))
    coordinator.tell()
    return {"charter_digest": accepted.digest}


def unknown_membership(coordinator: Coordinator) -> dict[str, Any]:
    return {"membership_digest": digest(b"no such membership")}


def charter_for_membership(coordinator: Coordinator) -> dict[str, Any]:
    return {"membership_digest": coordinator.charter.digest}


def unsupported(coordinator: Coordinator) -> dict[str, Any]:
    home = coordinator.cities[HOME]
    assert isinstance(home, CitySide)
    home.work.supported = False
    return {}


# ``attacks.charters`` shows them to a city that has run on; here its memory is gone
@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        pytest.param(before_the_window, Reason.CHARTER_WINDOW, id="a charter not open yet"),
        pytest.param(unknown_membership, Reason.DEADLINE, id="a membership nobody knows"),
        pytest.param(charter_for_membership, Reason.WRONG_BINDING, id="a charter as membership"),
        pytest.param(unsupported, Reason.CHARTER_UNSUPPORTED, id="a model this city lacks"),
        pytest.param(charters.unknown, Reason.CHARTER_UNKNOWN, id="an unknown charter"),
        pytest.param(charters.a_roster, Reason.UNEXPECTED_TYPE, id="a roster as charter"),
        pytest.param(rounds.after_the_window, Reason.CHARTER_WINDOW, id="a charter that ran out"),
        pytest.param(asking.closed, Reason.CHARTER_CLOSED, id="a closed charter"),
        pytest.param(asking.dropped, Reason.DROPPED, id="a run this city was dropped from"),
        pytest.param(
            charters.membership_of_yesterday, Reason.WRONG_BINDING, id="a replaced membership"
        ),
        pytest.param(
            charters.attempt_consented_to, Reason.ANSWERED, id="an attempt that was consented to"
        ),
        pytest.param(charters.made_tomorrow, Reason.NOT_YET_VALID, id="a request of tomorrow"),
    ],
)
def test_a_request_to_join_is_refused_after_a_restart_as_before(
    coordinator: Coordinator,
    home: CitySide,
    attack: Callable[[Coordinator], Changes],
    reason: Reason,
) -> None:
    changes = attack(coordinator)
    home.restart()
    body = coordinator.sign(coordinator.consent_request(**changes))
    refused_without_a_trace(home, body, reason)


def policy(budget: float = 8.0, **changes: Any) -> Policy:
    willing: dict[str, Any] = {"mode": Mode.AUTO, "max_epsilon": 8.0, "min_roster": 3}
    return Policy(budget=Budget(epsilon=budget), training=KindRules(**{**willing, **changes}))


def test_a_changed_policy_counts_from_the_next_attempt_on(
    coordinator: Coordinator, home: CitySide
) -> None:
    coordinator.gather()
    home.policy = policy(mode=Mode.REFUSE)
    refused_without_a_trace(home, coordinator.sign(coordinator.consent_request()), Reason.POLICY)


@pytest.mark.parametrize(("approve", "reason"), [(True, None), (False, Reason.POLICY)])
def test_what_a_person_must_decide_is_refused_until_the_person_has(
    coordinator: Coordinator, home: CitySide, approve: bool, reason: Reason | None
) -> None:
    home.policy = policy(mode=Mode.ASK)
    home.restart()
    body = coordinator.sign(coordinator.consent_request())
    before = home.footprint
    assert reason_in(home.participant.answer(body)) == Reason.AWAITING_PERSON
    asked = home.footprint
    assert len(asked.pop("decisions")) == len(before.pop("decisions")) + 1
    assert asked == before
    refused_without_a_trace(home, body, Reason.AWAITING_PERSON)
    with home.store.write() as connection:
        runs.decide(connection, coordinator.charter.digest, approve, "Zhao", 1)
    if reason is None:
        assert isinstance(home.answer(body), Consent)
    else:
        refused_without_a_trace(home, body, reason)


def test_a_repeated_request_to_join_gets_the_very_same_consent(
    coordinator: Coordinator, home: CitySide
) -> None:
    body = coordinator.sign(coordinator.consent_request())
    first = home.participant.answer(body)
    before = home.footprint
    assert home.participant.answer(body) == first
    assert home.footprint == before
    home.restart()  # the key died with the process, so the old consent must not be given again
    refused_without_a_trace(home, body, Reason.KEYS_LOST)


def test_nothing_is_attached_to_a_request_that_names_no_record(
    coordinator: Coordinator, home: CitySide
) -> None:
    asked = coordinator.sign(coordinator.consent_request())
    refused_without_a_trace(home, encode_body(Body(asked, bytes(24))), Reason.NOT_DECODABLE)
    assert isinstance(home.answer(asked), Consent)
    coordinator.start()
    refused_without_a_trace(home, coordinator.round_body(bytes(24)), Reason.NOT_DECODABLE)
    contribution_in(home.participant.answer(coordinator.round_body()))


# ── rounds ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def second_round(coordinator: Coordinator) -> Coordinator:
    """Round 1 is answered and recorded; round 2 is next."""
    coordinator.start()
    coordinator.complete_round()
    return coordinator


def unlogged_roster(_: Coordinator) -> Changes:
    return {"roster_digest": digest(b"no roster")}


def roster_for_a_record(coordinator: Coordinator) -> Changes:
    return {"previous_record_digest": coordinator.roster.digest}


def unlogged_record(_: Coordinator) -> Changes:
    return {"previous_record_digest": digest(b"no record")}


def round_after_the_last(_: Coordinator) -> Changes:
    return {"round": 4}


def lost_sum(coordinator: Coordinator) -> Changes:
    coordinator.blobs.clear()
    return {"last_sum": b""}


@pytest.mark.parametrize(
    ("incomplete", "reason"),
    [
        pytest.param(charters.unknown, Reason.CHARTER_UNKNOWN, id="under an unknown charter"),
        pytest.param(unlogged_roster, Reason.DEADLINE, id="before its roster"),
        pytest.param(roster_for_a_record, Reason.UNEXPECTED_TYPE, id="with a roster as record"),
        pytest.param(unlogged_record, Reason.DEADLINE, id="before the record of the last one"),
        pytest.param(round_after_the_last, Reason.WRONG_ROUND, id="after the last"),
        pytest.param(lost_sum, Reason.NOT_FOUND, id="with a sum nobody has"),
    ],
)
def test_no_round_is_answered(
    second_round: Coordinator,
    home: CitySide,
    incomplete: Callable[[Coordinator], Changes],
    reason: Reason,
) -> None:
    body = second_round.round_body(**incomplete(second_round))
    refused_without_a_trace(home, body, reason)


def test_a_refused_request_does_not_spoil_the_right_one(
    second_round: Coordinator, home: CitySide
) -> None:
    attacks = (
        rounds.other_parameters,
        rounds.other_sum,
        rounds.round_left_out,
        rounds.my_contribution_exchanged,
    )
    for attack in attacks:
        body = second_round.round_body(**attack(second_round))
        assert isinstance(home.answer(body), Refusal)
    answers = second_round.complete_round()
    assert len(answers) == 4


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_the_same_request_gets_the_very_same_bytes(
    second_round: Coordinator, home: CitySide, restarted: bool
) -> None:
    body = second_round.round_body()
    first = home.participant.answer(body)
    before, drawn = home.footprint, len(home.noise.widths)
    if restarted:
        home.restart()
    assert home.participant.answer(body) == first
    assert home.footprint == before
    assert len(home.noise.widths) == drawn


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_another_request_for_an_answered_round_is_refused(
    second_round: Coordinator, home: CitySide, restarted: bool
) -> None:
    contribution_in(home.participant.answer(second_round.round_body()))
    if restarted:
        home.restart()
    second_round.federation.clock.pass_(1)
    body = second_round.round_body()
    refused_without_a_trace(home, body, Reason.ANSWERED)


def test_a_round_of_another_kind_is_no_second_question(
    second_round: Coordinator, home: CitySide
) -> None:
    contribution_in(home.participant.answer(second_round.round_body()))
    body = second_round.round_body(kind="evaluation")
    refused_without_a_trace(home, body, Reason.WRONG_ROUND)


def test_after_a_restart_the_keys_are_gone_and_a_new_attempt_goes_on(
    together: Coordinator, cities: dict[str, CitySide], home: CitySide
) -> None:
    together.start()
    together.complete_round()
    home.restart()
    body = together.round_body()
    refused_without_a_trace(home, body, Reason.KEYS_LOST)
    together.start()
    total = together.total(together.ask())
    assert total.tolist() == expected_sum(cities, "training", 2)


def test_a_city_that_missed_everything_replays_the_recorded_sums(
    second_round: Coordinator, home: CitySide
) -> None:
    second_round.complete_round()
    with home.store.write() as connection:
        runs.forget_states(connection, second_round.charter.digest, 1_000)
    home.restart()
    second_round.start()
    body = second_round.round_body()
    contribution_in(home.participant.answer(body))
    assert home.work.parameters[-1] == second_round.parameters


def test_a_restarted_city_begins_at_the_state_it_kept(
    federation: Federation,
    company: dict[str, CitySide | PaperCity],
    blobs: dict[bytes, bytes],
    home: CitySide,
) -> None:
    rounds = STATE_EVERY + 2
    coordinator = Coordinator(federation, charter_of(federation, rounds=rounds), company, blobs)
    coordinator.start()
    for _ in range(rounds - 1):
        coordinator.complete_round()
    for total in coordinator.sums[:STATE_EVERY]:
        del blobs[digest(total)]
    home.restart()
    coordinator.start()
    body = coordinator.round_body()
    contribution_in(home.participant.answer(body))
    assert home.work.parameters[-1] == coordinator.parameters


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        pytest.param(
            lambda c, r: c.federation.by_administrators(c.charter.document),
            Reason.UNEXPECTED_TYPE,
            id="that is a charter",
        ),
        pytest.param(lambda c, r: c.sign(r)[:-7], Reason.NOT_DECODABLE, id="cut short"),
        pytest.param(lambda c, r: b"", Reason.NOT_DECODABLE, id="empty"),
        pytest.param(
            lambda c, r: encode_body(Body(c.sign(r), c.sums[-1]))[:-7],
            Reason.NOT_DECODABLE,
            id="cut short within its sum",
        ),
        pytest.param(
            lambda c, r: encode_body(Body(encode_body(Body(c.sign(r), c.sums[-1])), c.sums[-1])),
            Reason.NOT_DECODABLE,
            id="attached twice over",
        ),
        pytest.param(
            lambda c, r: encode_body(Body(c.sign(r), c.sums[-1])) + UNKNOWN_FIELD,
            Reason.NOT_DECODABLE,
            id="with a field more beside its sum",
        ),
        pytest.param(
            lambda c, r: Attached(vector=c.sums[-1]).SerializeToString(),
            Reason.NOT_DECODABLE,
            id="that is a sum alone",
        ),
        pytest.param(
            lambda c, r: c.sign(r).replace(b"round-request", b"round-riddles"),
            Reason.UNKNOWN_TYPE,
            id="of an unknown type",
        ),
    ],
)
def test_no_request_is_believed(
    second_round: Coordinator,
    home: CitySide,
    forge: Callable[[Coordinator, RoundRequest], bytes],
    reason: Reason,
) -> None:
    refused_without_a_trace(home, forge(second_round, second_round.round_request()), reason)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=200), cut=st.integers(0, 200), flip=st.integers(0, 10_000))
def test_whatever_arrives_is_answered_by_a_refusal(
    coordinator: Coordinator, home: CitySide, body: bytes, cut: int, flip: int
) -> None:
    genuine = coordinator.sign(coordinator.consent_request())
    at = flip % len(genuine)
    flipped = genuine[:at] + bytes([genuine[at] ^ (1 + flip % 255)]) + genuine[at + 1 :]
    before = home.footprint
    for damaged in (body, genuine[:cut] + body, flipped):
        assert isinstance(home.answer(damaged), Refusal)
    assert home.footprint == before


# ── a store older than the log ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("consented", [False, True], ids=["before consent", "after consent"])
def test_a_city_restored_from_a_backup_pays_for_nothing_twice(
    coordinator: Coordinator, home: CitySide, tmp_path: Path, consented: bool
) -> None:
    def back_up() -> None:
        home.store.close()  # its connections: what is written next opens new ones
        shutil.copy(str(home.store.engine.url.database), tmp_path / "backup")

    for step in (coordinator.start, back_up) if consented else (back_up, coordinator.start):
        step()
    coordinator.complete_round()
    home.store.close()
    shutil.copy(tmp_path / "backup", str(home.store.engine.url.database))
    home.restart()
    home.catch_up()
    coordinator.gather()
    coordinator.publish_roster(attempt=2)
    body = coordinator.round_body()
    refused_without_a_trace(home, body, Reason.REPEATS_EXHAUSTED)


# ── budget and the last round ───────────────────────────────────────────────────────────────────


def test_every_answer_is_charged_and_repeats_end_with_the_budget(
    second_round: Coordinator, home: CitySide
) -> None:
    """Two rounds and one repeat were reserved: the fourth sum is refused whatever the roster."""
    second_round.ask()
    second_round.start()
    second_round.complete_round()  # round 2 again, the third charge
    assert [row[2:] for row in home.footprint["budget_touches"]] == [
        ("round", digest(b"nonce" + bytes([1])), 1),
        ("round", digest(b"nonce" + bytes([1])), 2),
        ("round", digest(b"nonce" + bytes([2])), 2),
    ]
    second_round.records.pop()
    second_round.sums.pop()
    second_round.gather()
    second_round.publish_roster(attempt=2)
    body = second_round.round_body()
    refused_without_a_trace(home, body, Reason.REPEATS_EXHAUSTED)


@pytest.fixture
def evaluating(together: Coordinator) -> Coordinator:
    """Both training rounds are recorded; the evaluation is next."""
    together.start()
    together.complete_round()
    together.complete_round()
    return together


def test_vote_and_contribution_to_the_card_are_one_noised_value(
    evaluating: Coordinator, cities: dict[str, CitySide], home: CitySide
) -> None:
    for number, side in enumerate(cities.values()):
        side.work.figures["evaluation"] = np.array([-3 + number, 100], dtype=np.int64)
    drawn = len(home.noise.widths)
    answers = evaluating.ask()
    assert len(home.noise.widths) == drawn + 1
    # the third draw adds 3: what was −3 becomes 0 and just counts as not worse
    assert [vote_in(raw).not_worse for raw in answers.values()] == [True] * 4
    assert evaluating.total(answers).tolist() == [-3 - 2 - 1 + 0 + 4 * 3, 4 * 103]
    assert {vote_in(raw).candidate_digest for raw in answers.values()} == {
        digest(evaluating.parameters)
    }


def test_a_worse_candidate_is_voted_against(evaluating: Coordinator, home: CitySide) -> None:
    home.work.figures["evaluation"] = np.array([-4, 100], dtype=np.int64)
    votes = {city: vote_in(raw).not_worse for city, raw in evaluating.ask().items()}
    assert votes == {HOME: False, NEXT: True, THIRD: True, LAST: True}


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_an_evaluation_is_drawn_once_over_attempts_and_charged_once(
    evaluating: Coordinator, home: CitySide, restarted: bool
) -> None:
    first = evaluating.ask()
    total, drawn = evaluating.total(first).tolist(), len(home.noise.widths)
    touches = home.footprint["budget_touches"]
    home.work.figures["evaluation"] = np.array([10**6, 1], dtype=np.int64)
    if restarted:
        home.restart()
    evaluating.start()
    second = evaluating.ask()
    assert vector_in(second[HOME]) != vector_in(first[HOME])
    assert evaluating.total(second).tolist() == total
    assert len(home.noise.widths) == drawn
    assert home.work.done.count("evaluation") == 1
    assert home.footprint["budget_touches"] == touches
    assert vote_in(second[HOME]).not_worse == vote_in(first[HOME]).not_worse


class Failing(GivenWork):
    """Work that fails over a record, and says which."""

    fault: Exception

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        raise self.fault


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Malformed(Reason.OUT_OF_BOUND, "worker 李 is negative"), id="ours"),
        pytest.param(KeyError("worker 李"), id="a library's"),
        pytest.param(ValueError("worker 李"), id="numpy's"),
    ],
)
def test_what_goes_wrong_over_records_is_told_to_nobody(
    second_round: Coordinator, home: CitySide, fault: Exception
) -> None:
    home.work = Failing({})
    home.work.fault = fault
    home.restart()
    second_round.start()
    with capture_logs() as events:
        told = home.answer(second_round.round_body())
    assert isinstance(told, Refusal)
    assert told.reason == Reason.STORAGE
    assert told.message == OWN_FAULT
    (entry,) = events
    assert entry["fault"] == type(fault).__name__
    assert "test_participant.py:" in entry["at"]
    assert "李" not in str(entry)


def test_a_fault_that_nobody_foresaw_ends_no_process(
    second_round: Coordinator, home: CitySide
) -> None:
    home.fault = ZeroDivisionError("worker 李")
    body = second_round.round_body(b"")
    with capture_logs() as events:
        refused_without_a_trace(home, body, Reason.STORAGE)
    (entry,) = events
    assert entry["fault"] == "ZeroDivisionError"
    assert "李" not in str(entry)


@pytest.mark.parametrize(
    "said", ["two\nlines", "", "x" * 5_000, "\x1b[31mred"], ids=["lines", "none", "much", "red"]
)
def test_what_the_other_side_says_cannot_spoil_a_refusal(
    second_round: Coordinator, home: CitySide, said: str
) -> None:
    home.fault = PeerError(Reason.UNREACHABLE, said)
    body = second_round.round_body(b"")
    refused_without_a_trace(home, body, Reason.UNREACHABLE)


def test_a_city_forgets_what_it_read_when_the_run_ends(
    second_round: Coordinator, home: CitySide
) -> None:
    assert home.work.forgotten == []
    asking.closed(second_round)
    assert home.work.forgotten == [second_round.charter.digest]


@pytest.mark.parametrize("kind", ["consent", "training", "evaluation"])
def test_a_fault_at_any_statement_leaves_nothing_half_done_and_a_retry_succeeds(
    together: Coordinator, home: CitySide, kind: str
) -> None:
    """Whatever statement fails last before a crash, answer, entry and charge stand or fall as one.

    The same request is asked again and again, each time failing one statement later.
    """
    if kind != "consent":
        together.start()
    for _ in range(2 if kind == "evaluation" else 0):
        together.complete_round()
    joining = kind == "consent"
    body = together.sign(together.consent_request()) if joining else together.round_body()
    touches = len(home.footprint["budget_touches"])
    for number in itertools.count(1):
        with fault_at_statement(home, number) as happened:
            try:
                answer = home.participant.answer(body)
            except StorageFault:  # the refusal itself could not be written down
                answer = None
        if answer is not None and not isinstance(opened(answer), Refusal):
            break
        assert happened
        check_books(home)
    assert number > 3
    assert not happened
    check_books(home)
    assert home.participant.answer(body) == answer
    assert len(home.footprint["budget_touches"]) == touches + (not joining)


# ── a disk that is full ─────────────────────────────────────────────────────────────────────────


def test_a_full_disk_before_the_charge_leaves_nothing_and_the_same_request_is_answered_later(
    coordinator: Coordinator, home: CitySide
) -> None:
    coordinator.start()
    body = coordinator.round_body()
    before = home.footprint
    with disk.full(), pytest.raises(StorageFault):
        home.participant.answer(body)
    assert home.footprint == before
    contribution_in(home.participant.answer(body))
    assert len(home.footprint["budget_touches"]) == 1


def test_a_full_disk_before_the_answer_charges_once_and_the_same_request_is_answered_later(
    coordinator: Coordinator, home: CitySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator.start()
    body = coordinator.round_body()
    count = home.work.training

    def fills(*arguments: Any) -> Any:
        disk.fill()  # it was charged, nothing is computed, signed or answered yet
        return count(*arguments)

    monkeypatch.setattr(home.work, "training", fills)
    try:
        with pytest.raises(StorageFault):
            home.participant.answer(body)
    finally:
        disk.free()
    monkeypatch.undo()
    assert len(home.footprint["budget_touches"]) == 1
    answered = home.participant.answer(body)
    contribution_in(answered)
    assert len(home.footprint["budget_touches"]) == 1
    assert home.participant.answer(body) == answered
