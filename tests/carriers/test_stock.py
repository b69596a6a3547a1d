"""Flower's stock deployment carries the same sums: real processes, TLS, SuperNode authentication.

Every command is the document's (docs/flower.md); only the nodes are another assembly, whose noise
is fixed.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carriers.ground import CARRIED, Ground, Sums, of_kind
from carriers.road import BLOCKS, START_S, Road
from deploy.study.demo.failure import tail_of
from deploy.study.demo.founding import free_port
from deploy.study.demo.processes import Service, Services

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]


@pytest.fixture
def road(founded: Ground, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Road]:
    """The whole deployment up; a journey that fails shows the ends of all logs."""
    with Services() as services:
        road = Road(founded.copy(tmp_path / "g"), services)
        road.prepare()
        yield road
    for log in sorted(road.ground.folder.glob("*.log")):
        request.node.add_report_section("teardown", log.name, "\n".join(tail_of(log)))


def bring_up(road: Road) -> dict[str, Service]:
    """Start every program in the document's order; return the nodes."""
    coordinator = road.start("coordinator", road.hub)
    superlink = road.start("superlink", road.hub)
    coordinator.wait_for("ready", START_S)
    nodes = {division: start_node(road, division) for division in road.ground.cities}
    superlink.wait_for("Uvicorn running", START_S, anywhere=True)
    road.start("superlink-executor", road.hub)
    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(lambda division: join(road, division), road.ground.cities))
    for division, node in nodes.items():
        node.wait_for(f"ready division={division} coordinator=connected", START_S)
    return nodes


def start_node(road: Road, division: str) -> Service:
    """Start a city's node."""
    home, socket = str(road.ground.node(division)), str(road.ground.socket(division))
    return road.start("node", road.city(division), NODE=home, PARTICIPANT=socket)


def join(road: Road, division: str) -> None:
    """Register a city's SuperNode and start it; it is known to SuperLink then."""
    folder, port = road.city(division), str(free_port())
    key = (folder / "supernode.key.pub").read_bytes()
    desk = road.hub / division
    desk.mkdir()
    (desk / "supernode.key.pub").write_bytes(key)
    told = road.run("register", desk, DIVISION=division, FLWR_HOME=str(road.hub / "flwr"))
    assert "registered successfully" in told, told
    socket = str(road.ground.socket(division))
    supernode = road.start("supernode", folder, LOCAL_PORT=port, PARTICIPANT=socket)
    road.start("supernode-executor", folder, LOCAL_PORT=port)
    supernode.wait_for("SuperNode ID", START_S, anywhere=True)


def carry(road: Road, charter: str) -> str:
    """Run a charter as the document says; return what is printed of it."""
    return road.run("run", road.hub, CHARTER=road.ground.charters[charter].hex())


def carries(road: Road, kind: str, expected: Sums) -> None:
    """Carry a charter's run: released, and the sums are those of every other carrier."""
    told = carry(road, kind)
    assert road.ground.outcome(kind) == "released", told
    assert "outcome: released" in told
    assert of_kind(road.ground.sums(), kind) == of_kind(expected, kind)
    print(*re.findall(r"recorded ([\d.]+ s)", told))  # what docs/flower.md says of a round's time


def test_the_stock_deployment_gives_the_same_sum_and_tells_the_truth(
    road: Road, expected: Sums
) -> None:
    nodes = bring_up(road)
    assert "written" in road.run("bundle", road.hub)
    carries(road, "statistics", expected)

    nodes[road.ground.cities[-1]].stop()
    told = carry(road, "short")
    assert re.search(r"[012] cities consented, 3 are needed", told), told
    assert road.ground.outcome("short") == ""
    assert road.statuses() == ["finished:failed", "finished:completed"]


@pytest.mark.soak
def test_the_stock_deployment_carries_one_run_after_another(road: Road, expected: Sums) -> None:
    bring_up(road)
    road.run("bundle", road.hub)
    for kind in CARRIED:
        carries(road, kind, expected)
    assert road.ground.sums() == expected


def test_the_road_is_complete() -> None:
    started = {"coordinator", "superlink", "superlink-executor", "node"}
    joined = {"register", "supernode", "supernode-executor"}
    assert BLOCKS.keys() == {
        "environment",
        "connection",
        "bundle",
        "run",
        "ended",
        *started,
        *joined,
    }
