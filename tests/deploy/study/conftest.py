"""One small market, generated once: 150 workers in each of four cities."""

from pathlib import Path

import pytest

from deploy.study import dataset, truth
from deploy.study.dataset import CityData
from deploy.study.market.generate import Drawn, generate
from deploy.study.market.written import write
from deploy.study.truth import Truth

WORKERS, CITIES, SEED = 150, 4, 7


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    return generate(SEED, WORKERS, CITIES)


@pytest.fixture(scope="session")
def market(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    write(drawn, folder)
    return folder


@pytest.fixture(scope="session")
def known(market: Path) -> Truth:
    return truth.load(market)


@pytest.fixture(scope="session")
def cities(market: Path) -> tuple[CityData, ...]:
    return dataset.load_market(market)
