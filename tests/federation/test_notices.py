"""A city's policy notices: its own word, in growing versions, told to whoever drafts charters."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.documents import POLICY_NOTICE
from support.federation import DIVISIONS, Federation

from federation.documents.notices import KindNotice, PolicyNotice
from federation.errors import LaborfedError, Malformed, Reason

FIRST, SECOND = DIVISIONS[:2]


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def notice(federation: Federation, version: int, city: str = FIRST, **changes: Any) -> bytes:
    made = replace(POLICY_NOTICE, city=city, version=version, issued_ms=federation.clock.now_ms)
    return federation.by_city(replace(made, **changes), city)


def refused(federation: Federation, raw: bytes) -> Reason:
    size = federation.publisher.size
    with pytest.raises(LaborfedError) as raised:
        federation.publisher.publish(raw)
    assert federation.publisher.size == size
    return raised.value.reason


def test_the_last_notice_of_each_city_is_told(federation: Federation) -> None:
    for raw in (notice(federation, 1), notice(federation, 7, SECOND), notice(federation, 3)):
        federation.publish(raw)
    for publisher in (federation.publisher, federation.open_publisher()):
        told = {city: one.document.version for city, one in publisher.notices.items()}
        assert told == {FIRST: 3, SECOND: 7}


def test_a_notice_that_is_no_newer_is_refused_after_a_restart_too(federation: Federation) -> None:
    federation.publish(notice(federation, 2))
    federation.publisher = federation.open_publisher()
    for version in (1, 2):
        raw = notice(federation, version, epsilon=1.0)
        assert refused(federation, raw) is Reason.ROLLED_BACK
    federation.publish(notice(federation, 1, SECOND))


def test_a_reader_takes_no_older_notice_from_the_log(federation: Federation) -> None:
    reader = federation.reader()
    federation.publish(notice(federation, 2))
    reader.catch_up()
    federation.log_unchecked(notice(federation, 1))
    with pytest.raises(LaborfedError) as raised:
        reader.catch_up()
    assert raised.value.reason is Reason.ROLLED_BACK


def test_a_city_speaks_for_itself_alone(federation: Federation) -> None:
    made = replace(POLICY_NOTICE, city=SECOND, issued_ms=federation.clock.now_ms)
    assert refused(federation, federation.by_city(made, FIRST)) is Reason.UNKNOWN_SIGNER
    assert refused(federation, federation.by_coordinator(made)) is Reason.UNKNOWN_SIGNER
    elsewhere = replace(made, city=FIRST, federation="other")
    assert refused(federation, federation.by_city(elsewhere, FIRST)) is Reason.WRONG_FEDERATION


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"epsilon": 0.0},
        {"epsilon": float("nan")},
        {"delta": 0.5},
        {"kinds": POLICY_NOTICE.kinds[::-1]},
        {"kinds": POLICY_NOTICE.kinds[:1] * 2},
        {"city": "31"},
        {"issued_ms": 0},
    ],
    ids=str,
)
def test_a_notice_that_breaks_a_rule_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as raised:
        replace(POLICY_NOTICE, **changes)
    assert raised.value.reason is Reason.INVALID_DOCUMENT


@pytest.mark.parametrize(
    "changes",
    [{"kind": "census"}, {"mode": "perhaps"}, {"max_epsilon": -1.0}, {"min_roster": 2}],
    ids=str,
)
def test_an_entry_that_breaks_a_rule_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(KindNotice(kind="training", mode="ask", max_epsilon=1.0, min_roster=3), **changes)


def test_every_field_is_policy_and_none_is_of_a_record() -> None:
    """A new field must be put here on purpose."""
    assert set(PolicyNotice.__slots__) == {
        *("federation", "city", "version", "issued_ms"),
        *("epsilon", "delta", "kinds"),
    }
    assert set(KindNotice.__slots__) == {"kind", "mode", "max_epsilon", "min_roster"}
