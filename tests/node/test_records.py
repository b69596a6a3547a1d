"""Each rule of a record, broken once, names its field."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from node.records import RECORDS, Record, columns, id_number_is_valid

TODAY = date(2025, 6, 1)


def row(table: str, *parts: str) -> dict[str, str]:
    return dict(zip(columns(table), ",".join(parts).split(","), strict=True))


JOB = row(
    "jobs",
    "j1,电工,6-31-01-03,e1,厂,440305,113.9,22.5,电工证;PLC,1,6000,8000,44,day,labour,full,3",
    "2025-05-01,2025-07-01,张,做电工",
)
WORKER = row(
    "workers",
    "w1,李,11010519491231002X,+86 138-0013-8000,female,1949-12-31,440305,113.9,22.5,路",
    "6-31-01-03,电工证,3,7000,40,any,any,any,20,province,yes,no,",
)
OUTCOME = row("outcomes", "o1,w1,j1,hired,2025-05-20")
ROWS = {"jobs": JOB, "workers": WORKER, "outcomes": OUTCOME}


def parse(table: str, **changes: Any) -> Record:
    return RECORDS[table].model_validate({**ROWS[table], **changes}, context={"today": TODAY})


def test_good_rows_become_typed_records() -> None:
    assert dict(parse("jobs"))["skills"] == ("电工证", "PLC")
    assert dict(parse("jobs"))["posted_on"] == date(2025, 5, 1)
    assert dict(parse("workers"))["seeking"] is True
    assert dict(parse("workers"))["consent_training"] is False
    assert dict(parse("outcomes"))["event"] == "hired"


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        pytest.param("jobs", "skills", "", id="no skills"),
        pytest.param("jobs", "skills", " a ; a ;; b ", id="untidy tags"),
        pytest.param("jobs", "skills", ";".join(f"t{i}" for i in range(50)), id="fifty tags"),
        pytest.param("jobs", "pay_low", "8000", id="one pay"),
        pytest.param("jobs", "posted_on", "2025-06-01", id="posted today"),
        pytest.param("jobs", "description", "line\nline\ttab", id="lines in a description"),
        pytest.param("workers", "id_number", "", id="no identity number"),
        pytest.param("workers", "phone", "", id="no phone"),
        pytest.param("workers", "name", "", id="no name"),
        pytest.param("workers", "max_distance_km", "0", id="no distance"),
        pytest.param("outcomes", "outcome_id", "x" * 64, id="longest id"),
    ],
)
def test_allowed_edges(table: str, field: str, value: str) -> None:
    parse(table, **{field: value})


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("jobs", "job_id", ""),
        ("jobs", "job_id", "x" * 65),
        ("jobs", "job_id", "a\0b"),
        ("jobs", "title", ""),
        ("jobs", "title", "a\nb"),
        ("jobs", "occupation", "9-99-99-99"),
        ("jobs", "division", "999999"),
        ("jobs", "longitude", "72.9"),
        ("jobs", "longitude", "nan"),
        ("jobs", "longitude", "1e2"),
        ("jobs", "latitude", "53.7"),
        ("jobs", "skills", ";".join(f"t{i}" for i in range(51))),
        ("jobs", "skills", "x" * 41),
        ("jobs", "skills", "a\x07b"),
        ("jobs", "experience_years", "61"),
        ("jobs", "pay_low", "0"),
        ("jobs", "pay_low", "1_000"),
        ("jobs", "pay_low", " 6000"),
        ("jobs", "pay_low", "6000.0"),
        ("jobs", "pay_high", "5999"),
        ("jobs", "pay_high", "1000001"),
        ("jobs", "hours_per_week", "0"),
        ("jobs", "hours_per_week", "101"),
        ("jobs", "shift", "Day"),
        ("jobs", "contract", ""),
        ("jobs", "insurance", "some"),
        ("jobs", "openings", "0"),
        ("jobs", "posted_on", "2025-06-02"),
        ("jobs", "posted_on", "1748736000"),
        ("jobs", "closes_on", "2025-04-30"),
        ("jobs", "closes_on", "2025-02-30"),
        ("jobs", "description", "a\0b"),
        ("jobs", "description", "x" * 4001),
        ("workers", "id_number", "110105194912310021"),
        ("workers", "id_number", "11010519491231002x"),
        ("workers", "phone", "call me"),
        ("workers", "gender", "f"),
        ("workers", "birth_date", "1899-12-31"),
        ("workers", "birth_date", "2025-06-01"),
        ("workers", "wish_pay", "0"),
        ("workers", "max_distance_km", "-1"),
        ("workers", "move", "maybe"),
        ("workers", "seeking", "true"),
        ("workers", "consent_training", ""),
        ("outcomes", "event", "interviewed"),
        ("outcomes", "occurred_on", "2025-06-02"),
        ("outcomes", "occurred_on", "20250520"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_broken_rule_names_its_field(table: str, field: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(table, **{field: value})
    assert [fault["loc"] for fault in caught.value.errors()] == [(field,)]


def test_unknown_and_missing_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        parse("jobs", colour="red")
    with pytest.raises(ValidationError, match="event"):
        RECORDS["outcomes"].model_validate(
            {k: v for k, v in OUTCOME.items() if k != "event"}, context={"today": TODAY}
        )


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse("jobs").job_id = "other"  # type: ignore[attr-defined]


def test_validation_without_a_date_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        RECORDS["jobs"].model_validate(JOB)


def test_published_identity_numbers_are_valid() -> None:
    """The example of GB 11643-1999's annex and its sister with another check character."""
    assert id_number_is_valid("11010519491231002X")
    assert id_number_is_valid("440524188001010014")


@given(st.integers(10**16, 10**17 - 1).map(str), st.integers(0, 16), st.integers(1, 9))
def test_the_check_digit_catches_every_changed_digit(body: str, place: int, add: int) -> None:
    number = next(body + c for c in "0123456789X" if id_number_is_valid(body + c))
    changed = str((int(number[place]) + add) % 10)
    assert not id_number_is_valid(number[:place] + changed + number[place + 1 :])
