"""Public bytes are found by their SHA-256, those of others beside one's own."""

from pathlib import Path

import pytest

from federation.coordinator import open_coordinator
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.errors import LaborfedError, Reason
from federation.exchange.blobs import BlobStore
from federation.exchange.database import open_database
from federation.home import Configuration, Home, Keys
from federation.rounds.store import Summed

VALUES = {
    "federation": "demo",
    "log_origin": "demo/log",
    "address": "127.0.0.1:1",
    "listen": "127.0.0.1:0",
    "hosts": ["127.0.0.1"],
}
ELSEWHERE = {digest(b"a sum"): b"a sum"}


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(open_database(tmp_path / "exchange.db"), ELSEWHERE.get)


def test_what_is_kept_elsewhere_is_found_and_not_held(blobs: BlobStore) -> None:
    own = blobs.put(b"parameters")
    assert (blobs.get(own), blobs.get(digest(b"a sum"))) == (b"parameters", b"a sum")
    assert (blobs.holds(own), blobs.holds(digest(b"a sum"))) == (True, False)
    with pytest.raises(LaborfedError) as caught:
        blobs.get(digest(b"never put"))
    assert caught.value.reason is Reason.NOT_FOUND


def test_who_has_no_elsewhere_gives_what_was_put(tmp_path: Path) -> None:
    alone = BlobStore(open_database(tmp_path / "exchange.db"))
    assert alone.get(alone.put(b"parameters")) == b"parameters"
    with pytest.raises(LaborfedError) as caught:
        alone.get(digest(b"a sum"))
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_coordinator_gives_away_the_sums_of_its_runs(tmp_path: Path) -> None:
    """A city that was away asks the exchange; what a city sent is nobody's but the audit's."""
    home = Home(tmp_path / "fed")
    home.create(Configuration.checked(VALUES, "test"), Keys.generate("demo", 1_767_225_600_000))
    sent = Body(b"a contribution", b"its vector")
    with open_coordinator(home) as coordinator:
        coordinator.runs.keep(digest(b"charter"), b"record", Summed({"310000": sent}, b"a sum"))
        assert coordinator.meeting.blobs.get(digest(b"a sum")) == b"a sum"
        for kept in (*sent, b"record"):
            with pytest.raises(LaborfedError) as caught:
                coordinator.meeting.blobs.get(digest(kept))
            assert caught.value.reason is Reason.NOT_FOUND
