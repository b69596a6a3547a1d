"""Runs as the log shows them: whatever does not fit what was logged before has its reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.federation import DIVISIONS, Federation
from support.runs import CANDIDATE, Run, training_run

from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.runs import DropRecord
from federation.documents.types import Document
from federation.errors import CallerError, Reason
from federation.evidence import Evidence

CITIES = DIVISIONS[:4]
OTHER = digest(b"other")
SECOND = digest(b"attempt 2")

Make = Callable[[Federation], bytes]


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def read(federation: Federation, evidence: Evidence, start: int = 0) -> None:
    """Add the log's entries from ``start`` on, accepted in the membership of their time."""
    for entry in federation.log.entries(start, 1000):
        evidence.add(federation.publisher.acceptance.restored(entry.envelope, entry.index))


def begun(federation: Federation, **charter: Any) -> Run:
    return Run(federation, federation.publish_charter(**charter))


def again(run: Run, nonce: bytes = SECOND) -> None:
    """Turn to the next attempt."""
    run.nonce, run.attempt = nonce, run.attempt + 1


def drop(run: Run, *cities: str, **changes: Any) -> bytes:
    fields = {
        "charter_digest": run.charter.digest,
        "attempt_nonce": run.nonce,
        "roster_digest": run.rosters[-1].digest,
        "round": len(run.records) + 1,
        "cities": cities,
        "reason": "exchange.deadline",
        "recorded_ms": run.federation.clock(),
    }
    return run.federation.by_coordinator(DropRecord(**{**fields, **changes}))


def signed(run: Run, document: Document) -> bytes:
    return run.federation.by_coordinator(document)


# --- rosters ----------------------------------------------------------------------------------


def roster_of_an_unknown_charter(federation: Federation) -> bytes:
    run = begun(federation)
    return signed(run, run.roster(charter_digest=OTHER))


def roster_after_the_closure(federation: Federation) -> bytes:
    run = begun(federation)
    federation.publish(signed(run, run.closure("stopped", attempts=0)))
    return signed(run, run.roster())


def roster_with_a_forged_consent(federation: Federation) -> bytes:
    run = begun(federation)
    forged = run.consent(CITIES[0])[:-1] + b"\x00"
    kept = [run.consent(city) for city in CITIES[1:]]
    return signed(run, run.roster(consents=(forged, *kept)))


def roster_that_begins_over(federation: Federation) -> bytes:
    run = begun(federation)
    run.complete_round(run.publish_roster())
    again(run)
    return signed(run, run.roster(first_round=1, previous_record_digest=b""))


def roster_that_counts_rounds_anew(federation: Federation) -> bytes:
    run = begun(federation)
    run.complete_round(run.publish_roster())
    again(run)
    return signed(run, run.roster(first_round=1))


def roster_after_another_record(federation: Federation) -> bytes:
    run = begun(federation)
    run.complete_round(run.publish_roster())
    again(run)
    return signed(run, run.roster(previous_record_digest=OTHER))


def attempt_counted_twice(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    run.nonce = SECOND
    return signed(run, run.roster())


def attempt_with_old_keys(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    again(run, run.nonce)
    return signed(run, run.roster())


def roster_with_a_dropped_city(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    federation.publish(drop(run, CITIES[3]))
    again(run)
    return signed(run, run.roster())


def one_repeat_too_many(federation: Federation) -> bytes:
    run = begun(federation, max_repeats=1)
    run.publish_roster()
    again(run)
    run.publish_roster()
    again(run, OTHER)
    return signed(run, run.roster())


# --- records ----------------------------------------------------------------------------------


def recorded(run: Run, federation: Federation, **complete: Any) -> bytes:
    """The next round's record, signed and not logged yet."""
    roster = run.rosters[-1]
    before, kept = federation.log.head().size, list(run.records)
    accepted = run.complete_round(roster, **complete)
    run.records = kept
    assert federation.log.head().size == before + 1
    return accepted.envelope


def record_of_an_unlogged_roster(federation: Federation) -> bytes:
    run = begun(federation)
    other = begun(federation, nonce=bytes(15) + b"\x01")
    other.publish_roster()
    run.rosters = other.rosters
    return recorded(run, federation)


def record_of_an_ended_attempt(federation: Federation) -> bytes:
    run = begun(federation)
    first, nonce = run.publish_roster(), run.nonce
    again(run)
    run.publish_roster()
    run.rosters, run.nonce = [first], nonce
    return recorded(run, federation)


def record_with_a_dropped_city(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    federation.publish(drop(run, CITIES[3]))
    return recorded(run, federation)


def record_of_three_of_four_cities(federation: Federation) -> bytes:
    run = begun(federation)
    roster = run.publish_roster()
    whole = run.complete_round(roster).document
    run.records.clear()
    return signed(run, replace(whole, contributions=whole.contributions[:3]))


def evaluation_before_training(federation: Federation) -> bytes:
    run = begun(federation)
    roster = run.publish_roster()
    votes = {city: run.vote(roster, city, b"parameters 1") for city in CITIES}
    return recorded(run, federation, kind="evaluation", votes=votes)


def training_beyond_the_charter(federation: Federation) -> bytes:
    run = begun(federation, rounds=1)
    run.complete_round(run.publish_roster())
    return recorded(run, federation)


def round_beyond_the_evaluation(federation: Federation) -> bytes:
    run = begun(federation, rounds=1)
    roster = run.publish_roster()
    run.complete_round(roster, following=CANDIDATE)
    votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
    run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
    return recorded(run, federation, kind="training", parameters=CANDIDATE)


def first_round_on_other_parameters(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    return recorded(run, federation, parameters=b"parameters of my own")


# --- drops, releases, closures ----------------------------------------------------------------


def drop_of_a_stranger(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster(CITIES[:3])
    return drop(run, CITIES[3])


def drop_from_an_unknown_roster(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    return drop(run, CITIES[0], roster_digest=OTHER)


def released(federation: Federation, **changes: Any) -> bytes:
    """The release of a run that is ready for it."""
    run = begun(federation, rounds=1)
    roster = run.publish_roster()
    run.complete_round(roster, following=CANDIDATE)
    votes = [run.vote(roster, city, CANDIDATE) for city in CITIES]
    named = dict(zip(CITIES, votes, strict=True))
    record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=named)
    return signed(run, replace(run.model_release(record, CANDIDATE, votes), **changes))


def release_before_any_round(federation: Federation) -> bytes:
    run = begun(federation)
    roster = run.publish_roster()
    training: Any = federation.charter().training
    terms = replace(training, initial_parameters_digest=digest(CANDIDATE))
    other = begun(federation, nonce=bytes(15) + b"\x01", training=terms)
    record = other.complete_round(other.publish_roster(), parameters=CANDIDATE)
    votes = [run.vote(roster, city, CANDIDATE) for city in CITIES]
    run.totals = other.totals
    return signed(run, run.model_release(record, CANDIDATE, votes))


def second_release_of_a_run(federation: Federation) -> bytes:
    first = released(federation)
    accepted: Any = federation.publish(first)
    return federation.by_coordinator(
        replace(accepted.document, version=2, previous_digest=accepted.digest)
    )


def counted(federation: Federation) -> tuple[Run, bytes]:
    raw = federation.by_administrators(federation.statistics_charter())
    run = Run(federation, federation.publish(raw).of(Charter))
    record = run.complete_round(run.publish_roster(), kind="statistics", parameters=b"")
    return run, signed(run, run.statistics_release(record))


def second_table_of_a_run(federation: Federation) -> bytes:
    run, first = counted(federation)
    federation.publish(first)
    return signed(run, run.statistics_release(run.records[-1], noise_sd=1.0))


def closed(federation: Federation, outcome: str = "stopped", **changes: Any) -> bytes:
    run = begun(federation)
    run.complete_round(run.publish_roster())
    return signed(run, run.closure(outcome, **changes))


def closure_again(federation: Federation) -> bytes:
    run = begun(federation)
    run.publish_roster()
    federation.publish(signed(run, run.closure("stopped")))
    return signed(run, run.closure("failed"))


MISFITS: list[tuple[Make, Reason]] = [
    (roster_of_an_unknown_charter, Reason.CHARTER_UNKNOWN),
    (roster_after_the_closure, Reason.CHARTER_CLOSED),
    (roster_with_a_forged_consent, Reason.ROSTER_CONSENT),
    (roster_that_begins_over, Reason.WRONG_ROUND),
    (roster_that_counts_rounds_anew, Reason.WRONG_ROUND),
    (roster_after_another_record, Reason.WRONG_ROUND),
    (attempt_counted_twice, Reason.WRONG_BINDING),
    (attempt_with_old_keys, Reason.WRONG_BINDING),
    (roster_with_a_dropped_city, Reason.DROPPED),
    (one_repeat_too_many, Reason.REPEATS_EXHAUSTED),
    (record_of_an_unlogged_roster, Reason.ROSTER_FOREIGN),
    (record_of_an_ended_attempt, Reason.WRONG_BINDING),
    (record_with_a_dropped_city, Reason.DROPPED),
    (evaluation_before_training, Reason.WRONG_ROUND),
    (training_beyond_the_charter, Reason.WRONG_ROUND),
    (round_beyond_the_evaluation, Reason.WRONG_ROUND),
    (first_round_on_other_parameters, Reason.WRONG_BINDING),
    (drop_of_a_stranger, Reason.ROSTER_FOREIGN),
    (drop_from_an_unknown_roster, Reason.ROSTER_FOREIGN),
    (release_before_any_round, Reason.WRONG_ROUND),
    (lambda f: released(f, version=2, previous_digest=OTHER), Reason.WRONG_PREVIOUS),
    (second_release_of_a_run, Reason.REPLAYED),
    (second_table_of_a_run, Reason.REPLAYED),
    (lambda f: closed(f, "released"), Reason.WRONG_BINDING),
    (lambda f: closed(f, rounds_completed=2), Reason.WRONG_BINDING),
    (lambda f: closed(f, last_record_digest=OTHER), Reason.WRONG_BINDING),
    (lambda f: closed(f, attempts=2), Reason.WRONG_BINDING),
    (closure_again, Reason.CHARTER_CLOSED),
]
NAMES = [
    make.__name__.replace("_", " ") if make.__name__ != "<lambda>" else None for make, _ in MISFITS
]


def seen(evidence: Evidence, charter: bytes) -> object:
    run = evidence.run(charter)
    records = [record.digest for record in run.records]
    return list(run.rosters), records, set(run.dropped), run.released, run.closed


@pytest.mark.parametrize(("make", "reason"), MISFITS, ids=NAMES)
def test_what_does_not_fit_is_refused_and_no_part_of_history(
    federation: Federation, make: Make, reason: Reason
) -> None:
    evidence = Evidence(federation.trust)
    raw = make(federation)
    bad = next(
        (e.index for e in federation.log.entries(0, 1000) if e.envelope == raw),
        federation.log.head().size,
    )
    for entry in federation.log.entries(0, bad):
        evidence.add(federation.publisher.acceptance.restored(entry.envelope, entry.index))
    if bad == federation.log.head().size:
        federation.publish(raw)
    charters = [e for e in federation.log.entries(0, 1000) if e.payload_type.endswith("charter/v1")]
    before = [seen(evidence, charter.replay_identity) for charter in charters]
    with pytest.raises(CallerError) as raised:
        evidence.add(federation.publisher.acceptance.restored(raw, bad))
    assert raised.value.reason is reason
    assert [seen(evidence, charter.replay_identity) for charter in charters] == before


def test_a_whole_run_fits(federation: Federation) -> None:
    run, evidence = training_run(federation), Evidence(federation.trust)
    read(federation, evidence)
    history = evidence.run(run.charter.digest)
    assert (len(history.records), history.released, history.closed) == (3, True, True)


def test_a_drop_and_a_repeat_fit(federation: Federation) -> None:
    run, evidence = begun(federation), Evidence(federation.trust)
    run.complete_round(run.publish_roster())
    federation.publish(drop(run, CITIES[3]))
    again(run)
    run.complete_round(run.publish_roster(CITIES[:3]))
    federation.publish(signed(run, run.closure("failed")))
    read(federation, evidence)
    history = evidence.run(run.charter.digest)
    assert (len(history.records), history.dropped) == (2, {CITIES[3]})
    assert history.closed


def test_a_city_lost_before_a_roster_stood_fits(federation: Federation) -> None:
    run, evidence = begun(federation), Evidence(federation.trust)
    run.publish_roster(CITIES[:3])
    federation.publish(drop(run, CITIES[3], roster_digest=b""))
    read(federation, evidence)
    assert evidence.run(run.charter.digest).dropped == {CITIES[3]}


def test_two_runs_release_one_after_the_other(federation: Federation) -> None:
    evidence = Evidence(federation.trust)
    first = federation.publish(released(federation))
    run = begun(federation, rounds=1, nonce=bytes(15) + b"\x01")
    roster = run.publish_roster()
    run.complete_round(roster, following=CANDIDATE)
    votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
    record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
    second = run.model_release(record, CANDIDATE, votes.values())
    following = replace(second, version=2, previous_digest=first.digest)
    federation.publish(signed(run, following))
    read(federation, evidence)
    assert evidence.run(run.charter.digest).released


def test_statistics_fit(federation: Federation) -> None:
    run, raw = counted(federation)
    federation.publish(raw)
    federation.publish(signed(run, run.closure()))
    evidence = Evidence(federation.trust)
    read(federation, evidence)
    assert evidence.run(run.charter.digest).closed


def test_a_charter_begins_one_history(federation: Federation) -> None:
    charter: Accepted[Charter] = federation.publish_charter()
    evidence = Evidence(federation.trust)
    evidence.add(charter)
    with pytest.raises(CallerError) as raised:
        evidence.add(charter)
    assert raised.value.reason is Reason.REPLAYED


def test_what_concerns_no_run_is_no_evidence(federation: Federation) -> None:
    federation.publish_membership()
    evidence = Evidence(federation.trust)
    read(federation, evidence)
    with pytest.raises(CallerError) as raised:
        evidence.run(OTHER)
    assert raised.value.reason is Reason.CHARTER_UNKNOWN
