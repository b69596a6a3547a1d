"""Runs whose rosters and releases need witnesses: they wait, end or go on, never half done."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.conducting import Office, ScriptedCities, training_terms
from support.federation import Federation
from support.witnesses import Streams, co_signs_anything, streams

from federation.audit import audit
from federation.documents.exchanged import RoundRequest
from federation.documents.releases import ModelRelease
from federation.documents.runs import Closure, Roster
from federation.documents.types import TYPE_OF
from federation.errors import PeerError, Reason
from federation.rounds.events import RunEvent

WAITING = "it is logged, and given away once 3 witnesses"


@pytest.fixture
def attending() -> Iterator[Streams]:
    with streams() as opened:
        yield opened


@pytest.fixture
def federation(tmp_path: Path, attending: Streams) -> Federation:
    """Four cities, all of them witnesses, all attending."""
    made = Federation(tmp_path, co_signers=attending.witnesses)
    made.list_witnesses()
    for division in made.cities:
        attend(made, attending, division)
    return made


@pytest.fixture
def office(federation: Federation, tmp_path: Path) -> Office:
    return Office(federation, tmp_path)


@pytest.fixture
def cities(federation: Federation) -> ScriptedCities:
    terms = replace(federation.charter().privacy, noise_multiplier=3.0)
    charter = federation.publish_charter(training=training_terms(federation), privacy=terms)
    return ScriptedCities(federation, charter)


def attend(federation: Federation, attending: Streams, division: str) -> None:
    attending.attend(division, co_signs_anything(federation, division))


def leave_two(federation: Federation, attending: Streams) -> None:
    for division in sorted(federation.cities)[:2]:
        attending.leave(division)


def come_back(federation: Federation, attending: Streams) -> None:
    for division in sorted(federation.cities)[:2]:
        attend(federation, attending, division)


def logged(federation: Federation, kind: type) -> int:
    entries = federation.log.entries(0, 1000)
    return sum(entry.payload_type == TYPE_OF[kind] for entry in entries)


def whole(federation: Federation, office: Office) -> None:
    """The audit finds nothing, and a new city reads all of it."""
    report = audit(federation.log, federation.pin, None, office.runs)
    assert report.ok, report.problems
    assert report.cosigned > 0
    assert federation.reader().door.next_index == federation.publisher.size


def test_a_run_with_witnesses_ends_in_a_release(
    federation: Federation, office: Office, cities: ScriptedCities
) -> None:
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    whole(federation, office)


def test_round_records_ask_no_witness(
    federation: Federation, office: Office, cities: ScriptedCities, attending: Streams
) -> None:
    """Once per attempt for the roster, once for the release: four witnesses each."""
    attending.asked.clear()
    office.conduct(cities)
    assert len(attending.asked) == 2 * len(federation.cities)


def test_a_roster_that_cannot_be_witnessed_ends_the_run_and_it_is_taken_up_again(
    federation: Federation, office: Office, cities: ScriptedCities, attending: Streams
) -> None:
    leave_two(federation, attending)
    with pytest.raises(PeerError) as raised:
        office.conduct(cities)
    assert raised.value.reason is Reason.NOT_WITNESSED
    assert any(event.text.startswith(WAITING) for event in office.events)
    assert not any(isinstance(request, RoundRequest) for request in cities.requests)
    assert (logged(federation, Roster), logged(federation, Closure)) == (1, 0)
    with pytest.raises(PeerError):  # nothing has changed: still not, and nothing more is logged
        office.conduct(cities)
    assert (logged(federation, Roster), logged(federation, Closure)) == (1, 0)

    come_back(federation, attending)
    closure = office.conduct(cities)
    assert closure is not None
    # the attempt whose roster had waited goes on: no repeat is used up
    assert (closure.outcome, closure.attempts, logged(federation, Roster)) == ("released", 1, 1)
    whole(federation, office)


def test_witnesses_that_come_back_in_time_cost_nothing(
    federation: Federation, office: Office, cities: ScriptedCities, attending: Streams
) -> None:
    def told(event: RunEvent) -> None:
        if event.text.startswith(WAITING):
            come_back(federation, attending)

    leave_two(federation, attending)
    office.told = told
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.attempts) == ("released", 1)
    whole(federation, office)


def test_a_run_that_waits_for_witnesses_can_be_stopped(
    federation: Federation, office: Office, cities: ScriptedCities, attending: Streams
) -> None:
    leave_two(federation, attending)
    office.told = lambda event: (
        office.stop.set_result(None) if event.text.startswith(WAITING) else None
    )
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, closure.rounds_completed) == ("stopped", 0)
    come_back(federation, attending)
    whole(federation, office)


def test_a_release_that_cannot_be_witnessed_is_given_away_later(
    federation: Federation, office: Office, cities: ScriptedCities, attending: Streams
) -> None:
    def before(request: object) -> None:
        if isinstance(request, RoundRequest) and request.kind == "evaluation":
            leave_two(federation, attending)

    cities.before_asking = before
    with pytest.raises(PeerError):
        office.conduct(cities)
    assert (logged(federation, ModelRelease), logged(federation, Closure)) == (1, 0)
    come_back(federation, attending)
    closure = office.conduct(cities)
    assert closure is not None
    assert (closure.outcome, logged(federation, ModelRelease)) == ("released", 1)
    whole(federation, office)
