"""What each store module promises, through a real database."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from federation.errors import LaborfedError, Reason
from federation.vectors import Place
from node.records import Grade
from node.store import answers, cells, documents, egress, models, records, runs
from node.store.answers import Answer, Question
from node.store.documents import StoredDocument
from node.store.egress import Departure
from node.store.engine import Store
from node.store.models import ActiveModel
from node.store.records import Changes
from node.store.runs import Alarm, DecisionState, RunState

CHARTER, OTHER, ATTEMPT = b"c" * 32, b"o" * 32, b"a" * 32
TODAY = date(2025, 6, 1)


def job(job_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "title": "电工",
        "occupation": "6-31-01-03",
        "employer_id": "e1",
        "employer_name": "厂",
        "division": "440305",
        "longitude": 113.9,
        "latitude": 22.5,
        "skills": "电工证;PLC",
        "experience_years": 1,
        "pay_low": 6000,
        "pay_high": 8000,
        "hours_per_week": 44,
        "shift": "day",
        "contract": "labour",
        "insurance": "full",
        "openings": 3,
        "posted_on": date(2025, 5, 1),
        "closes_on": date(2025, 7, 1),
        "contact": "张",
        "description": "",
        **changes,
    }


def worker(worker_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "worker_id": worker_id,
        "name": "李",
        "id_number_hash": b"1" * 32,
        "phone_hash": None,
        "gender": "female",
        "birth_date": date(1990, 1, 1),
        "division": "440305",
        "longitude": 113.9,
        "latitude": 22.5,
        "address": "路",
        "occupation": "4-10-08-01",
        "skills": "",
        "experience_years": 3,
        "wish_pay": 7000,
        "wish_hours": 40,
        "wish_shift": "any",
        "wish_contract": "any",
        "wish_insurance": "any",
        "max_distance_km": 20,
        "move": "province",
        "seeking": True,
        "consent_training": True,
        "note": "",
        **changes,
    }


def outcome(outcome_id: str, worker_id: str, job_id: str, event: str) -> dict[str, Any]:
    return {
        "outcome_id": outcome_id,
        "worker_id": worker_id,
        "job_id": job_id,
        "event": event,
        "occurred_on": date(2025, 5, 20),
    }


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as c:
        records.upsert(
            c,
            "jobs",
            [
                job("j1"),
                job("j2", closes_on=TODAY),
                job("closed", closes_on=date(2025, 5, 31)),
                job("later", posted_on=date(2025, 6, 2)),
                job("j3", occupation="6-31-01-04", openings=2),
            ],
        )
        records.upsert(
            c,
            "workers",
            [
                worker("w1"),
                worker("w2", consent_training=False),
                worker("w3", seeking=False, occupation="4-10-05-01"),
            ],
        )
        records.upsert(
            c,
            "outcomes",
            [
                outcome("1", "w1", "j1", "hired"),
                outcome("2", "w1", "j1", "completed"),
                outcome("3", "w1", "j2", "completed"),
                outcome("4", "w1", "j2", "arrears"),
                outcome("5", "w1", "j3", "applied"),
                outcome("6", "w3", "j1", "rejected"),
                outcome("7", "w3", "j2", "rejected"),
                outcome("8", "w3", "j2", "completed"),
                outcome("9", "w2", "j1", "completed"),
            ],
        )
    return store


def test_writing_again_tells_new_changed_and_equal_rows_apart(filled: Store) -> None:
    with filled.write() as c:
        rows = [job("j1"), job("j2", pay_high=9000, closes_on=TODAY), job("new")]
        assert records.upsert(c, "jobs", rows) == Changes(1, 1, 1)
        assert records.upsert(c, "jobs", rows) == Changes(0, 0, 3)


def test_a_job_is_open_from_its_posting_to_its_closing_day(filled: Store) -> None:
    with filled.read() as c:
        found = records.open_jobs(c, TODAY)
        every = records.every_job(c)
    assert [j.job_id for j in found] == ["j1", "j2", "j3"]
    assert found[0].skills == ("电工证", "PLC")
    assert [j.job_id for j in every] == ["closed", "j1", "j2", "j3", "later"]


def test_only_consenting_workers_are_eligible_and_only_seekers_are_ranked_for(
    filled: Store,
) -> None:
    with filled.read() as c:
        assert [w.worker_id for w in records.eligible_workers(c)] == ["w1", "w3"]
        assert records.worker_by_id(c, "w2") is not None
        assert records.worker_by_id(c, "nobody") is None


def test_what_is_read_for_training_names_nobody(filled: Store) -> None:
    with filled.read() as c:
        held = set(vars(records.eligible_workers(c)[0]))
    assert not held & {"name", "id_number_hash", "phone_hash", "address", "note", "birth_date"}


def test_counts_by_group_follow_the_occupation_code(filled: Store) -> None:
    with filled.read() as c:
        assert records.openings_by_group(c, TODAY, 2) == {"6-31-00-00": 8}
        assert records.seekers_by_group(c, 3) == {"4-10-08-00": 2}
        assert records.counts(c) == {"jobs": 5, "workers": 3, "outcomes": 9}


def test_a_workers_outcomes_go_with_the_worker(filled: Store) -> None:
    with filled.write() as c:
        c.execute(text("DELETE FROM workers WHERE worker_id = 'w1'"))
        assert records.counts(c)["outcomes"] == 4


DOCUMENT = StoredDocument(b"d" * 32, b"r" * 32, 5, "charter", b"envelope", 17)


def test_a_document_is_kept_once_and_found_by_digest_type_and_identity(store: Store) -> None:
    later = replace(DOCUMENT, digest=b"e" * 32, replay_identity=b"s" * 32, leaf_index=9)
    unlogged = replace(DOCUMENT, digest=b"f" * 32, replay_identity=b"t" * 32, leaf_index=None)
    with store.write() as c:
        assert documents.keep(c, later)
        assert documents.keep(c, DOCUMENT)
        assert not documents.keep(c, DOCUMENT)
        assert documents.keep(c, unlogged)
        assert documents.keep(c, replace(unlogged, digest=b"g" * 32, replay_identity=b"u" * 32))
    with store.read() as c:
        assert documents.by_digest(c, DOCUMENT.digest) == DOCUMENT
        assert documents.by_digest(c, b"x" * 32) is None
        assert documents.of_type(c, "charter") == [DOCUMENT, later]
        assert documents.of_type(c, "charter", since=6) == [later]
        assert documents.latest_of_type(c, "charter") == later
        assert documents.latest_of_type(c, "roster") is None
        assert documents.last_leaf_index(c) == 9
        assert documents.is_replayed(c, DOCUMENT.replay_identity)
        assert not documents.is_replayed(c, b"x" * 32)


@pytest.mark.parametrize(
    "clash",
    [
        pytest.param(replace(DOCUMENT, digest=b"e" * 32, leaf_index=6), id="same identity"),
        pytest.param(
            replace(DOCUMENT, digest=b"e" * 32, replay_identity=b"s" * 32), id="same leaf"
        ),
    ],
)
def test_a_different_document_cannot_take_an_identity_or_a_leaf(
    store: Store, clash: StoredDocument
) -> None:
    with store.write() as c:
        documents.keep(c, DOCUMENT)
        with pytest.raises(LaborfedError) as caught:
            documents.keep(c, clash)
    assert caught.value.reason is Reason.STORAGE


@pytest.mark.parametrize("seen", [None, b"one"], ids=["none", "an older one"])
def test_the_checkpoint_moves_only_from_the_one_that_was_seen(
    store: Store, seen: bytes | None
) -> None:
    with store.write() as c:
        documents.keep_checkpoint(c, None, b"one")
        documents.keep_checkpoint(c, b"one", b"two")
        with pytest.raises(LaborfedError) as caught:
            documents.keep_checkpoint(c, seen, b"three")
        assert documents.kept_checkpoint(c) == b"two"
    assert caught.value.reason is Reason.HEAD_MOVED


def test_refusals_are_counted_by_reason(store: Store) -> None:
    with store.write() as c:
        for reason in (Reason.EXPIRED, Reason.REPLAYED, Reason.EXPIRED):
            documents.count_refusal(c, reason)
        assert documents.refusals_by_reason(c) == {"document.expired": 2, "document.replayed": 1}


def test_cells_hold_the_last_value(store: Store) -> None:
    with store.write() as c:
        cells.put(c, "a", b"1")
        cells.put(c, "a", b"2")
        assert cells.get(c, "a") == b"2"
        cells.remove(c, "a")
        cells.remove(c, "a")
        assert cells.get(c, "a") is None


ASKED = Question(ATTEMPT, 3, "round")
FIRST, SECOND = Answer(b"first", Place(7, 24)), Answer(b"second")


def test_an_answer_is_committed_once_and_repeated_byte_for_byte(store: Store) -> None:
    with store.write() as c:
        assert answers.committed_answer(c, ASKED, b"q" * 32) is None
        assert answers.given(c, ASKED) is None
        assert answers.commit_answer(c, ASKED, b"q" * 32, FIRST, at_ms=1) == FIRST
    with store.write() as c:
        assert answers.committed_answer(c, ASKED, b"q" * 32) == FIRST
        assert answers.commit_answer(c, ASKED, b"q" * 32, SECOND, at_ms=2) == FIRST
        assert answers.given(c, ASKED) == FIRST.envelope


def test_another_request_for_an_answered_question_is_refused(store: Store) -> None:
    with store.write() as c:
        answers.commit_answer(c, ASKED, b"q" * 32, FIRST, at_ms=1)
        with pytest.raises(LaborfedError) as committing:
            answers.commit_answer(c, ASKED, b"p" * 32, FIRST, at_ms=2)
        with pytest.raises(LaborfedError) as looking:
            answers.committed_answer(c, ASKED, b"p" * 32)
    assert committing.value.reason is looking.value.reason is Reason.ANSWERED


@pytest.mark.parametrize(
    "other",
    [replace(ASKED, attempt=b"b" * 32), replace(ASKED, round=4), replace(ASKED, kind="evaluation")],
    ids=["another attempt", "another round", "another kind"],
)
def test_another_question_has_an_answer_of_its_own(store: Store, other: Question) -> None:
    with store.write() as c:
        answers.commit_answer(c, ASKED, b"q" * 32, FIRST, at_ms=1)
        assert answers.commit_answer(c, other, b"p" * 32, SECOND, at_ms=2) == SECOND
        assert answers.committed_answer(c, other, b"p" * 32) == SECOND


def test_the_egress_ledger_lists_everything_in_order(store: Store) -> None:
    one = Departure(1, "capsule", b"d" * 32, None, Grade.PUBLIC, 900, "coordinator", None)
    two = replace(one, at_ms=2, charter_digest=CHARTER, grade=Grade.INTERNAL)
    with store.write() as c:
        numbers = [egress.record(c, one), egress.record(c, two)]
        assert egress.entries(c) == list(zip(numbers, [one, two], strict=True))
        assert egress.entries(c, after=numbers[0]) == [(numbers[1], two)]
        assert egress.entries(c, limit=1) == [(numbers[0], one)]
        assert egress.of_charter(c, CHARTER) == [two]


def test_a_person_is_asked_once_and_decides_once(store: Store) -> None:
    with store.write() as c:
        assert runs.person_decision(c, CHARTER) is None
        assert runs.ask_person(c, CHARTER, 1).state is DecisionState.PENDING
        assert runs.ask_person(c, CHARTER, 2).asked_ms == 1
        runs.ask_person(c, OTHER, 3)
        assert runs.decide(c, CHARTER, True, "王", 4).state is DecisionState.APPROVED
        assert runs.ask_person(c, CHARTER, 5).person == "王"
        assert [d.charter_digest for d in runs.pending_decisions(c)] == [OTHER]
        assert runs.decide(c, OTHER, False, "王", 6).state is DecisionState.REFUSED
        assert runs.person_decision(c, OTHER) == runs.PersonDecision(
            OTHER, DecisionState.REFUSED, 3, 6, "王"
        )
        for digest, reason in ((CHARTER, Reason.POLICY), (b"x" * 32, Reason.NOT_FOUND)):
            with pytest.raises(LaborfedError) as caught:
                runs.decide(c, digest, False, "赵", 7)
            assert caught.value.reason is reason


def test_attempts_and_alarms_are_noted_once(store: Store) -> None:
    alarm = Alarm(1, CHARTER, ATTEMPT, 3, "named as dropped while holding a receipt")
    with store.write() as c:
        assert runs.see_attempt(c, CHARTER, ATTEMPT, 1) == 1
        assert runs.see_attempt(c, CHARTER, ATTEMPT, 2) == 1
        assert runs.see_attempt(c, CHARTER, b"b" * 32, 3) == 2
        assert runs.see_attempt(c, OTHER, b"c" * 32, 4) == 1
        assert runs.attempts_seen(c, CHARTER) == [ATTEMPT, b"b" * 32]
        runs.raise_alarm(c, alarm)
        runs.raise_alarm(c, replace(alarm, at_ms=9))
        assert runs.alarms_raised(c) == [alarm]


def test_run_states_are_kept_by_round_until_forgotten(store: Store) -> None:
    with store.write() as c:
        assert runs.latest_state(c, CHARTER) is None
        for number in range(4):
            runs.keep_state(c, CHARTER, RunState(number, b"p%d" % number, b"v"))
        runs.keep_state(c, CHARTER, RunState(3, b"p3", b"w"))
        assert runs.latest_state(c, CHARTER) == RunState(3, b"p3", b"w")
        runs.forget_states(c, CHARTER, before=3)
        assert c.execute(text("SELECT round FROM run_states")).scalars().all() == [3]


def release(letter: bytes) -> ActiveModel:
    return ActiveModel(letter * 32, "match-1", b"parameters of " + letter, 1)


def test_the_active_and_the_previous_release_are_kept_and_exchanged_by_roll_back(
    store: Store,
) -> None:
    with store.write() as c:
        assert models.active(c, "match-1") is None
        for letter in (b"1", b"2", b"2", b"3"):
            models.activate(c, release(letter))
        assert models.active(c, "match-1") == release(b"3")
        assert models.previous(c, "match-1") == release(b"2")
        assert models.roll_back(c, "match-1", 7) == replace(release(b"2"), activated_ms=7)
        assert models.previous(c, "match-1") == release(b"3")
        models.activate(c, release(b"3"))
        assert models.active(c, "match-1") == release(b"3")
        with pytest.raises(LaborfedError) as caught:
            models.roll_back(c, "match-9", 7)
    assert caught.value.reason is Reason.NOT_FOUND
