"""Signed heads in the log's file: kept in the commit that makes them, and no second history."""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from federation.crypto.keys import digest
from federation.errors import LaborfedError, Reason, Stale
from federation.log import store as stores
from federation.log.database import Head
from federation.log.entry import NewEntry
from federation.log.signed import SignedHead
from federation.log.store import LogStore, create_log


def new(number: int) -> NewEntry:
    body = b"statement %d" % number
    return NewEntry(digest(body), "text/plain", body, digest(b"replay" + body))


def note(head: Head) -> bytes:
    return b"note of %d" % head.size


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "log.db"
    create_log(made, "log.example")
    return made


def sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_head_is_kept_with_its_entries_or_neither_is(path: Path) -> None:
    log = LogStore(path)
    log.append([new(1), new(2)], 1, note)
    (kept,) = log.signed_heads()
    assert kept == SignedHead(size=2, root=log.root(2), note=b"note of 2")

    def fails(head: Head) -> bytes:
        raise RuntimeError("no signature")

    with pytest.raises(RuntimeError):
        log.append([new(3)], 1, fails)
    with pytest.raises(Stale):
        log.append([new(1)], 1, note)
    assert (log.head().size, list(log.signed_heads())) == (2, [kept])
    log.close()


def test_a_newer_note_takes_the_place_and_co_signatures_stay(path: Path) -> None:
    log = LogStore(path)
    head = SignedHead(size=0, root=log.head().root, note=b"one")
    log.keep_signed(head)
    log.keep_signed(SignedHead(size=0, root=head.root, note=b"one", cosigned=b"one, co-signed"))
    log.keep_signed(SignedHead(size=0, root=head.root, note=b"two"))
    (kept,) = log.signed_heads()
    assert (kept.note, kept.cosigned) == (b"two", b"one, co-signed")
    assert log.latest_signed() == log.latest_signed(cosigned=True) == kept
    log.close()


def test_every_head_is_read_back_page_by_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAGE", 2)
    log = LogStore(path)
    for size in range(5):
        for side in range(3):
            root = digest(b"%d %d" % (size, side))
            log.keep_signed(SignedHead(size=size, root=root, note=b"note"))
    kept = [(head.size, head.root) for head in log.signed_heads()]
    assert kept == sorted(kept)
    assert len(set(kept)) == 15
    log.close()


def test_an_older_file_opens_and_keeps_heads_from_then_on(path: Path) -> None:
    log = LogStore(path)
    log.append([new(1)], 1)
    log.close()
    sql(path, "DROP TABLE signed_heads")
    again = LogStore(path)
    assert list(again.signed_heads()) == []
    again.append([new(2)], 1, note)
    assert [head.size for head in again.signed_heads()] == [2]
    again.close()


def test_a_file_that_is_no_log_is_not_made_one(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    sql(path, "CREATE TABLE other (x)")
    with pytest.raises(LaborfedError):
        LogStore(path)
    connection = sqlite3.connect(path)
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["other"]
    connection.close()


@pytest.mark.parametrize("column", ["root", "note", "cosigned"])
def test_what_is_no_head_is_damage(path: Path, column: str) -> None:
    log = LogStore(path)
    log.append([new(1)], 1, note)
    sql(path, f"UPDATE signed_heads SET {column} = 'text'")  # noqa: S608 a column of ours
    with pytest.raises(LaborfedError) as raised:
        list(log.signed_heads())
    assert raised.value.reason is Reason.LOG_CORRUPT
    log.close()


def test_roots_come_from_the_entries_alone(path: Path) -> None:
    log = LogStore(path)
    log.append([new(number) for number in range(20)], 1)
    expected = [log.root(size) for size in range(21)]
    sql(path, "UPDATE nodes SET hash = zeroblob(32)")
    assert list(log.roots()) == expected
    sql(path, 'DELETE FROM entries WHERE "index" = 7')
    assert list(log.roots()) == expected[:8]
    log.close()


def test_nothing_is_appended_while_a_head_is_signed(path: Path) -> None:
    """A head read before and signed after an append would be a smaller tree signed later."""
    log, other = LogStore(path), LogStore(path)
    signed: list[int] = []

    def sign(head: Head) -> bytes:
        signed.append(head.size)
        return note(head)

    def sign_slowly(head: Head) -> bytes:
        appending.append(aside.submit(other.append, [new(1)], 1, sign))
        with pytest.raises(TimeoutError):
            appending[0].result(timeout=0.3)
        return sign(head)

    appending: list[Future[list[int]]] = []
    with ThreadPoolExecutor(1) as aside:
        assert log.sign_head(sign_slowly)[0].size == 0
        assert appending[0].result(timeout=30) == [0]
    assert signed == [0, 1]
    log.close()
    other.close()
