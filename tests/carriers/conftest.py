"""One federation, founded once; the sums of its runs in memory are what every carrier must give."""

import os
from pathlib import Path

import pytest

from carriers import ground, memory
from carriers.ground import CARRIED, Ground, Sums

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _processes_find_the_tests() -> None:
    """Let processes that a test starts import this package as the tests themselves do."""
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A federation of three cities at rest."""
    return ground.found(tmp_path_factory.mktemp("carried") / "g", 3)


@pytest.fixture(scope="session")
def expected(founded: Ground, tmp_path_factory: pytest.TempPathFactory) -> Sums:
    """Every recorded sum of both charters' runs, carried in memory."""
    place = founded.copy(tmp_path_factory.mktemp("memory") / "g")
    for kind in CARRIED:
        memory.run(place, kind)
        assert place.outcome(kind) == "released"
    return place.sums()
