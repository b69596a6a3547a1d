"""The conductor against cities in memory: order, drop-outs, repeats, crashes, and who misbehaves.

After every run the log is audited from its founding on: sums, votes, drops and the closure.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import disk
from support.conducting import Office, ScriptedCities, training_terms, value_of
from support.federation import DIVISIONS, Federation, signing_key

from federation.audit import audit
from federation.crypto.keys import digest
from federation.documents.exchanged import ConsentRequest, RoundRequest
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.documents.types import Document
from federation.errors import Malformed, Reason, Refused, Stale, StorageFault
from federation.indicators.declaration import catalogue
from federation.rounds.aggregate import sum_from_bytes
from federation.rounds.desk import Stop
from federation.rounds.stages import ENDS, NEXT, Stage
from federation.wire.codec import decode_body, decode_document, decode_envelope

FIRST, SECOND, THIRD, FOURTH = DIVISIONS[:4]


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


@pytest.fixture
def office(federation: Federation, tmp_path: Path) -> Office:
    return Office(federation, tmp_path)


def scripted(federation: Federation, **changes: Any) -> ScriptedCities:
    # enough noise for the promised ε with all repeats
    privacy = replace(federation.charter().privacy, noise_multiplier=3.0)
    charter = {"training": training_terms(federation), "privacy": privacy, **changes}
    return ScriptedCities(federation, federation.publish_charter(**charter))


def opened(raw: bytes) -> Document:
    envelope = decode_envelope(raw)
    return decode_document(envelope.payload_type, envelope.payload)


def logged(federation: Federation, kind: type[Document]) -> list[Any]:
    documents = [opened(entry.envelope) for entry in federation.log.entries(0, 1000)]
    return [document for document in documents if isinstance(document, kind)]


def check(federation: Federation, office: Office) -> None:
    """Re-derive everything: tree, signatures, rosters, sums, votes, closure."""
    note = federation.publisher.checkpoint(0).checkpoint
    report = audit(federation.log, federation.pin, note, office.runs)
    assert report.ok, report.problems
    assert report.sums_recomputed == len(logged(federation, RoundRecord))


def test_a_run_ends_in_a_release_whose_sums_are_the_cities(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.rounds_completed, closure.attempts) == ("released", 3, 1)
    for record in logged(federation, RoundRecord):
        length = 2 if record.kind == "evaluation" else 6
        expected = sum(value_of(city, record.round, length) for city in federation.cities)
        total = sum_from_bytes(office.blobs.get(record.sum_digest), length, 32)
        assert np.array_equal(total, expected)
    (release,) = logged(federation, ModelRelease)
    assert release.card.cities == tuple(sorted(federation.cities))
    assert 0 < release.card.epsilon <= cities.charter.document.privacy.epsilon
    check(federation, office)


def test_each_request_has_the_sum_of_the_round_before_attached(
    federation: Federation, office: Office
) -> None:
    """The consent request and the first round have none; what is attached is not signed again."""
    cities = scripted(federation)
    office.conduct(cities)
    joining, first, *later = map(decode_body, cities.bodies)
    assert (joining.vector, first.vector) == (b"", b"")
    records = {record.round: record for record in logged(federation, RoundRecord)}
    assert [digest(body.vector) for body in later] == [records[1].sum_digest, records[2].sum_digest]
    assert all(body.vector not in body.envelope for body in later)


def test_a_statistics_run_ends_in_figures(federation: Federation, office: Office) -> None:
    indicator = catalogue()["supply-demand/occupation"]
    terms = federation.statistics_charter().statistics
    assert terms is not None
    charter = federation.statistics_charter(
        length=indicator.length,
        statistics=replace(terms, indicator=indicator.indicator, indicator_digest=indicator.digest),
    )
    signed = federation.by_administrators(charter)
    cities = ScriptedCities(federation, federation.publish(signed))  # type: ignore[arg-type]
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"
    (release,) = logged(federation, StatisticsRelease)
    assert len(release.cells) == indicator.length
    check(federation, office)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_city_that_falls_silent_is_dropped_by_name_and_the_others_go_on(
    federation: Federation, office: Office, number: int
) -> None:
    cities = scripted(federation)
    cities.faults[SECOND, number] = lambda _city, _request: None
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 2)
    (drop,) = logged(federation, DropRecord)
    assert (drop.cities, drop.round, drop.reason) == ((SECOND,), number, Reason.DEADLINE)
    first, second = logged(federation, Roster)
    assert (len(first.consents), len(second.consents)) == (4, 3)
    assert first.attempt_nonce != second.attempt_nonce
    assert second.first_round == number
    check(federation, office)


def test_a_city_that_restarted_joins_the_repeat_and_is_not_dropped(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    cities.faults[SECOND, 1] = lambda c, request: cities.refusal(c, request, Reason.KEYS_LOST)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 2)
    assert logged(federation, DropRecord) == []
    assert [len(roster.consents) for roster in logged(federation, Roster)] == [4, 4]
    check(federation, office)


def test_a_city_still_restarting_when_consents_are_asked_again_is_waited_for(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)

    cities.faults[SECOND, 1] = lambda c, request: cities.refusal(c, request, Reason.KEYS_LOST)
    attend = cities.present
    # its stream is broken when consents are asked for again; it attends before the deadline
    cities.present = lambda: attend() - {SECOND} if len(cities.requests) > 1 else attend()  # type: ignore[method-assign]
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"
    assert [len(roster.consents) for roster in logged(federation, Roster)] == [4, 4]


def crashing(cities: ScriptedCities, times: int) -> Callable[[Any], None]:
    """Have SECOND lose its keys in the first ``times`` attempts at round 2."""
    asked = itertools.count(1)

    def crash(request: Any) -> None:
        second_round = isinstance(request, RoundRequest) and request.round == 2
        if second_round and next(asked) <= times:
            cities.faults[SECOND, 2] = lambda c, r: cities.refusal(c, r, Reason.KEYS_LOST)

    return crash


def test_a_city_that_restarts_in_every_attempt_at_a_round_is_dropped(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation, max_repeats=2)
    cities.before_asking = crashing(cities, times=2)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 3)
    (drop,) = logged(federation, DropRecord)
    assert (drop.cities, drop.round, drop.reason) == ((SECOND,), 2, Reason.KEYS_LOST)
    check(federation, office)


@pytest.mark.parametrize(
    ("times", "outcome", "reason"),
    [(2, "released", ""), (3, "failed", "all 2 repeats are used")],
)
def test_a_city_without_which_too_few_are_left_may_restart_while_repeats_last(
    federation: Federation, office: Office, times: int, outcome: str, reason: str
) -> None:
    cities = scripted(federation, max_repeats=2, min_roster=4)
    cities.before_asking = crashing(cities, times)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.reason, closure.attempts) == (outcome, reason, 3)
    assert logged(federation, DropRecord) == []
    check(federation, office)


def test_a_city_may_restart_once_in_each_round(federation: Federation, office: Office) -> None:
    cities = scripted(federation, max_repeats=2)
    for number in (1, 2):
        cities.faults[SECOND, number] = lambda c, r: cities.refusal(c, r, Reason.KEYS_LOST)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 3)
    assert logged(federation, DropRecord) == []
    check(federation, office)


Misdeed = Callable[[ScriptedCities], Callable[[str, Any], bytes | None]]

MISDEEDS: dict[str, tuple[Misdeed, Reason]] = {
    "answers for another city": (
        lambda cities: lambda _c, request: cities.honest(FIRST, request),
        Reason.UNKNOWN_SIGNER,
    ),
    "refuses": (
        lambda cities: lambda c, r: cities.refusal(c, r, Reason.BUDGET),
        Reason.BUDGET,
    ),
    "signs a consent instead of a contribution": (
        lambda cities: (
            lambda c, r: cities.consent(
                c,
                ConsentRequest(
                    charter_digest=r.charter_digest,
                    attempt=1,
                    attempt_nonce=r.attempt_nonce,
                    membership_digest=r.membership_digest,
                    issued_ms=r.issued_ms,
                ),
            )
        ),
        Reason.UNEXPECTED_TYPE,
    ),
}


@pytest.mark.parametrize(("misdeed", "reason"), MISDEEDS.values(), ids=MISDEEDS.keys())
def test_a_city_that_misbehaves_in_a_round_is_dropped_for_that_reason(
    federation: Federation, office: Office, misdeed: Misdeed, reason: Reason
) -> None:
    cities = scripted(federation)
    cities.faults[SECOND, 1] = misdeed(cities)
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"
    (drop,) = logged(federation, DropRecord)
    assert (drop.cities, drop.reason) == ((SECOND,), reason)
    check(federation, office)


def test_a_run_that_too_few_cities_join_is_not_started_and_leaves_nothing(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    cities.away = {FIRST, SECOND}
    before = federation.publisher.size
    assert office.conduct(cities) is None
    assert federation.publisher.size == before
    cities.away.clear()
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"


def test_a_run_ends_when_too_few_cities_are_left(federation: Federation, office: Office) -> None:
    cities = scripted(federation, min_roster=4)
    cities.faults[SECOND, 2] = lambda _city, _request: None
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.rounds_completed) == ("failed", 1)
    assert "3 cities consented, 4 are needed" in closure.reason
    check(federation, office)


def test_a_run_ends_when_its_repeats_are_used(federation: Federation, office: Office) -> None:
    cities = scripted(federation)
    for number, city in ((1, FIRST), (2, SECOND)):
        cities.faults[city, number] = lambda c, r: cities.refusal(c, r, Reason.KEYS_LOST)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("failed", 2)
    assert closure.reason == "all 1 repeats are used"
    check(federation, office)


def test_a_sum_beyond_the_bound_ends_the_run_without_a_record(
    federation: Federation, office: Office
) -> None:
    bounded = training_terms(federation, parameter_bound=1, step_numerator=2**20, step_shift=0)
    cities = scripted(federation, training=bounded)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.rounds_completed) == ("failed", 0)
    assert "bound" in closure.reason
    check(federation, office)


def test_a_candidate_that_half_the_cities_find_worse_is_not_released(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    cities.not_worse = {FIRST: False, SECOND: False}
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "voted_down"
    assert logged(federation, ModelRelease) == []
    check(federation, office)


def test_an_operator_stops_a_run_between_two_steps(federation: Federation, office: Office) -> None:
    cities = scripted(federation)

    def stop(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            office.stop.set_result(Stop.CLOSE)
            cities.away.update(federation.cities)

    cities.before_asking = stop
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.rounds_completed) == ("stopped", 1)
    assert logged(federation, DropRecord) == []
    check(federation, office)


class Killed(Exception):
    """The coordinator dies here."""


@pytest.mark.parametrize("asked", range(1, 5))
def test_a_coordinator_that_dies_while_asking_continues_after_its_last_round(
    federation: Federation, office: Office, tmp_path: Path, asked: int
) -> None:
    # without a repeat to spare: the same attempt goes on, nothing is asked twice in other words
    cities = scripted(federation, max_repeats=0)

    def die(_request: Any) -> None:
        if len(cities.requests) == asked:
            raise Killed

    cities.before_asking = die
    with pytest.raises(Killed):
        office.conduct(cities)
    completed = len(logged(federation, RoundRecord))
    federation.publisher = federation.open_publisher()
    federation.clock.pass_(3_600)
    office = Office(federation, tmp_path)
    cities.before_asking = lambda _request: None
    closure = office.conduct(cities)
    assert logged(federation, RoundRecord)[completed].round == completed + 1
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    unanswered, again = cities.bodies[asked - 1 : asked + 1]
    assert (unanswered == again) == (asked > 1)  # before a roster is logged, consents are new
    check(federation, office)


@pytest.mark.parametrize("kind", [Roster, RoundRecord, DropRecord])
def test_the_attempt_goes_on_after_a_restart_unless_a_city_was_dropped_from_it(
    federation: Federation, office: Office, tmp_path: Path, kind: type[Document]
) -> None:
    cities = scripted(federation)
    if kind is DropRecord:
        cities.faults[SECOND, 1] = lambda _city, _request: None
    publish = federation.publisher.enter

    def dying(raw: bytes, patience_s: float) -> Any:
        publish(raw, patience_s)
        if isinstance(opened(raw), kind):
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(federation.publisher, "enter", dying)
        with pytest.raises(Killed):
            office.conduct(cities)
    closure = Office(federation, tmp_path).conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 2 if kind is DropRecord else 1)
    check(federation, office)


def test_under_another_key_the_coordinator_asks_a_new_attempt(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation)

    def die(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            raise Killed

    cities.before_asking = die
    with pytest.raises(Killed):
        office.conduct(cities)
    cities.before_asking = lambda _request: None
    federation.coordinator = signing_key("another coordinator")
    federation.publish_membership(coordinator_key=federation.coordinator.public.raw)
    closure = Office(federation, tmp_path).conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 2)
    check(federation, office)


def test_a_run_taken_up_before_its_first_roster_asks_cities_that_are_coming_back(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    cities.present = frozenset  # type: ignore[method-assign]
    assert office.conduct(cities) is None
    office.returning = True
    closure = office.conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"


def test_a_paused_run_logs_nothing_and_goes_on_with_the_same_attempt(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation, max_repeats=0)

    def pause(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            office.stop.set_result(Stop.PAUSE)
            cities.away.update(federation.cities)

    cities.before_asking = pause
    assert office.conduct(cities) is None
    assert office.events[-1].text.startswith("paused")
    assert len(logged(federation, RoundRecord)) == 1
    assert logged(federation, Closure) == []
    cities.before_asking = lambda _request: None
    cities.away.clear()
    closure = Office(federation, tmp_path).conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    check(federation, office)


def test_a_run_paused_before_its_first_roster_leaves_nothing(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)
    before = federation.publisher.size
    cities.before_asking = lambda _request: office.stop.set_result(Stop.PAUSE)
    assert office.conduct(cities) is None
    assert office.events[-1].text.startswith("paused")
    assert federation.publisher.size == before


def test_cities_that_are_not_back_when_the_coordinator_is_are_waited_for(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation)

    def dies(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            raise Killed

    cities.before_asking = dies
    with pytest.raises(Killed):
        office.conduct(cities)
    cities.before_asking = lambda _request: None
    # no stream stands yet when the run is taken up again; all attend before the deadline
    cities.present = frozenset  # type: ignore[method-assign]
    closure = Office(federation, tmp_path).conduct(cities)
    assert closure is not None
    assert closure.outcome == "released"
    assert [len(roster.consents) for roster in logged(federation, Roster)] == [4]
    check(federation, office)


def killed_while_logging(
    federation: Federation, office: Office, cities: ScriptedCities, number: int
) -> None:
    """Conduct until the coordinator dies between keeping and logging its ``number``-th document."""
    publish, waiting = federation.publisher.enter, iter(range(number, -1, -1))

    def dying(raw: bytes, patience_s: float) -> Any:
        if next(waiting) == 1:
            raise Killed
        return publish(raw, patience_s)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(federation.publisher, "enter", dying)
        with pytest.raises(Killed):
            office.conduct(cities)
    federation.publisher = federation.open_publisher()


@pytest.mark.parametrize("asked", [1, 2, 3, 4], ids=["consents", "round 1", "round 2", "vote"])
def test_a_full_disk_where_documents_are_kept_leaves_nothing_half_done(
    federation: Federation, office: Office, asked: int
) -> None:
    cities = scripted(federation, max_repeats=0)
    before: list[Any] = []

    def fills(_request: Any) -> None:
        if len(cities.requests) == asked:
            before.append(office.runs.documents(cities.charter.digest))
            disk.fill()

    cities.before_asking = fills
    try:
        with pytest.raises(StorageFault):
            office.conduct(cities)
    finally:
        disk.free()
    assert office.runs.documents(cities.charter.digest) == before[0]
    cities.before_asking = lambda _request: None
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    check(federation, office)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_full_disk_where_documents_are_logged_leaves_nothing_half_done(
    federation: Federation, office: Office, number: int
) -> None:
    cities = scripted(federation, max_repeats=0)
    publish, waiting = federation.publisher.enter, iter(range(number, -100, -1))

    def full_at(raw: bytes, patience_s: float) -> Any:
        if next(waiting) != 1:
            return publish(raw, patience_s)
        with disk.full():
            return publish(raw, patience_s)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(federation.publisher, "enter", full_at)
        with pytest.raises(StorageFault):
            office.conduct(cities)
        kept = office.runs.documents(cities.charter.digest)
        assert federation.publisher.size == 2 + len(kept) - 1  # the last one is kept, not logged
        if number == 6:  # the closure itself: the run goes on to no more than its end
            with pytest.raises(Refused, match=Reason.CHARTER_CLOSED):
                office.conduct(cities)
        else:
            closure = office.conduct(cities)
            assert closure is not None
            assert (closure.outcome, closure.attempts) == ("released", 1)
    check(federation, office)


@pytest.mark.parametrize("kept", range(1, 7))
def test_a_document_kept_but_not_logged_is_logged_after_a_restart(
    federation: Federation, office: Office, tmp_path: Path, kept: int
) -> None:
    cities = scripted(federation)
    killed_while_logging(federation, office, cities, kept)
    office = Office(federation, tmp_path)
    last = office.runs.documents(cities.charter.digest)[-1]
    if kept == 6:  # the closure itself: nothing is left to conduct
        with pytest.raises(Refused, match=Reason.CHARTER_CLOSED):
            office.conduct(cities)
    else:
        closure = office.conduct(cities)
        assert closure is not None
        assert closure.outcome == "released"
    assert last in [entry.envelope for entry in federation.log.entries(0, 100)]
    check(federation, office)


def test_a_roster_kept_and_not_logged_is_forgotten_once_membership_has_moved_on(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation)
    killed_while_logging(federation, office, cities, 1)
    (lost,) = office.runs.documents(cities.charter.digest)
    federation.publish_membership()
    closure = Office(federation, tmp_path).conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    assert lost not in [entry.envelope for entry in federation.log.entries(0, 100)]
    check(federation, office)


def test_a_release_kept_and_not_logged_follows_one_that_another_run_made_meanwhile(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation)
    killed_while_logging(federation, office, cities, 5)
    other = scripted(federation, nonce=b"another charter.")
    for charter in (other, cities):
        closure = Office(federation, tmp_path).conduct(charter)
        assert closure is not None
        assert closure.outcome == "released"
    assert [r.charter_digest for r in logged(federation, ModelRelease)] == [
        other.charter.digest,
        cities.charter.digest,
    ]
    check(federation, office)


def test_a_document_that_an_expired_membership_keeps_out_is_not_forgotten(
    federation: Federation, office: Office, tmp_path: Path
) -> None:
    cities = scripted(federation)
    killed_while_logging(federation, office, cities, 2)
    kept = office.runs.documents(cities.charter.digest)
    federation.clock.pass_(federation.membership.expires_ms / 1000)
    with pytest.raises(Stale, match=Reason.MEMBERSHIP_EXPIRED):
        Office(federation, tmp_path).conduct(cities)
    assert office.runs.documents(cities.charter.digest) == kept


def test_a_closed_charter_is_not_run_again(federation: Federation, office: Office) -> None:
    cities = scripted(federation)
    office.conduct(cities)
    with pytest.raises(Refused, match=Reason.CHARTER_CLOSED):
        office.conduct(cities)
    assert len(logged(federation, Closure)) == 1


def test_a_charter_outside_its_window_is_not_run(federation: Federation, office: Office) -> None:
    cities = scripted(federation)
    federation.clock.pass_(31 * 86_400)
    with pytest.raises(Refused, match=Reason.CHARTER_WINDOW):
        office.conduct(cities)
    assert cities.requests == []


def test_a_run_whose_window_closed_while_the_coordinator_was_away_ends(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)

    def die(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            raise Killed

    cities.before_asking = die
    with pytest.raises(Killed):
        office.conduct(cities)
    federation.clock.pass_(31 * 86_400)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.reason) == ("failed", "the charter's window is over")
    check(federation, office)


def test_other_initial_parameters_than_the_charters_are_refused(
    federation: Federation, office: Office
) -> None:
    wrong = training_terms(federation, initial_parameters_digest=office.blobs.put(bytes(40)))
    cities = scripted(federation, training=wrong)
    with pytest.raises(Malformed, match=Reason.OUT_OF_BOUND):
        office.conduct(cities)


def test_kept_sums_that_do_not_lead_to_the_recorded_parameters_are_noticed(
    federation: Federation, office: Office
) -> None:
    cities = scripted(federation)

    def die(request: Any) -> None:
        if isinstance(request, RoundRequest) and request.round == 2:
            raise Killed

    cities.before_asking = die
    with pytest.raises(Killed):
        office.conduct(cities)
    (record,) = logged(federation, RoundRecord)
    forged = replace(record, next_parameters_digest=bytes(32))
    office.runs.keep(cities.charter.digest, federation.by_coordinator(forged))
    with pytest.raises(StorageFault):
        office.conduct(cities)


def test_every_stage_that_is_no_end_leads_on_and_every_stage_is_reached() -> None:
    assert {stage for stage, _ in NEXT} == frozenset(Stage) - ENDS
    assert frozenset(NEXT.values()) | {Stage.GATHERING} == frozenset(Stage)


def test_watchers_see_each_city_and_the_cost(federation: Federation, office: Office) -> None:
    office.conduct(scripted(federation))
    answered = {(e.city, e.round) for e in office.events if e.text == "answered" and e.city}
    assert {(city, 1) for city in federation.cities} <= answered
    assert [e.seconds >= 0 for e in office.events if e.text == "recorded"] == [True] * 3
    assert 0 < office.events[-1].epsilon <= 8
