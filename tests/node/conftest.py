"""A node's store on disk, migrated, as every test of the node begins with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cities import START, CitySide, PaperCity, found_city
from support.federation import Federation
from support.stores import create, own_copy

from federation.crypto.keys import digest
from federation.rounds.aggregate import to_bytes
from node.store.engine import Store, open_store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file; migrating anew for each test would cost most of the time."""
    return create(tmp_path_factory.mktemp("template") / "node.db")


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Iterator[Store]:
    opened = open_store(own_copy(empty_database, tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    folder = tmp_path / "log"
    folder.mkdir()
    return Federation(folder)


@pytest.fixture
def blobs() -> dict[bytes, bytes]:
    """Public bytes by their digest, as the exchange keeps them."""
    start = to_bytes(START)
    return {digest(start): start}


@pytest.fixture
def home(
    federation: Federation, tmp_path: Path, empty_database: Path, blobs: dict[bytes, bytes]
) -> Iterator[CitySide]:
    """The node of the first city."""
    side = found_city(federation, 1, own_copy(empty_database, tmp_path / "1"), blobs)
    yield side
    side.store.close()


@pytest.fixture
def company(federation: Federation, home: CitySide) -> dict[str, CitySide | PaperCity]:
    """The first city and three that have no node."""
    others = list(enumerate(sorted(federation.cities), start=1))[1:]
    papers = {division: PaperCity(federation, division, number) for number, division in others}
    return {home.division: home, **papers}


@pytest.fixture
def cities(
    federation: Federation,
    home: CitySide,
    tmp_path: Path,
    empty_database: Path,
    blobs: dict[bytes, bytes],
) -> Iterator[dict[str, CitySide]]:
    """Four nodes, the first of them ``home``; they read the log when told to."""
    others = [
        found_city(federation, number, own_copy(empty_database, tmp_path / str(number)), blobs)
        for number in (2, 3, 4)
    ]
    yield {side.division: side for side in (home, *others)}
    for side in others:
        side.store.close()
