"""A coordinator whose log was exchanged for another history meets nodes that keep their heads."""

import json
import shutil

import pytest

from deploy.study.demo import founding, running
from deploy.study.demo.failure import StepFailed
from deploy.study.demo.founding import FEDERATION
from journeys import staging
from journeys.canaries import CITIES, read

pytestmark = pytest.mark.journey


def test_a_forked_log_is_found_out_by_every_city_and_all_serve_on(ground, tmp_path):
    """Every signature in both histories is genuine: two memberships follow the same one."""
    coordinator, nodes = staging.serve_all(ground)
    size = running.log_size(ground)
    coordinator.stop()
    before = shutil.copytree(ground.places.federation, tmp_path / "before")

    coordinator = founding.serve_coordinator(ground)
    _next_membership(ground, "first")
    running.wait_until_read(ground, CITIES, size + 1)
    for process in (coordinator, *nodes.values()):
        process.stop()
    for file in before.glob("log.sqlite*"):
        shutil.copy(file, ground.places.federation)
    with pytest.raises(StepFailed):  # nobody attends who could co-sign
        _next_membership(ground, "second")
    assert running.log_size(ground) == size + 1
    assert running.audit(ground).ok  # in itself, the other history holds

    coordinator, nodes = staging.serve_all(ground)
    with pytest.raises(StepFailed):
        ground.federation("submit", _draft(ground, "second"))
    for city in CITIES:
        nodes[city.code].wait_for(f"ready division={city.code} coordinator=distrusted")
        _alarms_with_both_heads(ground, city, tmp_path / f"{city.code}.json")
        _serves(ground, city)

    # a restart does not forget
    nodes[CITIES[0].code].stop()
    again = staging.serve(ground, CITIES[0].code, "again")
    again.wait_for(f"ready division={CITIES[0].code} coordinator=distrusted")


def _draft(ground, name):
    return ground.places.drafts / f"{name}.envelope"


def _next_membership(ground, name):
    ground.federation("membership", "witnesses", "--out", _draft(ground, name))
    founding.sign_and_submit(ground, _draft(ground, name))


def _alarms_with_both_heads(ground, city, evidence):
    told = ground.node(city.code, "alarms", "--evidence", evidence)
    assert "THE LOG IS NOT BELIEVED" in told
    (conflict,) = json.loads(evidence.read_text())
    assert conflict["sentence"] in told
    checked = ground.shell.run(FEDERATION, "log", "evidence", evidence)
    assert checked.count(", signed by the log") == 2
    assert "PROVEN: the log signed two different trees of one size" in checked


def _serves(ground, city):
    worker = read(ground.places.records(city.code), "workers")[0]["worker_id"]
    assert json.loads(ground.node(city.code, "match", worker, "--json"))["matches"]
    seen = running.status(ground, city)
    assert seen["serving"]
    assert seen["presence"]["state"] == "distrusted"
    assert ground.node(city.code, "budget")
