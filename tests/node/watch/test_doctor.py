"""Each damage to a real home, or to the way from it, is found by exactly the check it concerns."""

import asyncio
import json
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.documents import MODEL_RELEASE
from support.examining import bad, findings, unchanged
from support.exchange import DAY_MS, RunningExchange, now_ms, running_exchange
from support.office import Office, typed
from support.scraping import free_port, until
from support.serving import enrolled, ready, served

from federation import founding
from federation.crypto.certificates import Authority, generate_tls_key
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import SigningKey, digest
from federation.log.checkpoint import Checkpoint, sign_checkpoint
from federation.model.parameters import MODEL_ID
from federation.watch.checks import Finding, Verdict
from federation.watch.doctor import CHECKS as COORDINATORS
from federation.wire.codec import decode_envelope
from node.identity import ASSOCIATION, CERTIFICATE, open_home
from node.watch.doctor import CHECKS
from node.watch.patient import Patient

CITY, CITIES = "440300", ("330100", "340100", "441900")
PATIENCE_S = 120.0

pytestmark = pytest.mark.journey


@dataclass(frozen=True)
class Place:
    """A home that may be damaged, and the exchange it belongs to."""

    path: Path
    exchange: RunningExchange

    @property
    def database(self) -> Path:
        return self.path / "store" / "node.db"

    def sql(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Change the store as only somebody with the file can."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for statement, values in statements:
                assert connection.execute(statement, values).rowcount != 0

    def rewrite(self, name: str, old: str, new: str) -> None:
        file = self.path / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def associate(self, **changes: str) -> None:
        file = self.path / ASSOCIATION
        told = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**told, **changes}), encoding="utf-8")

    def configure(self, line: str) -> None:
        with (self.path / "node.toml").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


@contextmanager
def in_a_thread(folder: Path) -> Iterator[tuple[RunningExchange, asyncio.AbstractEventLoop]]:
    """Run an exchange beside the test, which asks it as another process would."""
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    held: list[RunningExchange] = []

    async def run() -> None:
        async with running_exchange(folder, *CITIES) as exchange:
            held.append(exchange)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield held[0], loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A city that enrolled, served, read the log and stopped."""
    folder = tmp_path_factory.mktemp("doctor")

    async def join(exchange: RunningExchange) -> Office:
        office = await enrolled(exchange, folder, CITY)
        async with served(office) as process:
            await ready(process, CITY, "connected")
            await asyncio.to_thread(until, lambda: read_by(office) == exchange.publisher.size)
        return office

    with in_a_thread(folder) as (exchange, _):
        office = asyncio.run(asyncio.wait_for(join(exchange), PATIENCE_S))
        yield Place(office.home.path, exchange)


def read_by(office: Office) -> int:
    told: int = json.loads(office.told("status", "--json"))["next_index"]
    return told


@pytest.fixture
def place(whole: Place, tmp_path: Path) -> Place:
    """A copy of it, to be damaged."""
    return Place(Path(shutil.copytree(whole.path, tmp_path / "home")), whole.exchange)


def examined(place: Place, **changes: object) -> dict[str, Finding]:
    patient = replace(Patient(place.path, now_ms()), **changes)  # type: ignore[arg-type]
    return findings(CHECKS, patient)


def test_a_home_that_is_whole_has_nothing_to_find_and_is_left_as_it_is(place: Place) -> None:
    with unchanged(place.path):
        found = examined(place)
    assert {name: one for name, one in found.items() if one.verdict is not Verdict.OK} == {}


# damages


def no_home(place: Place) -> None:
    (place.path / "node.toml").unlink()


def misspelt(place: Place) -> None:
    place.configure("misspelt = 1")


def readable_store(place: Place) -> None:
    place.database.chmod(0o640)


def readable_key(place: Place) -> None:
    (place.path / "keys" / "records.key").chmod(0o604)


def wrong_policy(place: Place) -> None:
    (place.path / "policy.toml").write_text("[budget]\nepsilon = -1\n", encoding="utf-8")


def lost_key(place: Place) -> None:
    (place.path / "keys" / "sealing.pem").unlink()


def other_key(place: Place) -> None:
    file = place.path / "keys" / "signing.pem"
    file.unlink()
    SigningKey.generate().save(file)


def not_joined(place: Place) -> None:
    (place.path / ASSOCIATION).unlink()


def no_certificate(place: Place) -> None:
    (place.path / CERTIFICATE).unlink()


def certificate_of(place: Place, at_ms: int) -> bytes:
    tls = open_home(place.path).identity().tls
    return place.exchange.keys.authority.issue_city(tls, CITY, at_ms)


def expired(place: Place) -> None:
    (place.path / CERTIFICATE).write_bytes(certificate_of(place, now_ms() - 8 * DAY_MS))


def not_renewed(place: Place) -> None:
    (place.path / CERTIFICATE).write_bytes(certificate_of(place, now_ms() - 6 * DAY_MS))


def certificate_of_another_key(place: Place) -> None:
    pem = place.exchange.keys.authority.issue_city(generate_tls_key(), CITY, now_ms())
    (place.path / CERTIFICATE).write_bytes(pem)


def damaged_store(place: Place) -> None:
    with closing(sqlite3.connect(place.database)) as connection:
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'workers'"
        page = connection.execute(query).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with place.database.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * 64)


def newer_schema(place: Place) -> None:
    place.sql(("UPDATE alembic_version SET version_num = ?", ("v9999",)))


def older_schema(place: Place) -> None:
    place.sql(("UPDATE alembic_version SET version_num = ?", ("0001",)))


def unknown_to_membership(place: Place) -> None:
    """The membership that added this city was never read."""
    place.sql(("DELETE FROM documents WHERE leaf_index > 0", ()))


def keep(place: Place, size: int, key: SigningKey) -> None:
    origin = place.exchange.configuration.log_origin
    note = sign_checkpoint(Checkpoint(origin, size, digest(b"another tree"), now_ms()), key)
    place.sql(("UPDATE cells SET value = ? WHERE name = 'log/checkpoint'", (note,)))


def strangers_checkpoint(place: Place) -> None:
    keep(place, place.exchange.publisher.size, SigningKey.generate())


def checkpoint_behind(place: Place) -> None:
    keep(place, 1, place.exchange.keys.log)


def another_history(place: Place) -> None:
    keep(place, place.exchange.publisher.size, place.exchange.keys.log)


def longer_history(place: Place) -> None:
    keep(place, place.exchange.publisher.size + 7, place.exchange.keys.log)


CHARTER, ATTEMPT = digest(b"charter"), digest(b"attempt")
RESERVED = (
    "INSERT INTO budget_reservations (charter_digest, purpose, year, closed)"
    " VALUES (?, 'p', 2026, 0)",
    (CHARTER,),
)
EVENT = "INSERT INTO budget_events (charter_digest, kind, count, epsilon) VALUES (?, 'vote', ?, ?)"
TOUCH = "INSERT INTO budget_touches (charter_digest, kind, attempt, round) VALUES (?, 'vote', ?, ?)"


def overdrawn(place: Place) -> None:
    touches = [(TOUCH, (CHARTER, ATTEMPT, number)) for number in (1, 2)]
    place.sql(RESERVED, (EVENT, (CHARTER, 1, 0.1)), *touches)


def beyond_the_policy(place: Place) -> None:
    year = time.gmtime(now_ms() / 1000).tm_year
    place.sql((RESERVED[0].replace("2026", str(year)), RESERVED[1]), (EVENT, (CHARTER, 1, 9.5)))


def alarmed(place: Place) -> None:
    place.sql(
        (
            "INSERT INTO alarms (at_ms, charter_digest, attempt, round, sentence)"
            " VALUES (?, x'', x'', 0, 'look at this')",
            (now_ms(),),
        )
    )


def distrusting(place: Place) -> None:
    said = {"state": "distrusted", "reason": "log.inconsistent", "sentence": "two", "at_ms": 1}
    place.sql(
        (
            "UPDATE cells SET value = ? WHERE name = 'serve/presence'",
            (json.dumps(said).encode(),),
        )
    )


def other_encoding(place: Place) -> None:
    raw = founding.draft(MODEL_RELEASE)
    identity, parameters = replay_identity(decode_envelope(raw)), MODEL_RELEASE.parameters
    place.sql(
        (
            "INSERT INTO documents (digest, replay_identity, leaf_index, payload_type, envelope,"
            " accepted_ms) VALUES (?, ?, NULL, 'laborfed/model-release/v1', ?, 1)",
            (digest(raw), identity, raw),
        ),
        (
            "INSERT INTO models (release_digest, model, parameters, activated_ms, place)"
            " VALUES (?, ?, ?, 1, 'active')",
            (identity, MODEL_ID, parameters),
        ),
    )


def lost_release(place: Place) -> None:
    other_encoding(place)
    place.sql(("DELETE FROM documents WHERE leaf_index IS NULL", ()))


def unknown_name(place: Place) -> None:
    place.configure('[coordinator]\nhost = "coordinator.invalid"')


def closed_port(place: Place) -> None:
    place.configure(f'[coordinator]\nhost = "127.0.0.1"\nport = {free_port()}')


def other_authority(place: Place) -> None:
    place.associate(tls_authority=Authority.create("demo", now_ms()).pem.decode())


def other_server(place: Place) -> None:
    place.associate(server_name="elsewhere.example")


@pytest.mark.parametrize(
    ("damage", "check", "verdict", "said"),
    [
        (no_home, "home", Verdict.FAIL, "is no node's home"),
        (misspelt, "configuration", Verdict.FAIL, "misspelt"),
        (readable_store, "permissions", Verdict.FAIL, "has mode 0640"),
        (readable_key, "permissions", Verdict.FAIL, "has mode 0604"),
        (wrong_policy, "policy", Verdict.FAIL, "epsilon"),
        (lost_key, "keys", Verdict.FAIL, "sealing.pem cannot be read"),
        (other_key, "membership", Verdict.FAIL, "names other keys"),
        (not_joined, "enrolment", Verdict.FAIL, "joined no federation"),
        (no_certificate, "certificate", Verdict.FAIL, "no certificate yet"),
        (expired, "certificate", Verdict.FAIL, "expired 1.0 days ago"),
        (not_renewed, "certificate", Verdict.WARN, "lasts 1.0 more days"),
        (certificate_of_another_key, "certificate", Verdict.FAIL, "for another key"),
        (damaged_store, "store", Verdict.FAIL, "the store is damaged"),
        (newer_schema, "schema", Verdict.FAIL, "made by a newer version"),
        (older_schema, "schema", Verdict.WARN, "an older schema"),
        (unknown_to_membership, "membership", Verdict.FAIL, "does not name this city"),
        (strangers_checkpoint, "checkpoint", Verdict.FAIL, "log.bad_checkpoint"),
        (checkpoint_behind, "checkpoint", Verdict.FAIL, "under a checkpoint of 1"),
        (another_history, "log", Verdict.FAIL, "does not extend what this node kept"),
        (longer_history, "log", Verdict.FAIL, "does not extend what this node kept"),
        (overdrawn, "budget", Verdict.FAIL, "more vote was spent"),
        (beyond_the_policy, "budget", Verdict.WARN, "the policy allows 8"),
        (alarmed, "alarms", Verdict.WARN, "look at this"),
        (distrusting, "alarms", Verdict.FAIL, "the log was found broken"),
        (other_encoding, "model", Verdict.WARN, "another features and occupation table"),
        (lost_release, "model", Verdict.FAIL, "no release"),
        (unknown_name, "name", Verdict.FAIL, "coordinator.invalid is not known here"),
        (closed_port, "connection", Verdict.FAIL, "nothing listens"),
        (other_authority, "tls", Verdict.FAIL, "another authority than the one pinned"),
        (other_server, "tls", Verdict.FAIL, "is not elsewhere.example"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_a_damage_is_found_by_its_check_alone(
    place: Place, damage: Callable[[Place], None], check: str, verdict: Verdict, said: str
) -> None:
    damage(place)
    with unchanged(place.path):
        found = examined(place)
    assert bad(found) == {check: verdict}
    assert said in found[check].sentence
    assert found[check].remedy


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        ({"off_ms": 200_000}, "clock", "s ahead of the coordinator's, 120 s are allowed"),
        ({"off_ms": -200_000}, "clock", "s behind the coordinator's, 120 s are allowed"),
        ({"least_free": 2**60}, "disk", "are free where"),
        ({"requirements": (["numpy>=99"], ">=3.11")}, "libraries", ", not >=99"),
        ({"requirements": (["no-such-library"], ">=3.11")}, "libraries", "is missing"),
        ({"requirements": ([], ">=9")}, "libraries", ", not >=9"),
    ],
    ids=["ahead", "behind", "a full disk", "an older library", "a lost library", "another Python"],
)
def test_what_surrounds_a_home_is_examined(
    place: Place, change: dict[str, Any], check: str, said: str
) -> None:
    if "off_ms" in change:
        change = {"now_ms": now_ms() + change["off_ms"]}
    found = examined(place, **change)
    assert bad(found) == {check: Verdict.FAIL}
    assert said in found[check].sentence


def test_a_suspended_city_is_told_that_it_is_not_admitted(place: Place) -> None:
    """The coordinator's membership is newer than the one this home has read."""
    suspend(place.exchange, "suspended")
    try:
        found = examined(place)
    finally:
        suspend(place.exchange, "active")
    assert bad(found) == {"admission": Verdict.FAIL}
    assert "does not admit this city" in found["admission"].sentence


def suspend(exchange: RunningExchange, status: str) -> None:
    trust = exchange.publisher.trust
    cities = tuple(
        replace(one, status=status) if one.division == CITY else one for one in trust.current.cities
    )
    following = replace(
        trust.current,
        version=trust.current.version + 1,
        previous_digest=trust.current_digest,
        cities=cities,
        issued_ms=now_ms(),
    )
    exchange.next_membership(following)


def test_who_answers_without_tls_is_told_from_who_does_not_answer(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=greet, args=(server,))
        answering.start()
        place.configure(f'[coordinator]\nhost = "127.0.0.1"\nport = {server.getsockname()[1]}')
        found = examined(place)
        answering.join()
    assert bad(found) == {"tls": Verdict.FAIL}
    assert "speaks no TLS" in found["tls"].sentence


def greet(server: socket.socket) -> None:
    """Two connections come: one that only tries, and the handshake."""
    for _ in range(2):
        taken, _ = server.accept()
        with taken:
            taken.settimeout(PATIENCE_S)
            if taken.recv(1):
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


# the command


def test_the_command_works_beside_a_serving_node_and_ends_with_a_code(place: Place) -> None:
    async def scenario() -> None:
        office = Office.at(place.path)
        async with served(office) as process:
            await ready(process, CITY, "connected")
            told = await asyncio.to_thread(office.told, "doctor", "--json")
            assert json.loads(told)["healthy"] is True
            assert (await asyncio.to_thread(office.type, "status", "--check")).exit_code == 0
        result = await asyncio.to_thread(office.type, "status", "--check", "--json")
        assert result.exit_code == 3
        assert json.loads(result.stdout)["serving"] is False

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_the_command_tells_what_to_do_and_ends_with_code_1(place: Place) -> None:
    wrong_policy(place)
    result = typed("doctor", "--home", str(place.path))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (failed,) = (number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[failed].startswith("FAIL     policy: ")
    assert "labor-node policy set" in lines[failed + 1]
    assert "skipped  budget: needs policy" in lines
    told = json.loads(typed("doctor", "--home", str(place.path), "--json").stdout)
    assert told["healthy"] is False
    assert {one["check"]: one["verdict"] for one in told["checks"]}["policy"] == "FAIL"


def test_a_node_that_serves_in_vain_is_told_by_code_1(place: Place) -> None:
    expired(place)

    async def scenario() -> None:
        office = Office.at(place.path)
        async with served(office) as process:
            await ready(process, CITY, "away")
            assert (await asyncio.to_thread(office.type, "status", "--check")).exit_code == 1

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


@pytest.mark.parametrize("checks", [CHECKS, COORDINATORS], ids=["a node's", "a coordinator's"])
def test_checks_need_only_what_comes_before_them(checks: tuple[object, ...]) -> None:
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    for number, check in enumerate(checks):
        assert set(check.needs) <= set(names[:number])
