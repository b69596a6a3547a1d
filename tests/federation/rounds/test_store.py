"""What a coordinator keeps of runs: in order, apart, together with what it is about."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from federation.crypto.keys import digest
from federation.rounds.store import RunStore, open_run_store

ONE, OTHER = digest(b"one charter"), digest(b"another charter")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> RunStore:
    return open_run_store(path)


def test_documents_come_back_in_order_and_each_run_alone(store: RunStore, path: Path) -> None:
    for number in range(20):
        store.keep(ONE if number % 2 else OTHER, b"document %d" % number)
    expected = [b"document %d" % number for number in range(1, 20, 2)]
    assert store.documents(ONE) == expected
    assert open_run_store(path).documents(ONE) == expected
    assert store.documents(digest(b"nobody's")) == []


def test_contributions_are_found_by_their_digest(store: RunStore, path: Path) -> None:
    sent = {"310000": b"contribution 1", "330100": b"contribution 2"}
    store.keep(ONE, b"record", sent)
    for again in (store, open_run_store(path)):
        for raw in sent.values():
            assert again.contribution(digest(raw)) == raw
        assert again.contribution(digest(b"never sent")) is None
        assert again.contribution(digest(b"record")) is None


def test_a_contribution_kept_twice_is_one(store: RunStore) -> None:
    """An evaluation repeated with the very same bytes, or a coordinator that keeps once more."""
    store.keep(ONE, b"record", {"310000": b"contribution"})
    store.keep(ONE, b"record again", {"310000": b"contribution"})
    assert store.contribution(digest(b"contribution")) == b"contribution"
    assert store.documents(ONE) == [b"record", b"record again"]


def test_a_document_and_its_contributions_are_kept_together_or_not_at_all(
    store: RunStore,
) -> None:
    with pytest.raises(IntegrityError):
        store.keep(ONE, None, {"310000": b"contribution"})  # type: ignore[arg-type]
    assert store.contribution(digest(b"contribution")) is None
    assert store.documents(ONE) == []


def test_only_the_last_document_of_the_run_is_forgotten(store: RunStore) -> None:
    for charter, document in ((ONE, b"one"), (OTHER, b"other"), (ONE, b"two"), (OTHER, b"last")):
        store.keep(charter, document, {"310000": b"to " + document})
    store.forget_last(ONE)
    assert (store.documents(ONE), store.documents(OTHER)) == ([b"one"], [b"other", b"last"])
    assert store.contribution(digest(b"to two")) == b"to two"


def test_the_file_is_private(store: RunStore, path: Path) -> None:
    store.keep(ONE, b"document")
    assert path.stat().st_mode & 0o077 == 0
