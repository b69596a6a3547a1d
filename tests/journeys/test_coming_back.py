"""One identity is served once; a killed coordinator takes its run up where it was recorded last."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.study.demo import founding, running
from deploy.study.demo.failure import StepFailed
from deploy.study.demo.founding import Ground
from deploy.study.demo.processes import Service
from federation.documents.releases import ModelRelease
from federation.documents.runs import Closure, Roster, RoundRecord
from journeys import staging
from journeys.canaries import CITIES

pytestmark = pytest.mark.journey


def test_second_node_with_the_same_identity_is_refused(ground):
    city = CITIES[0]
    founding.serve_coordinator(ground)
    founding.wait_connected(staging.serve(ground, city.code), city.code)

    beside = staging.serve(ground, city.code, "second")
    assert beside.wait() == 1
    assert "another process serves" in beside.log.read_text()

    # the same keys in another folder, as after restoring a backup on a second machine
    elsewhere = ground.places.node(city.code).with_name("999999")
    shutil.copytree(ground.places.node(city.code), elsewhere, ignore=shutil.ignore_patterns("lock"))
    twin = staging.serve(ground, elsewhere.name, "twin")
    twin.wait_for(f"ready division={city.code} coordinator=away")
    assert "exchange.already_attending" in twin.log.read_text()
    seen = running.status(ground, city)
    assert seen["serving"]
    assert seen["presence"]["state"] == "connected"


def test_killed_coordinator_continues_from_the_last_recorded_round(ground):
    coordinator, _ = staging.serve_all(ground)
    charter = staging.training_charter(ground)
    with staging.started(ground, charter) as events:
        next(e for e in events if e["stage"] == "recording" and e["round"] == 2)
        coordinator.kill()
        assert not any("outcome" in event for event in events)
    before = [d.round for d in staging.logged(ground) if isinstance(d, RoundRecord)]
    assert before[-1] >= 2

    assert shown(ground)["state"] == "waiting"
    assert "goes on by itself" in ground.places.commands.read_text(encoding="utf-8")

    # nobody starts it again: it goes on with the same attempt, and is only watched
    coordinator = founding.serve_coordinator(ground)
    assert "run_taken_up" in coordinator.log.read_text(encoding="utf-8")
    with staging.started(ground, charter, "resume") as events:
        *_, end = events
    assert end["outcome"] == "released"
    assert shown(ground)["state"] == "released"

    audit = running.audit(ground)
    running.wait_until_read(ground, CITIES, audit.entries)
    assert audit.ok
    log = staging.logged(ground)
    assert sum(isinstance(d, Roster) for d in log) == 1
    rounds = [d.round for d in log if isinstance(d, RoundRecord)]
    assert rounds == list(range(1, staging.ROUNDS + 2))
    assert [d.outcome for d in log if isinstance(d, Closure)] == ["released"]
    releases = [d for d in log if isinstance(d, ModelRelease)]
    assert [running.accepted_release(ground, city) for city in CITIES] == releases * len(CITIES)


def test_a_paused_run_waits_for_its_operator_over_a_restart(ground):
    coordinator, nodes = staging.serve_all(ground)
    charter = staging.training_charter(ground)
    paused(ground, charter, nodes)
    stands = shown(ground)
    assert (stands["state"], stands["attempt"], stands["repeats_left"]) == ("paused", 1, 2)
    assert stands["epsilon"] > 0
    coordinator.stop()
    assert shown(ground) == stands  # without a coordinator as well

    coordinator = founding.serve_coordinator(ground)
    assert "run_taken_up" not in coordinator.log.read_text(encoding="utf-8")
    assert shown(ground) == stands
    with staging.started(ground, charter, "resume") as events:
        *_, end = events
    assert end["outcome"] == "released"
    log = staging.logged(ground)
    assert sum(isinstance(d, Roster) for d in log) == 1
    with pytest.raises(StepFailed) as refused:
        ground.federation("run", "stop", charter, "--close")
    assert "this run is over" in "\n".join(refused.value.lines())


def test_a_paused_run_is_closed_for_good(ground):
    _, nodes = staging.serve_all(ground)
    charter = staging.training_charter(ground)
    paused(ground, charter, nodes)
    ground.federation("run", "stop", charter, "--close")
    with staging.started(ground, charter, "resume") as events:
        list(events)  # it is watched to its end, or has come to it already
    assert shown(ground)["state"] == "stopped"
    assert [d.outcome for d in staging.logged(ground) if isinstance(d, Closure)] == ["stopped"]


def paused(ground: Ground, charter: Path, nodes: Mapping[str, Service]) -> None:
    """Start a run and pause it in the middle of a round, which one city keeps waiting."""
    held_up = nodes[CITIES[0].code]
    with staging.started(ground, charter) as events:
        next(e for e in events if e["stage"] == "recording")
        held_up.freeze()
        told = ground.federation("run", "stop", charter)
        *_, end = events
    held_up.thaw()
    assert "keep what they reserved" in told
    assert end["outcome"] == "paused"


def shown(ground: Ground) -> dict[str, Any]:
    """Return where the one run stands."""
    found: dict[str, Any] = json.loads(ground.federation("run", "show", "--json", shown=False))
    return found
