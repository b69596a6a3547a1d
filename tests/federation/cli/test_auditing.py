"""``labor-federation audit``: code 0 when everything holds, 1 and the problems when not."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.administration import done, typed
from support.federation import Federation
from support.runs import Run

from federation.errors import Reason
from federation.home import Home
from federation.rounds.aggregate import sum_to_bytes
from federation.rounds.store import Summed, open_run_store
from federation.vectors import SUFFIX

FIRST_ROUND = 3  # entry of the round's record


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


@pytest.fixture
def home(federation: Federation, tmp_path: Path) -> Home:
    """A home whose log and run store hold one completed round and the end of its run."""
    run = Run(federation, federation.publish_charter())
    record = run.complete_round(run.publish_roster())
    federation.publish(federation.by_coordinator(run.closure("stopped")))
    made = Home(tmp_path / "home")
    made.path.mkdir()
    federation.log.close()
    shutil.copy(federation.path, made.log_file)
    received = {f"{n}": body for n, body in enumerate(run.kept.contributions.values())}
    bits = run.charter.document.privacy.modulus_bits
    summed = Summed(received, sum_to_bytes(run.totals[record.digest], bits))
    with closing(open_run_store(made.runs_file)) as store:
        store.keep(run.charter.digest, record.envelope, summed)
    return made


def alter(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


def alter_vectors(home: Home, change: Callable[[bytes], bytes]) -> None:
    """Change the file in which contributions' vectors lie, the first city's in front."""
    vectors = home.runs_file.with_name(home.runs_file.name + SUFFIX)
    vectors.write_bytes(change(vectors.read_bytes()))


def test_everything_holds(home: Home) -> None:
    told = done("audit", "--home", home.path)
    for fact in (
        "entries: 5",
        "laborfed/round-record/v1: 1",
        "sums recomputed from contributions: 1",
        "everything holds",
    ):
        assert fact in told


def test_an_audit_needs_no_private_key(home: Home) -> None:
    assert not (home.path / "keys").exists()
    done("audit", "--home", home.path)


Tamper = Callable[[Home], None]
TAMPERED: dict[str, tuple[Tamper, str]] = {
    "a contribution is gone": (
        lambda home: alter(home.runs_file, "DELETE FROM contributions WHERE city = '0'"),
        f"PROBLEM entry {FIRST_ROUND}: the contribution of 310000 is not kept [exchange.not_found]",
    ),
    "a contribution was altered": (
        lambda home: alter(
            home.runs_file,
            "UPDATE contributions SET envelope = (SELECT envelope FROM contributions"
            " WHERE city = '1') WHERE city = '0'",
        ),
        f"PROBLEM entry {FIRST_ROUND}: ",
    ),
    "a vector was altered": (
        lambda home: alter_vectors(home, lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
        f"PROBLEM entry {FIRST_ROUND}: contribution: the vector is not the one that it names"
        " [round.wrong_binding]",
    ),
    "vectors are gone": (
        lambda home: alter_vectors(home, lambda raw: b""),
        f"PROBLEM entry {FIRST_ROUND}: contribution: the vector is not the one that it names"
        " [round.wrong_binding]",
    ),
    "an entry was altered": (
        lambda home: alter(
            home.log_file, "UPDATE entries SET envelope = x'00' WHERE \"index\" = 4"
        ),
        "PROBLEM entry 4: ",
    ),
    "a subtree was altered": (
        lambda home: alter(home.log_file, "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1"),
        "PROBLEM log: the log is damaged",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_does_not_hold_is_told_and_ends_with_code_1(home: Home, name: str) -> None:
    tamper, expected = TAMPERED[name]
    tamper(home)
    result = typed("audit", "--home", home.path)
    assert result.exit_code == 1
    assert expected in result.stdout
    assert "1 problem(s)" in result.stdout
    assert "everything holds" not in result.stdout


def test_a_checkpoint_a_city_kept(home: Home, federation: Federation, tmp_path: Path) -> None:
    folder = tmp_path / "fork"
    folder.mkdir()
    other = Federation(folder)
    other.publish_charter(purpose="Something else")
    note = tmp_path / "checkpoint"
    note.write_bytes(other.publisher.checkpoint(0).checkpoint)
    result = typed("audit", "--home", home.path, "--checkpoint", note)
    assert result.exit_code == 1
    assert f"[{Reason.INCONSISTENT}]" in result.stdout
    note.write_bytes(federation.open_publisher().checkpoint(0).checkpoint)
    done("audit", "--home", home.path, "--checkpoint", note)


def test_a_founding_that_was_pinned(home: Home, federation: Federation) -> None:
    pinned = federation.pin.membership_digest
    done("audit", "--home", home.path, "--membership-digest", pinned.hex())
    for given, reason in ((bytes(32).hex(), Reason.WRONG_PREVIOUS), ("zz", Reason.CONFIGURATION)):
        result = typed("audit", "--home", home.path, "--membership-digest", given)
        assert result.exit_code == 1
        assert f"[{reason}]" in result.stderr


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE entries SET envelope = x'0a' WHERE \"index\" = 0", Reason.NOT_DECODABLE),
        ("DELETE FROM head", Reason.LOG_CORRUPT),
        ("DROP TABLE entries", Reason.STORAGE),
    ],
)
def test_what_cannot_be_audited_is_an_error(home: Home, statement: str, reason: Reason) -> None:
    alter(home.log_file, statement)
    result = typed("audit", "--home", home.path)
    assert result.exit_code == 1
    assert f"[{reason}]" in result.stderr
    assert isinstance(result.exception, SystemExit)
