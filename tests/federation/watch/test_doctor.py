"""Each damage to a coordinator's real home is found by exactly the check it concerns."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.administration import Desk, done, served, typed
from support.examining import bad, findings, unchanged
from support.exchange import DAY_MS, now_ms
from support.scraping import free_port

from federation import founding
from federation.crypto.certificates import Authority, save_tls_key
from federation.crypto.envelope import sign
from federation.crypto.keys import SigningKey
from federation.documents.runs import Closure, DropRecord
from federation.documents.types import Document
from federation.home import Home
from federation.log.store import LogStore
from federation.rounds.store import open_run_store
from federation.watch.checks import Finding, Verdict
from federation.watch.doctor import CHECKS
from federation.watch.patient import Patient
from federation.wire.codec import encode_document, encode_envelope

pytestmark = pytest.mark.journey

CHARTER = bytes(range(32))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A founded federation whose coordinator kept one run, and logged all of it."""
    desk = Desk(tmp_path_factory.mktemp("founded"))
    desk.found()
    keep(desk, [drop(1), closure()])
    return desk


@pytest.fixture
def desk(founded: Desk, tmp_path: Path) -> Desk:
    """A copy of it, to be damaged."""
    return Desk(Path(shutil.copytree(founded.folder, tmp_path / "copy")))


def drop(number: int) -> DropRecord:
    return DropRecord(
        charter_digest=CHARTER,
        attempt_nonce=bytes(32),
        roster_digest=b"",
        round=number,
        cities=("440300",),
        reason="round.late",
        recorded_ms=now_ms(),
    )


def closure() -> Closure:
    return Closure(
        charter_digest=CHARTER,
        outcome="failed",
        reason="too few",
        last_record_digest=b"",
        rounds_completed=0,
        attempts=1,
        closed_ms=now_ms(),
    )


def keep(desk: Desk, documents: list[Document], *, logged: bool = True) -> None:
    """Keep documents as a run's, and log them as its coordinator does."""
    home = Home(desk.home)
    keys, runs = home.keys(), open_run_store(home.runs_file)
    with closing(LogStore(home.log_file)) as log:
        publisher = founding.open_publisher(log, keys, now_ms)
        assert publisher is not None
        for document in documents:
            raw = encode_envelope(sign(*encode_document(document), keys.coordinator))
            runs.keep(CHARTER, raw)
            if logged:
                publisher.publish(raw)


def sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount != 0


def examined(desk: Desk, **changes: object) -> dict[str, Finding]:
    patient = replace(Patient(desk.home, now_ms()), **changes)  # type: ignore[arg-type]
    return findings(CHECKS, patient)


def test_a_home_that_is_whole_has_nothing_to_find_and_is_left_as_it_is(desk: Desk) -> None:
    with unchanged(desk.folder):
        found = examined(desk)
    assert {name: one for name, one in found.items() if one.verdict is not Verdict.OK} == {}


# damages


def no_home(desk: Desk) -> None:
    Home(desk.home).configuration_file.unlink()


def misspelt(desk: Desk) -> None:
    with Home(desk.home).configuration_file.open("a", encoding="utf-8") as file:
        file.write("misspelt = 1\n")


def readable_log(desk: Desk) -> None:
    Home(desk.home).log_file.chmod(0o644)


def lost_log(desk: Desk) -> None:
    Home(desk.home).log_file.unlink()


def lost_key(desk: Desk) -> None:
    (desk.home / "keys" / "log.pem").unlink()


def another_log_key(desk: Desk) -> None:
    file = desk.home / "keys" / "coordinator.pem"
    file.unlink()
    SigningKey.generate().save(file)


def another_authority(desk: Desk) -> None:
    key, certificate = (desk.home / "keys" / f"tls-authority.{kind}" for kind in ("pem", "crt"))
    other = Authority.create("demo", now_ms())
    key.unlink()
    save_tls_key(key, other.key)
    certificate.write_bytes(other.pem)


def half_an_authority(desk: Desk) -> None:
    other = Authority.create("demo", now_ms())
    (desk.home / "keys" / "tls-authority.crt").write_bytes(other.pem)


def damaged(desk: Desk) -> None:
    path = Home(desk.home).exchange_file
    with closing(sqlite3.connect(path)) as connection:
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'blobs'"
        page = connection.execute(query).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * 64)


def another_root(desk: Desk) -> None:
    sql(Home(desk.home).log_file, "UPDATE head SET root = zeroblob(32)")


def lost_entry(desk: Desk) -> None:
    sql(Home(desk.home).log_file, 'DELETE FROM entries WHERE "index" = 0')


def not_logged(desk: Desk) -> None:
    keep(desk, [drop(2)], logged=False)
    keep(desk, [drop(3)])


def left_open(desk: Desk) -> None:
    keep(desk, [drop(2)])


def taken_port(desk: Desk) -> None:
    file = Home(desk.home).configuration_file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('listen = "127.0.0.1:0"', f'listen = "{TAKEN}"'), encoding="utf-8")


_TAKEN = socket.create_server(("127.0.0.1", 0))
TAKEN = f"127.0.0.1:{_TAKEN.getsockname()[1]}"


@pytest.mark.parametrize(
    ("damage", "check", "verdict", "said"),
    [
        (no_home, "configuration", Verdict.FAIL, "is no coordinator's home"),
        (misspelt, "configuration", Verdict.FAIL, "misspelt"),
        (readable_log, "permissions", Verdict.FAIL, "has mode 0644"),
        (lost_log, "permissions", Verdict.FAIL, "log.sqlite: No such file"),
        (lost_key, "keys", Verdict.FAIL, "log.pem cannot be read"),
        (half_an_authority, "keys", Verdict.FAIL, "do not belong"),
        (another_log_key, "own_keys", Verdict.FAIL, "names another coordinator key"),
        (another_authority, "own_keys", Verdict.FAIL, "names another TLS authority key"),
        (damaged, "databases", Verdict.FAIL, "exchange.sqlite"),
        (another_root, "head", Verdict.FAIL, "do not add up to the head"),
        (lost_entry, "head", Verdict.FAIL, "2 entries lie under a head of 3"),
        (not_logged, "journal", Verdict.FAIL, "kept documents that the log lacks"),
        (left_open, "open_runs", Verdict.WARN, "nobody serves"),
        (taken_port, "port", Verdict.FAIL, "cannot be listened on"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_a_damage_is_found_by_its_check_alone(
    desk: Desk, damage: Callable[[Desk], None], check: str, verdict: Verdict, said: str
) -> None:
    damage(desk)
    with unchanged(desk.folder):
        found = examined(desk)
    also = {"open_runs": Verdict.WARN} if damage is not_logged else {}
    assert bad(found) == {check: verdict} | also
    assert said in found[check].sentence
    assert found[check].remedy


@pytest.mark.parametrize(
    ("change", "bad_ones"),
    [
        ({"now_ms": now_ms() + 340 * DAY_MS}, {"membership": Verdict.WARN}),
        ({"now_ms": now_ms() + 400 * DAY_MS}, {"membership": Verdict.FAIL}),
        (
            {"now_ms": now_ms() + 3400 * DAY_MS},
            {"membership": Verdict.FAIL, "authority": Verdict.WARN},
        ),
        ({"least_free": 2**60}, {"disk": Verdict.FAIL}),
        ({"requirements": (["numpy>=99"], ">=3.11")}, {"libraries": Verdict.FAIL}),
    ],
    ids=["soon", "too late", "years later", "a full disk", "an older library"],
)
def test_what_time_and_the_machine_do_is_found(
    desk: Desk, change: dict[str, object], bad_ones: dict[str, Verdict]
) -> None:
    assert bad(examined(desk, **change)) == bad_ones


def test_a_federation_that_is_not_founded_is_no_failure(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.begin()
    assert bad(examined(desk)) == {"membership": Verdict.WARN}


def test_a_home_that_is_too_deep_for_its_socket_is_found(desk: Desk) -> None:
    deep = desk.folder / ("d" * 100)
    desk.home.rename(deep)
    assert bad(findings(CHECKS, Patient(deep, now_ms()))) == {"socket": Verdict.FAIL}


# beside a serving coordinator


def test_the_command_works_beside_a_serving_coordinator(desk: Desk) -> None:
    listen(desk)
    with served(desk.home):
        with unchanged(desk.folder):
            told = json.loads(done("doctor", "--home", desk.home, "--json"))
        assert told["healthy"] is True
        said = {one["check"]: one["sentence"] for one in told["checks"]}
        assert said["socket"].endswith("answers")
        assert said["port"].endswith("takes connections")
    assert "is free" in {c: f.sentence for c, f in examined(desk).items()}["port"]


def test_a_serving_coordinator_that_does_not_answer_is_found(desk: Desk) -> None:
    listen(desk)
    with served(desk.home):
        listen(desk)  # the file says another port now than the process listens on
        Home(desk.home).socket.unlink()
        found = examined(desk)
    assert bad(found) == {"socket": Verdict.FAIL, "port": Verdict.FAIL}
    assert "does not answer" in found["socket"].sentence


def listen(desk: Desk) -> None:
    file = Home(desk.home).configuration_file
    lines = file.read_text(encoding="utf-8").splitlines()
    (number,) = (n for n, line in enumerate(lines) if line.startswith("listen = "))
    lines[number] = f'listen = "127.0.0.1:{free_port()}"'
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_command_ends_with_code_1_and_says_what_to_do(desk: Desk) -> None:
    lost_key(desk)
    result = typed("doctor", "--home", desk.home)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (failed,) = (number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[failed].startswith("FAIL     keys: ")
    assert "restore the file from a backup" in lines[failed + 1]
    assert "skipped  authority: needs keys" in lines
    assert lines[-1] == "something is broken: see FAIL above"
