"""A city's process is killed in the middle of a round: the run ends without it, within budget."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from deploy.study.demo import running
from deploy.study.demo.processes import Service
from federation.documents.releases import ModelRelease
from federation.documents.runs import Closure, DropRecord, Roster
from journeys import staging
from journeys.canaries import CITIES

pytestmark = pytest.mark.journey

VICTIM, *OTHERS = CITIES
DEADLINE_S = 20  # waited out once, when the victim's answer does not come


def test_run_goes_on_without_a_killed_city(ground):
    _, nodes = staging.serve_all(ground)
    charter = staging.training_charter(ground, deadline_s=DEADLINE_S)
    with staging.started(ground, charter) as events:
        number = _kill_in_a_round(events, nodes[VICTIM.code])
        *_, end = events
    assert end["outcome"] == "released"

    audit = running.audit(ground)
    running.wait_until_read(ground, OTHERS, audit.entries)
    assert audit.ok
    log = staging.logged(ground)
    drops = [d for d in log if isinstance(d, DropRecord)]
    assert [(d.cities, d.round) for d in drops] == [((VICTIM.code,), number)]
    releases = [d for d in log if isinstance(d, ModelRelease)]
    assert [running.accepted_release(ground, city) for city in OTHERS] == releases * len(OTHERS)
    assert releases[0].card.cities == tuple(sorted(city.code for city in OTHERS))
    assert sum(isinstance(d, Roster) for d in log) == 2
    assert [d.outcome for d in log if isinstance(d, Closure)] == ["released"]
    assert releases[0].card.epsilon <= staging.EPSILON
    for city in CITIES:
        _stayed_within_budget(ground, city)


def _kill_in_a_round(events: Iterator[Mapping[str, Any]], victim: Service) -> int:
    """Kill the victim once all others answered a round that it was asked for; return the round.

    It is frozen before, so that it cannot have answered that round when it is killed.
    """
    recorded = next(e for e in events if e["stage"] == "recording")
    victim.freeze()
    answered: dict[int, set[str]] = {}
    for event in events:
        if event.get("stage") != "asking" or event["round"] <= recorded["round"]:
            continue
        cities = answered.setdefault(event["round"], set())
        cities.add(event["city"])
        if cities == {city.code for city in OTHERS}:
            victim.kill()
            return int(event["round"])
    raise AssertionError("the run ended before the victim was missed")


def _stayed_within_budget(ground, city):
    stands = json.loads(ground.node(city.code, "budget", "--json"))
    assert 0 < stands["used"] <= stands["reserved"] <= stands["allowance"]["epsilon"]
    assert stands["used"] <= staging.EPSILON
    # nothing closed the run where it was not heard of: what it reserved stays claimed
    assert (stands["reserved"] > stands["used"]) == (city is VICTIM)
