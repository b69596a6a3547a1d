"""What a coordinator keeps of runs: in order, apart, together with what it is about."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.errors import StorageFault
from federation.rounds.store import RunStore, Summed, open_run_store
from federation.vectors import SUFFIX

ONE, OTHER = digest(b"one charter"), digest(b"another charter")
SENT = Body(b"contribution", b"its vector")


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
    sent = {"310000": Body(b"contribution 1", b"one"), "330100": Body(b"contribution 2", b"two")}
    store.keep(ONE, b"record", Summed(sent, b"sum"))
    for again in (store, open_run_store(path)):
        for body in sent.values():
            assert again.contribution(digest(body.envelope)) == body
            assert again.contribution(digest(body.vector)) is None
        assert again.contribution(digest(b"never sent")) is None
        assert again.contribution(digest(b"record")) is None


def test_sums_are_found_by_their_digest(store: RunStore, path: Path) -> None:
    store.keep(ONE, b"record", Summed({"310000": SENT}, b"sum"))
    store.keep(OTHER, b"record", Summed({"310000": SENT}, b"another sum"))
    for again in (store, open_run_store(path)):
        assert again.sum_of(digest(b"sum")) == b"sum"
        assert again.sum_of(digest(b"another sum")) == b"another sum"
        assert again.sum_of(digest(SENT.vector)) is None
        assert again.sum_of(digest(b"record")) is None


def test_a_contribution_kept_twice_is_one(store: RunStore) -> None:
    """An evaluation repeated with the very same bytes, or a coordinator that keeps once more."""
    store.keep(ONE, b"record", Summed({"310000": SENT}, b"sum"))
    store.keep(ONE, b"record again", Summed({"310000": SENT}, b"sum"))
    assert store.contribution(digest(SENT.envelope)) == SENT
    assert store.sum_of(digest(b"sum")) == b"sum"
    assert store.documents(ONE) == [b"record", b"record again"]


def test_a_document_its_contributions_and_their_sum_are_kept_together_or_not_at_all(
    store: RunStore,
) -> None:
    with pytest.raises(IntegrityError):
        store.keep(ONE, None, Summed({"310000": SENT}, b"sum"))  # type: ignore[arg-type]
    assert store.contribution(digest(SENT.envelope)) is None
    assert store.sum_of(digest(b"sum")) is None
    assert store.documents(ONE) == []


def test_only_the_last_document_of_the_run_is_forgotten(store: RunStore) -> None:
    for charter, document in ((ONE, b"one"), (OTHER, b"other"), (ONE, b"two"), (OTHER, b"last")):
        store.keep(charter, document, Summed({"310000": Body(b"to " + document)}, document))
    store.forget_last(ONE)
    assert (store.documents(ONE), store.documents(OTHER)) == ([b"one"], [b"other", b"last"])
    assert store.contribution(digest(b"to two")) == Body(b"to two")
    assert store.sum_of(digest(b"two")) == b"two"


def test_the_file_is_private(store: RunStore, path: Path) -> None:
    store.keep(ONE, b"document")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1] + b"?", lambda raw: raw[:-1]], ids=["altered", "cut short"]
)
def test_a_kept_sum_that_is_another_now_is_not_given_away(
    store: RunStore, path: Path, change: Callable[[bytes], bytes]
) -> None:
    store.keep(ONE, b"record", Summed({"310000": SENT}, b"sum"))
    vectors = path.with_name(path.name + SUFFIX)
    vectors.write_bytes(change(vectors.read_bytes()))
    with pytest.raises(StorageFault, match="damaged"):
        store.sum_of(digest(b"sum"))
    assert store.contribution(digest(SENT.envelope)) == SENT


def test_a_run_that_outlives_its_closed_store_is_kept_all_the_same(
    store: RunStore, path: Path
) -> None:
    begun = store.lay_down(SENT.vector)
    store.close()
    store.keep(ONE, b"record", Summed({"310000": SENT}, b"sum", {"310000": begun}))
    store.keep(ONE, b"next", Summed({"310000": Body(b"another", b"later")}, b"sums"))
    again = open_run_store(path)
    assert again.documents(ONE) == [b"record", b"next"]
    assert again.contribution(digest(SENT.envelope)) == SENT
    assert again.contribution(digest(b"another")) == Body(b"another", b"later")


def test_runs_of_an_earlier_version_are_refused_before_one_goes_on(path: Path) -> None:
    with closing(sqlite3.connect(path)) as earlier:
        earlier.execute(
            "CREATE TABLE contributions"
            " (digest BLOB PRIMARY KEY, charter_digest BLOB, city TEXT, envelope BLOB)"
        )
    with pytest.raises(StorageFault, match=f"{path.name} is of an earlier version"):
        open_run_store(path)
