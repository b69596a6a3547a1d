"""The log's store: one history, whole batches, honest proofs, and nothing lost to a kill."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.crypto.keys import digest
from federation.errors import LaborfedError, Malformed, Misconfigured, Reason, Stale, StorageFault
from federation.log import merkle
from federation.log.entry import NewEntry
from federation.log.reading import Reading
from federation.log.store import LogStore, create_log

ORIGIN = "log.example/federation"
APPENDER = Path(__file__).with_name("appender.py")
ROOT = Path(__file__).parents[3]


def new(number: int) -> NewEntry:
    body = b"statement %d" % number
    return NewEntry(digest(body), "text/plain", body, digest(b"replay" + body))


def many(start: int, count: int) -> list[NewEntry]:
    return [new(number) for number in range(start, start + count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "log.db"
    create_log(made, ORIGIN)
    return made


@pytest.fixture
def log(path: Path) -> Iterator[LogStore]:
    store = LogStore(path)
    yield store
    store.close()


def check(store: LogStore) -> None:
    """Re-derive everything: heads, proofs between them and each entry's place."""
    heads = list(store.rebuild_root())
    head = store.head()
    assert (heads[-1] if heads else head) == head
    for index in range(max(0, head.size - 20), head.size):
        leaf = merkle.leaf_hash(store.entry(index).digest)
        proof = store.inclusion(index, head.size)
        merkle.verify_inclusion(leaf, index, head.size, proof, head.root)
    for old in {0, 1, head.size // 2, head.size}:
        if old <= head.size:
            proof = store.consistency(old, head.size)
            merkle.verify_consistency(old, store.root(old), head.size, head.root, proof)


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_log_begins_empty_and_closed_to_others(path: Path, log: LogStore) -> None:
    head = log.head()
    assert (head.origin, head.size, head.root) == (ORIGIN, 0, merkle.EMPTY_ROOT)
    assert path.stat().st_mode & 0o777 == 0o600
    log.append(many(0, 3), 1)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    check(log)


def test_a_log_is_begun_only_once(path: Path, log: LogStore) -> None:
    log.append(many(0, 2), 1)
    before = log.head()
    with pytest.raises(Misconfigured) as refusal:
        create_log(path, ORIGIN)
    assert refusal.value.reason is Reason.LOG_EXISTS
    assert log.head() == before
    assert sorted(os.listdir(path.parent)) == ["log.db", "log.db-shm", "log.db-wal"]


def test_opening_never_begins_a_log(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refusal:
        LogStore(tmp_path / "wrong.db")
    assert refusal.value.reason is Reason.LOG_MISSING
    assert os.listdir(tmp_path) == []


def test_an_origin_no_checkpoint_could_carry_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        create_log(tmp_path / "log.db", "two words")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"no database" * 100], ids=["empty", "garbage"])
def test_a_file_that_is_no_log_is_a_storage_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(StorageFault):
        LogStore(tmp_path / "log.db")


def test_entries_come_back_as_they_were_appended(path: Path, log: LogStore) -> None:
    assert log.append(many(0, 3), 1_760_000_000_000) == [0, 1, 2]
    assert log.append([], 5) == []
    assert log.append(many(3, 1), 1_760_000_000_001) == [3]
    reopened = LogStore(path)
    entry = reopened.entry(3)
    assert (entry.index, entry.appended_ms) == (3, 1_760_000_000_001)
    assert (entry.digest, entry.envelope) == (new(3).digest, new(3).envelope)
    assert (entry.payload_type, entry.replay_identity) == ("text/plain", new(3).replay_identity)
    assert [one.index for one in reopened.entries(1, 2)] == [1, 2]
    assert [one.index for one in reopened.entries(2, 100)] == [2, 3]
    assert reopened.entries(4, 100) == []
    assert reopened.index_of(new(2).replay_identity) == 2
    assert reopened.index_of(bytes(32)) is None
    reopened.close()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 40), max_size=8))
def test_however_batched_the_tree_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.db"
    create_log(path, ORIGIN)
    store = LogStore(path)
    size = 0
    for step in steps:
        assert store.append(many(size, step), 0) == list(range(size, size + step))
        size += step
    leaves = [merkle.leaf_hash(one.digest) for one in many(0, size)]
    assert store.head().root == merkle.root(size, merkle.extend(0, leaves, {}).__getitem__)
    check(store)
    store.close()


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        pytest.param([new(1)], "entry 1 of", id="a statement logged before"),
        pytest.param([new(7), new(2)], "entry 2 of", id="one such in a batch"),
        pytest.param([new(7), new(8), new(7)], "statement 3 of the batch", id="twice in one batch"),
        pytest.param(
            [NewEntry(bytes(32), "a/b", b"", new(0).replay_identity)],
            "entry 0 of",
            id="other bytes of a statement logged before",
        ),
    ],
)
def test_a_replay_is_refused_with_its_whole_batch(
    log: LogStore, batch: list[NewEntry], said: str
) -> None:
    log.append(many(0, 3), 0)
    before = log.head()
    with pytest.raises(Stale, match=said) as refusal:
        log.append(batch, 0)
    assert refusal.value.reason is Reason.REPLAYED
    assert log.head() == before
    check(log)
    assert log.append([new(7), new(8)], 0) == [3, 4]


def test_a_head_moved_underneath_keeps_the_batch_out(path: Path, log: LogStore) -> None:
    log.append(many(0, 3), 0)
    spoil(
        path,
        "CREATE TRIGGER other AFTER INSERT ON entries BEGIN UPDATE head SET size = size + 1; END",
    )
    with pytest.raises(StorageFault) as refusal:
        log.append(many(3, 2), 0)
    assert refusal.value.reason is Reason.HEAD_MOVED
    spoil(path, "DROP TRIGGER other")
    assert log.head().size == 3
    check(log)


DAMAGES = [
    pytest.param("UPDATE nodes SET hash = zeroblob(32) WHERE level = 2", id="subtree changed"),
    pytest.param("DELETE FROM nodes WHERE level = 2", id="subtree gone"),
    pytest.param('UPDATE entries SET digest = zeroblob(32) WHERE "index" = 6', id="leaf changed"),
    pytest.param("UPDATE head SET root = zeroblob(32)", id="root changed"),
    pytest.param("UPDATE head SET size = 6", id="head set back"),
    pytest.param("DELETE FROM head", id="head gone"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_at_the_frontier_stops_the_next_append(
    path: Path, log: LogStore, damage: str
) -> None:
    log.append(many(0, 7), 0)
    spoil(path, damage)
    with pytest.raises(StorageFault) as refusal:
        log.append(many(7, 1), 0)
    assert refusal.value.reason is Reason.LOG_CORRUPT


@pytest.mark.parametrize(
    "damage",
    [
        *DAMAGES,
        pytest.param("UPDATE nodes SET hash = zeroblob(32) WHERE level = 1", id="inner node"),
        pytest.param('DELETE FROM entries WHERE "index" = 6', id="last entry gone"),
        pytest.param('DELETE FROM entries WHERE "index" = 2', id="entry gone"),
        pytest.param('UPDATE entries SET "index" = 9 WHERE "index" = 2', id="entry moved"),
        pytest.param('UPDATE entries SET "index" = -1 WHERE "index" = 2', id="entry before all"),
        pytest.param('UPDATE entries SET digest = zeroblob(32) WHERE "index" = 0', id="old leaf"),
        pytest.param(
            "INSERT INTO entries SELECT 7, digest, '', '', zeroblob(32), 0 FROM entries LIMIT 1",
            id="entry beyond the head",
        ),
        pytest.param(
            "INSERT INTO entries SELECT -1, digest, '', '', zeroblob(32), 0 FROM entries LIMIT 1",
            id="one entry more, before all",
        ),
    ],
)
def test_re_deriving_finds_the_damage(path: Path, log: LogStore, damage: str) -> None:
    log.append(many(0, 7), 0)
    spoil(path, damage)
    with pytest.raises(StorageFault) as refusal:
        list(log.rebuild_root())
    assert refusal.value.reason is Reason.LOG_CORRUPT


def test_re_deriving_goes_page_by_page(log: LogStore) -> None:
    log.append(many(0, 2500), 0)
    heads = list(log.rebuild_root())
    assert [head.size for head in heads] == [1000, 2000, 2500]
    assert [head.root for head in heads] == [log.root(head.size) for head in heads]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda log: log.entry(3), id="entry beyond the end"),
        pytest.param(lambda log: log.entry(-1), id="entry before the start"),
        pytest.param(lambda log: log.inclusion(2, 4), id="inclusion in a tree to come"),
        pytest.param(lambda log: log.inclusion(2, 2), id="inclusion in an older tree"),
        pytest.param(lambda log: log.inclusion(-1, 2), id="inclusion of a negative index"),
        pytest.param(lambda log: log.consistency(2, 4), id="consistency with a tree to come"),
        pytest.param(lambda log: log.consistency(3, 2), id="consistency backwards"),
        pytest.param(lambda log: log.consistency(-1, 2), id="consistency from less than nothing"),
        pytest.param(lambda log: log.root(4), id="root of a tree to come"),
        pytest.param(lambda log: log.proven(3, 2, 3), id="both proofs of an entry beyond the end"),
        pytest.param(lambda log: log.proven(2, 4, 3), id="both proofs backwards"),
        pytest.param(lambda log: log.proven(2, 3, 4), id="both proofs in a tree to come"),
    ],
)
def test_there_is_no(log: LogStore, ask: Callable[[Reading], object]) -> None:
    log.append(many(0, 3), 0)
    with log.reading() as snapshot, pytest.raises(Malformed) as refusal:
        ask(snapshot)
    assert refusal.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(("digest_size", "replay_size"), [(31, 32), (32, 33)])
def test_an_entry_of_other_lengths_cannot_exist(digest_size: int, replay_size: int) -> None:
    with pytest.raises(LaborfedError):
        NewEntry(bytes(digest_size), "text/plain", b"", bytes(replay_size))


def test_threads_read_true_proofs_while_others_append(log: LogStore) -> None:
    def write(label: int) -> list[int]:
        return [i for n in range(25) for i in log.append(many(label * 1000 + n * 2, 2), 0)]

    def read(_: int) -> None:
        for _ in range(25):
            head = log.head()
            if head.size:
                proof = log.inclusion(head.size - 1, head.size)
                leaf = merkle.leaf_hash(log.entry(head.size - 1).digest)
                merkle.verify_inclusion(leaf, head.size - 1, head.size, proof, head.root)

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, label) for label in range(4)]
        readers = [pool.submit(read, number) for number in range(4)]
        indexes = [index for writer in writers for index in writer.result()]
        for reader in readers:
            reader.result()
    assert sorted(indexes) == list(range(200))
    check(log)


def test_several_questions_are_answered_from_one_snapshot(path: Path, log: LogStore) -> None:
    log.append(many(0, 3), 0)
    with log.reading() as snapshot:
        assert snapshot.entry(2).index == 2
        writer = LogStore(path)
        writer.append(many(3, 2), 0)
        writer.close()
        assert snapshot.head.size == len(snapshot.entries(0, 10)) == 3
        assert snapshot.stated(new(3).replay_identity) is None
        with pytest.raises(Malformed):
            snapshot.proven(2, 3, 5)
    assert log.head().size == 5


def test_one_entry_comes_back_as_the_store_would_prove_it(log: LogStore) -> None:
    for size in range(34):
        appended = log.append_one(new(size), log.head(), 7, lambda head: b"note of %d" % head.size)
        head, proven = appended.head, appended.proven
        assert (appended.entry, head) == (log.entry(size), log.head())
        assert (appended.before.size, appended.note) == (size, b"note of %d" % (size + 1))
        with log.reading() as snapshot:
            assert proven == snapshot.proven(size, size, size + 1)
        leaf = merkle.leaf_hash(new(size).digest)
        merkle.verify_inclusion(leaf, size, head.size, proven.inclusion, head.root)
        extension = size, appended.before.root, head.size, head.root, proven.consistency
        merkle.verify_consistency(*extension)
    check(log)


def test_one_entry_is_appended_on_the_head_that_was_seen_alone(log: LogStore) -> None:
    log.append(many(0, 3), 0)
    seen = log.head()
    log.append([new(3)], 0)
    for other in (seen, replace(log.head(), root=seen.root)):
        with pytest.raises(StorageFault) as refusal:
            log.append_one(new(4), other, 0, lambda head: b"never")
        assert refusal.value.reason is Reason.HEAD_MOVED
    assert (log.head().size, list(log.signed_heads())) == (4, [])


def start(path: Path, label: str, limit: str, batch: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(APPENDER), str(path), label, limit, batch]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def receipts(lines: str) -> list[tuple[int, bytes]]:
    split = (line.split(" ", 1) for line in lines.splitlines(keepends=True) if line.endswith("\n"))
    return [(int(index), body.strip().encode()) for index, body in split]


@pytest.mark.parametrize("batch", ["1", "7"], ids=["single entries", "batches of seven"])
@pytest.mark.parametrize("seen", [1, 30])
def test_a_killed_log_keeps_every_entry_it_gave_a_receipt_for(
    path: Path, seen: int, batch: str
) -> None:
    with start(path, "killed", "endless", batch) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(seen)]
        process.kill()
        given_out = receipts("".join([*lines, process.stdout.read()]))
    assert process.returncode < 0
    assert len(given_out) >= seen
    store = LogStore(path)
    for index, body in given_out:
        assert store.entry(index).envelope == body
    assert store.head().size % int(batch) == 0
    check(store)
    store.append(many(0, 2), 0)
    check(store)
    store.close()


def test_two_processes_append_to_one_history(path: Path) -> None:
    running = [start(path, label, "60", "2") for label in ("north", "south")]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    given_out = [receipt for output in outputs for receipt in receipts(output)]
    assert sorted(index for index, _ in given_out) == list(range(240))
    store = LogStore(path)
    assert all(store.entry(index).envelope == body for index, body in given_out)
    check(store)
    store.close()
