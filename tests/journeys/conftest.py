"""The founded federation that journeys copy, and the logs of one that failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.study.demo.failure import tail_of
from deploy.study.demo.founding import Ground
from deploy.study.demo.places import Places
from journeys import staging


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A federation of four cities, founded by command line, at rest."""
    return staging.found(tmp_path_factory.mktemp("founded") / "demo")


@pytest.fixture
def ground(founded: Places, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A copy of it for one journey; a journey that fails shows the ends of all logs."""
    with staging.stage(founded, tmp_path / "demo") as ground:
        yield ground
    for log in sorted(ground.places.logs.iterdir()):
        request.node.add_report_section("teardown", log.name, "\n".join(tail_of(log)))
