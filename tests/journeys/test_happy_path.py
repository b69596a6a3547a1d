"""From the founding to a worker's jobs, by command line alone."""

import json

import pytest

from deploy.study.demo import running
from federation.documents.releases import ModelRelease, StatisticsRelease
from journeys import staging
from journeys.canaries import CITIES, read

pytestmark = pytest.mark.journey


def test_four_cities_count_train_release_and_match(ground):
    staging.serve_all(ground)
    told: list[running.Event] = []
    running.run(ground, staging.statistics_charter(ground), told.append)
    trained = running.run(ground, staging.training_charter(ground), told.append)

    audit = running.audit(ground)
    running.wait_until_read(ground, CITIES, audit.entries)
    assert audit.ok
    releases = [d for d in staging.logged(ground) if isinstance(d, ModelRelease)]
    assert [running.accepted_release(ground, city) for city in CITIES] == releases * len(CITIES)
    assert len(releases) == 1
    assert len(trained.seconds) == staging.ROUNDS + 1
    assert releases[0].card.epsilon <= staging.EPSILON
    assert {e["city"] for e in told if e.get("text") == "answered"} == {c.code for c in CITIES}

    tables = {ground.node(city.code, "statistics", "show") for city in CITIES}
    assert len(tables) == 1
    assert sum(isinstance(d, StatisticsRelease) for d in staging.logged(ground)) == 1
    _matches(ground)


def _matches(ground):
    city = CITIES[0]
    worker = read(ground.places.records(city.code), "workers")[0]["worker_id"]
    found = json.loads(ground.node(city.code, "match", worker, "--json", "--top", "5"))
    assert found["worker"] == worker
    assert found["model"]["version"] == 1
    assert [one["rank"] for one in found["matches"]] == [1, 2, 3, 4, 5]
    for one in found["matches"]:
        assert sum(part["value"] for part in one["parts"]) == pytest.approx(one["score"])
