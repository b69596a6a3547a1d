"""An office and a log that showed two histories: the alarm, the evidence, and the way back."""

import json
from pathlib import Path

import pytest
from support.federation import ORIGIN, signing_key
from support.office import Office

from federation.crypto.keys import digest
from federation.errors import Reason
from federation.log.checkpoint import Checkpoint, sign_checkpoint
from federation.log.conflict import Conflict
from node import distrust
from node.cli.common import opened
from node.lock import claimed
from node.store import runs

LOG = signing_key("log")


def note(label: str) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, 5, digest(label.encode()), 1_767_225_600_000), LOG)


CONFLICT = Conflict(note("a"), note("b"), "another history")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "home")


@pytest.fixture
def betrayed(office: Office) -> Office:
    """An office whose node was shown two heads."""
    with opened(office.home.path) as place, place.store.write() as connection:
        told = distrust.evidence_of(CONFLICT, ORIGIN, [LOG.public], 1)
        distrust.keep(connection, told)
        distrust.keep(connection, told)
        distrust.stop(connection, told.sentence)
        runs.raise_alarm(connection, runs.Alarm(1, b"", b"", 0, told.sentence))
    return office


def test_the_alarm_names_both_heads(betrayed: Office) -> None:
    told = betrayed.told("alarms")
    assert told.startswith("THE LOG IS NOT BELIEVED")
    for label in ("a", "b"):
        root = digest(label.encode()).hex()[:16]
        assert f"5 entries under {root} of 2026-01-01T00:00:00+00:00" in told


def test_the_status_tells_alarms_to_scripts_too(betrayed: Office) -> None:
    (alarm,) = json.loads(betrayed.told("status", "--json"))["alarms"]
    assert alarm["sentence"] == CONFLICT.sentence
    assert (alarm["charter_digest"], alarm["attempt"]) == ("", "")


def test_both_signed_notes_are_written_out(betrayed: Office, tmp_path: Path) -> None:
    file = tmp_path / "heads.json"
    betrayed.told("alarms", "--evidence", str(file))
    (told,) = json.loads(file.read_text())
    assert (told["kept"].encode(), told["shown"].encode()) == (note("a"), note("b"))
    assert told["log_keys"] == [LOG.public.raw.hex()]


def test_there_is_no_evidence_where_there_is_no_conflict(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "heads.json"
    assert f"[{Reason.NOT_FOUND}]" in office.refused("alarms", "--evidence", str(file))
    assert not file.exists()


def test_a_person_has_the_log_believed_again_and_is_remembered(betrayed: Office) -> None:
    betrayed.told("believe", "--person", "张三")
    told = betrayed.told("alarms")
    assert "THE LOG IS NOT BELIEVED" not in told
    assert "张三 had the log believed again, which was not because: another history" in told
    with opened(betrayed.home.path) as place, place.store.read() as connection:
        assert distrust.verdict(connection) is None
        assert len(distrust.every(connection)) == 1
    assert f"[{Reason.NOT_FOUND}]" in betrayed.refused("believe", "--person", "张三")


def test_a_node_that_serves_is_not_changed_under_its_feet(betrayed: Office) -> None:
    with claimed(betrayed.home.lock):
        assert f"[{Reason.IN_USE}]" in betrayed.refused("believe", "--person", "张三")
    with opened(betrayed.home.path) as place, place.store.read() as connection:
        assert distrust.verdict(connection) is not None


def test_evidence_does_not_grow_without_bound(office: Office) -> None:
    with opened(office.home.path) as place, place.store.write() as connection:
        for number in range(2 * distrust.MOST_KEPT):
            conflict = Conflict(note("a"), note(f"b{number}"), "another history")
            told = distrust.evidence_of(conflict, ORIGIN, [LOG.public], number)
            distrust.keep(connection, told)
        kept = distrust.every(connection)
    assert [told.at_ms for told in kept] == list(range(distrust.MOST_KEPT))
