"""Submitting charters and later memberships: what is logged, and what is refused unchanged."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.administration import Desk, done
from support.documents import CHARTER, STATISTICS_CHARTER, TRAINING, city

from federation.coordinator import reading
from federation.crypto.envelope import Envelope
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.membership import Membership
from federation.documents.types import Document
from federation.errors import Reason
from federation.home import Home
from federation.wire.codec import encode_document, encode_envelope

DAY_MS = 86_400_000
FIRST_PARAMETERS = bytes(48)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    founded = Desk(tmp_path)
    founded.found()
    return founded


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def write(desk: Desk, document: Document) -> Path:
    file = desk.folder / "document.envelope"
    file.write_bytes(encode_envelope(Envelope(*encode_document(document))))
    return file


def statistics(**changes: Any) -> Charter:
    fresh = {
        "federation": "demo",
        "not_before_ms": now_ms() - 1,
        "not_after_ms": now_ms() + DAY_MS,
    }
    return replace(STATISTICS_CHARTER, **{**fresh, **changes})


def training() -> Charter:
    terms = replace(TRAINING, initial_parameters_digest=digest(FIRST_PARAMETERS))
    window: dict[str, Any] = {
        "not_before_ms": now_ms() - 1,
        "not_after_ms": now_ms() + DAY_MS,
    }
    return replace(CHARTER, federation="demo", training=terms, **window)


def submit(desk: Desk, file: Path, *more: object) -> tuple[object, ...]:
    return ("submit", file, "--home", desk.home, *more)


def test_a_charter_by_two_of_three_is_logged_and_shown(desk: Desk) -> None:
    file = write(desk, statistics())
    desk.sign(file, "li", "wang")
    assert "entry 1, laborfed/charter/v1" in desk.submit(file)
    listed = done("log", "show", "--home", desk.home)
    assert "2 entries" in listed
    assert "charter/v1" in listed
    shown = done("log", "show", 1, "--home", desk.home)
    for fact in ("purpose: Count openings", "signatures: 2", "min_roster: 3"):
        assert fact in shown
    assert "laborfed/charter/v1: 1" in done("audit", "--home", desk.home)


REFUSED: list[tuple[str, Callable[[], Charter], tuple[str, ...], Reason]] = [
    ("by one", statistics, ("li",), Reason.TOO_FEW_SIGNERS),
    ("by nobody", statistics, (), Reason.TOO_FEW_SIGNERS),
    (
        "of another federation",
        lambda: statistics(federation="pearl"),
        ("li", "wang"),
        Reason.WRONG_FEDERATION,
    ),
    (
        "whose window is over",
        lambda: statistics(not_before_ms=1, not_after_ms=now_ms() - 1),
        ("li", "wang"),
        Reason.EXPIRED,
    ),
    ("without its parameters", training, ("li", "wang"), Reason.NOT_FOUND),
]


@pytest.mark.parametrize(("_", "make", "signers", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_charter_is_refused(
    desk: Desk, _: str, make: Callable[[], Charter], signers: tuple[str, ...], reason: Reason
) -> None:
    file = write(desk, make())
    desk.sign(file, *signers)
    desk.refused(reason, *submit(desk, file))


def test_a_stranger_among_enough_spoils_a_charter(desk: Desk) -> None:
    desk.make_key("zhao", "赵强")
    file = write(desk, statistics())
    desk.sign(file, "chen", "li", "zhao")
    desk.refused(Reason.UNKNOWN_SIGNER, *submit(desk, file))


def test_a_charters_parameters_are_found_beside_it(desk: Desk) -> None:
    file = write(desk, training())
    desk.sign(file, "li", "wang")
    name = f"{digest(FIRST_PARAMETERS).hex()}.parameters"
    (desk.folder / name).write_bytes(FIRST_PARAMETERS)
    assert "entry 1" in desk.submit(file)


def test_bytes_that_a_charter_does_not_name_are_refused(desk: Desk) -> None:
    file, other = write(desk, training()), desk.folder / "other"
    desk.sign(file, "li", "wang")
    other.write_bytes(bytes(56))
    desk.refused(Reason.POLICY, *submit(desk, file, "--blob", other))


def test_a_file_that_cannot_be_read_is_told(desk: Desk) -> None:
    said = desk.refused(Reason.CONFIGURATION, *submit(desk, desk.folder / "absent"))
    assert "absent cannot be read" in said


def test_a_file_larger_than_any_of_ours_is_not_read(desk: Desk) -> None:
    large = desk.folder / "large"
    with large.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    assert "larger" in desk.refused(Reason.CONFIGURATION, *submit(desk, large))


# --- memberships ------------------------------------------------------------------------------


def following(desk: Desk, **changes: Any) -> Membership:
    with reading(Home(desk.home)) as log:
        current, current_digest = log.trust.current, log.trust.current_digest
    after = {"version": 2, "previous_digest": current_digest, "cities": (city("310000"),)}
    return replace(current, **{**after, **changes})


def test_the_next_membership_is_logged(desk: Desk) -> None:
    file = write(desk, following(desk))
    desk.sign(file, "chen", "wang")
    assert "entry 1" in desk.submit(file)
    shown = done("membership", "show", "--home", desk.home)
    assert "version: 2" in shown
    assert "fingerprint: " in shown


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"previous_digest": bytes(32)}, Reason.WRONG_PREVIOUS),
        ({"version": 3}, Reason.WRONG_PREVIOUS),
        ({"version": 1, "previous_digest": b""}, Reason.ROLLED_BACK),
        ({"federation": "pearl"}, Reason.WRONG_FEDERATION),
        ({"issued_ms": 1, "expires_ms": 2}, Reason.EXPIRED),
        ({"log_key": bytes(32)}, Reason.CONFIGURATION),
        ({"threshold": 3}, Reason.TOO_FEW_SIGNERS),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_membership_is_refused(desk: Desk, changes: dict[str, Any], reason: Reason) -> None:
    file = write(desk, following(desk, **changes))
    desk.sign(file, "chen", "wang")
    desk.refused(reason, *submit(desk, file))


def test_one_administrator_cannot_change_the_membership(desk: Desk) -> None:
    file = write(desk, following(desk, threshold=1))
    desk.sign(file, "chen")
    desk.refused(Reason.TOO_FEW_SIGNERS, *submit(desk, file))
