"""One identity is served once; a killed coordinator takes its run up where it was recorded last."""

import shutil

import pytest

from deploy.study.demo import founding, running
from federation.documents.releases import ModelRelease
from federation.documents.runs import Closure, RoundRecord
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

    founding.serve_coordinator(ground)
    with staging.started(ground, charter) as events:
        told = list(events)
    assert told[0]["text"] == f"taken up again after round {before[-1]}"
    assert told[-1]["outcome"] == "released"

    audit = running.audit(ground)
    running.wait_until_read(ground, CITIES, audit.entries)
    assert audit.ok
    log = staging.logged(ground)
    rounds = [d.round for d in log if isinstance(d, RoundRecord)]
    assert rounds == list(range(1, staging.ROUNDS + 2))
    assert [d.outcome for d in log if isinstance(d, Closure)] == ["released"]
    releases = [d for d in log if isinstance(d, ModelRelease)]
    assert [running.accepted_release(ground, city) for city in CITIES] == releases * len(CITIES)
