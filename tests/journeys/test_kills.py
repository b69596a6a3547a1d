"""Nothing is lost: coordinator and nodes are killed (SIGKILL) at random moments of runs.

After every kill, while what was killed is down, all stores are read and held against what they
held before; at the end logs, answers, contributions and budgets of all are held against each other.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.study.demo import running
from deploy.study.demo.founding import Ground
from federation.crypto.keys import digest
from federation.documents.exchanged import Contribution
from federation.documents.runs import Closure, RoundRecord
from federation.documents.types import Document
from federation.rounds.terms import budget_kind, check_vector
from federation.vectors import Place, VectorFile
from federation.wire.codec import decode_document, decode_envelope
from journeys import staging
from journeys.canaries import CITIES
from journeys.killing import COORDINATOR, Fire
from node.privacy import ledger
from node.store.engine import open_store

pytestmark = pytest.mark.journey

SLICE, WHOLE = 6, 60
SEED = "KILLS_SEED"  # set it to a printed seed to draw the same victims again
KILLS_A_RUN = 20
CODES = tuple(city.code for city in CITIES)
Row = tuple[object, ...]


def rows(path: Path, query: str) -> list[Row]:
    """Read a store beside its owner."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.execute(query))


def with_vectors(path: Path, query: str) -> list[Row]:
    """Rows whose last two columns say where a vector lies, with its bytes in their stead."""
    file = VectorFile(path)
    return [
        (*row[:-2], file.read(Place(*row[-2:])) if row[-1] else b"") for row in rows(path, query)
    ]


# The first column says which row it is.
NODE_QUERIES = {
    "documents": "SELECT leaf_index, digest, envelope FROM documents",
    "touches": "SELECT touch_id, charter_digest, kind, attempt, round FROM budget_touches",
    "egress": "SELECT egress_id, payload_type, envelope_digest FROM egress",
    "reserved": "SELECT hex(charter_digest) || kind, count FROM budget_events",
}
ANSWERS = (
    "SELECT hex(attempt) || round || kind, request_digest, answer, vector_start, vector_size"
    " FROM answers"
)
KEPT = "SELECT digest, city, envelope, start, size FROM contributions"
SUMS = "SELECT digest, start, size FROM sums"


@dataclass
class Memory:
    """Everything that was ever seen in a store and must stay there as it was."""

    ground: Ground
    seen: dict[str, dict[object, Row]] = field(default_factory=dict)

    def node(self, code: str) -> Path:
        (found,) = self.ground.places.node(code).glob("**/node.db")
        return found

    def look(self) -> None:
        """Read every store; nothing that was there may be gone or other."""
        home = self.ground.places.federation
        self._hold("log", rows(home / "log.sqlite", 'SELECT "index", digest FROM entries'))
        self._hold("kept", with_vectors(home / "runs.sqlite", KEPT))
        self._hold("sums", with_vectors(home / "runs.sqlite", SUMS))
        self._hold("journal", rows(home / "runs.sqlite", "SELECT number, envelope FROM journal"))
        for code in CODES:
            for table, query in NODE_QUERIES.items():
                self._hold(f"{table} of {code}", rows(self.node(code), query))
            self._hold(f"answers of {code}", with_vectors(self.node(code), ANSWERS))

    def _hold(self, name: str, found: list[Row]) -> None:
        now = {row[0]: row for row in found}
        for key, row in self.seen.get(name, {}).items():
            assert now.get(key) == row, f"{name}: {key!r} was there before the kill"
        self.seen[name] = now


def opened(raw: bytes) -> Document:
    envelope = decode_envelope(raw)
    return decode_document(envelope.payload_type, envelope.payload)


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(SLICE, id="slice_of_6_kills", marks=pytest.mark.timeout(1800)),
        pytest.param(WHOLE, id="60_kills", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_kills_at_random_moments_lose_nothing(ground: Ground, kills: int) -> None:
    seed = int(os.environ.get(SEED, random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")  # shown when it fails, and by -s
    memory = Memory(ground)
    fire = Fire(ground, random.Random(seed), 0, memory.look)
    fire.begin()
    number = 0
    while number * KILLS_A_RUN < kills:
        fire.left = min(KILLS_A_RUN, kills - number * KILLS_A_RUN)
        number += 1
        charter = staging.training_charter(
            ground, rounds=4 * fire.left, repeats=2 * fire.left, epsilon=20.0, name=f"run {number}"
        )
        fire.run(charter)
        print(f"seed {seed}, run {number}: {fire.killed}")
    assert len(fire.killed) >= min(kills, SLICE)
    memory.look()
    check(ground, memory, number)
    victims = Counter(name for names in fire.killed for name in names)
    assert victims[COORDINATOR] > 0
    assert len(victims) > 1


def check(ground: Ground, memory: Memory, runs: int) -> None:
    """Hold everybody's stores against each other."""
    audit = running.audit(ground)
    assert audit.ok
    _wait_until_read(memory, audit.entries)
    memory.look()
    documents = staging.logged(ground)
    closures = [d for d in documents if isinstance(d, Closure)]
    assert len(closures) == runs
    assert {closure.outcome for closure in closures} <= {"released", "voted_down"}, closures
    log = rows(ground.places.federation / "log.sqlite", 'SELECT "index", digest FROM entries')
    runs_file = ground.places.federation / "runs.sqlite"
    kept = with_vectors(runs_file, KEPT)
    records = [d for d in documents if isinstance(d, RoundRecord)]
    assert {row[0] for row in kept} == {c.digest for d in records for c in d.contributions}
    sums = dict(with_vectors(runs_file, SUMS))
    assert sums.keys() == {record.sum_digest for record in records}
    assert all(digest(total) == named for named, total in sums.items())
    for code in CODES:
        store = memory.node(code)
        held = rows(store, "SELECT leaf_index, digest FROM documents ORDER BY leaf_index")
        assert held == log
        _answers_are_those_recorded(store, [row for row in kept if row[1] == code])
        _charged_for_every_answer(store)
        _nothing_is_alarming(store)
        _within_the_allowance(store)


def _wait_until_read(memory: Memory, entries: int) -> None:
    """Wait until every city has read so many entries of the log."""
    deadline = time.monotonic() + running.CAUGHT_UP_S
    for code in CODES:
        while rows(memory.node(code), "SELECT count(*) FROM documents") != [(entries,)]:
            assert time.monotonic() < deadline, f"{code} does not read the log to its end"
            time.sleep(0.1)


def _within_the_allowance(path: Path) -> None:
    store = open_store(path)
    with store.read() as connection:
        year = datetime.now(UTC).year
        stands = ledger.statement(connection, year, staging.WILLING.allowance)
    store.close()
    assert 0 < stands.used <= stands.reserved <= stands.allowance.epsilon


def _answers_are_those_recorded(store: Path, kept: list[Row]) -> None:
    """No question has two answers: what was recorded, committed and signed is the same bytes."""
    given = {row[-2:] for row in with_vectors(store, ANSWERS)}
    assert {row[2:] for row in kept} <= given
    answered = {raw for raw, _ in given}
    left = [
        row[0]
        for row in rows(store, "SELECT envelope_digest, payload_type FROM egress")
        if str(row[1]).endswith(("/contribution/v1", "/consent/v1"))
    ]
    assert sorted(left) == sorted(digest(raw) for raw in answered)


def _charged_for_every_answer(store: Path) -> None:
    touched = set(rows(store, "SELECT charter_digest, kind, attempt, round FROM budget_touches"))
    for *_, raw, vector in with_vectors(store, f"{ANSWERS} WHERE kind != 'consent'"):
        contribution = opened(raw)
        assert isinstance(contribution, Contribution)
        check_vector(contribution, vector)
        key = contribution.attempt_nonce
        if contribution.kind == "evaluation":
            key = contribution.parameters_digest
        kind = budget_kind(contribution.kind)
        question = (contribution.charter_digest, kind, key, contribution.round)
        assert question in touched
    used = Counter((row[0], row[1]) for row in touched)
    reserved = {
        (row[0], row[1]): row[2]
        for row in rows(store, "SELECT charter_digest, kind, count FROM budget_events")
    }
    for event, times in used.items():
        assert times <= int(str(reserved[event]))


def _nothing_is_alarming(store: Path) -> None:
    assert rows(store, "SELECT sentence FROM alarms") == []
