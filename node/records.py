"""The city's records: jobs, workers and outcomes, the grade of every field and the rule of each.

Field order is the column order of the import format. This file must not know databases or files.
"""

import re
import unicodedata
from datetime import date
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from federation.codes import divisions, occupations


class Grade(IntEnum):
    """Protection grade of a field (GB/T 43697-2024, PIPL art. 28). Lower travels further."""

    PUBLIC = 1
    INTERNAL = 2
    PERSONAL = 3
    SENSITIVE = 4


# Bounding box of the People's Republic of China, degrees WGS 84.
LONGITUDES = (73.0, 135.1)
LATITUDES = (3.0, 53.6)
MOST_PAY = 1_000_000  # yuan a month
MOST_HOURS = 100  # per week
MOST_YEARS = 60  # of experience
MOST_DISTANCE = 6_000  # kilometres, longer than the country is wide
MOST_SKILLS = 50
MOST_SKILL_CHARS = 40
MOST_OPENINGS = 100_000
EARLIEST_BIRTH = date(1900, 1, 1)
EARLIEST_RECORD = date(1990, 1, 1)
LINE_BREAKS = frozenset("\n\r\t")

_WHOLE = re.compile(r"-?[0-9]{1,9}")
_DECIMAL = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,18})?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]")
# GB 11643-1999, annex: weights 2^(17-i) mod 11 and the check character of each remainder.
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"


def id_number_is_valid(number: str) -> bool:
    """GB 11643-1999: 17 digits, then the check character of their weighted sum modulo 11."""
    if not _ID_NUMBER.fullmatch(number):
        return False
    weighted = sum(w * int(digit) for w, digit in zip(_ID_WEIGHTS, number[:17], strict=True))
    return _ID_CHECK[weighted % 11] == number[17]


def _rule(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _spelled(pattern: re.Pattern[str], sentence: str) -> BeforeValidator:
    """Text must look exactly so (pydantic alone takes ``1_000``, ``nan`` and Unix times)."""

    def check(value: object) -> object:
        _rule(not isinstance(value, str) or bool(pattern.fullmatch(value)), sentence)
        return value

    return BeforeValidator(check)


def _printable(value: str) -> str:
    if not value.isprintable():
        bad = any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)
        _rule(not bad, "holds a control character")
    return value


def _printable_lines(value: str) -> str:
    _printable("".join(c for c in value if c not in LINE_BREAKS))
    return value


def _split_tags(value: object) -> object:
    if isinstance(value, str):
        return tuple(dict.fromkeys(tag.strip() for tag in value.split(";") if tag.strip()))
    return value


def _tags(value: tuple[str, ...]) -> tuple[str, ...]:
    _rule(len(value) <= MOST_SKILLS, f"holds more than {MOST_SKILLS} tags")
    for tag in value:
        _rule(
            0 < len(tag) <= MOST_SKILL_CHARS,
            f"holds a tag longer than {MOST_SKILL_CHARS} characters",
        )
        _rule(";" not in tag, "holds a tag with a semicolon")
        _printable(tag)
    return value


def _yes_no(value: object) -> object:
    _rule(isinstance(value, bool) or value in ("yes", "no"), "must be yes or no")
    return value is True or value == "yes"


def _division(value: str) -> str:
    _rule(value in divisions.load(), "is not a GB/T 2260 division code")
    return value


def _occupation(value: str) -> str:
    _rule(value in occupations.load(), "is not a known occupation code")
    return value


def _id_number(value: str) -> str:
    _rule(value == "" or id_number_is_valid(value), "breaks the check digit rule of GB 11643")
    return value


Whole = Annotated[int, _spelled(_WHOLE, "must be a whole number")]
Degrees = Annotated[float, _spelled(_DECIMAL, "must be decimal degrees")]
Day = Annotated[date, _spelled(_ISO_DATE, "must be a date written YYYY-MM-DD")]
Text = Annotated[str, AfterValidator(_printable)]
Identifier = Annotated[Text, Field(min_length=1, max_length=64)]
Name = Annotated[Text, Field(max_length=200)]
Lines = Annotated[str, Field(max_length=4000), AfterValidator(_printable_lines)]
Division = Annotated[str, AfterValidator(_division)]
Occupation = Annotated[str, AfterValidator(_occupation)]
IdNumber = Annotated[str, AfterValidator(_id_number)]
Phone = Annotated[str, Field(pattern=r"^(\+?[0-9][0-9 \-]{4,24})?$")]
Tags = Annotated[tuple[str, ...], BeforeValidator(_split_tags), AfterValidator(_tags)]
YesNo = Annotated[bool, BeforeValidator(_yes_no)]
Longitude = Annotated[Degrees, Field(ge=LONGITUDES[0], le=LONGITUDES[1])]
Latitude = Annotated[Degrees, Field(ge=LATITUDES[0], le=LATITUDES[1])]
Years = Annotated[Whole, Field(ge=0, le=MOST_YEARS)]
Pay = Annotated[Whole, Field(ge=1, le=MOST_PAY)]
Hours = Annotated[Whole, Field(ge=1, le=MOST_HOURS)]
Openings = Annotated[Whole, Field(ge=1, le=MOST_OPENINGS)]
Kilometres = Annotated[Whole, Field(ge=0, le=MOST_DISTANCE)]


def _today(info: ValidationInfo) -> date:
    context: dict[str, date] | None = info.context
    if context is None:
        raise TypeError('validation needs context={"today": date}')
    return context["today"]


class Record(BaseModel):
    """One row. Validate with ``context={"today": date}``; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Job(Record):
    """One posting."""

    job_id: Annotated[Identifier, Grade.INTERNAL]
    title: Annotated[Name, Field(min_length=1), Grade.PUBLIC]
    occupation: Annotated[Occupation, Grade.PUBLIC]
    employer_id: Annotated[Identifier, Grade.INTERNAL]
    employer_name: Annotated[Name, Grade.INTERNAL]
    division: Annotated[Division, Grade.PUBLIC]
    longitude: Annotated[Longitude, Grade.PUBLIC]
    latitude: Annotated[Latitude, Grade.PUBLIC]
    skills: Annotated[Tags, Grade.PUBLIC]
    experience_years: Annotated[Years, Grade.PUBLIC]
    pay_low: Annotated[Pay, Grade.PUBLIC]
    pay_high: Annotated[Pay, Grade.PUBLIC]
    hours_per_week: Annotated[Hours, Grade.PUBLIC]
    shift: Annotated[Literal["day", "night", "rotating", "flexible"], Grade.PUBLIC]
    contract: Annotated[Literal["none", "service", "labour"], Grade.PUBLIC]
    insurance: Annotated[Literal["none", "injury", "full"], Grade.PUBLIC]
    openings: Annotated[Openings, Grade.PUBLIC]
    posted_on: Annotated[Day, Field(ge=EARLIEST_RECORD), Grade.PUBLIC]
    closes_on: Annotated[Day, Grade.PUBLIC]
    contact: Annotated[Name, Grade.PERSONAL]
    description: Annotated[Lines, Grade.INTERNAL]

    @field_validator("pay_high")
    @classmethod
    def _pay_in_order(cls, value: int, info: ValidationInfo) -> int:
        _rule(info.data.get("pay_low", value) <= value, "is below pay_low")
        return value

    @field_validator("posted_on")
    @classmethod
    def _posted_already(cls, value: date, info: ValidationInfo) -> date:
        _rule(value <= _today(info), "lies in the future")
        return value

    @field_validator("closes_on")
    @classmethod
    def _closes_after_posting(cls, value: date, info: ValidationInfo) -> date:
        _rule(info.data.get("posted_on", value) <= value, "is before posted_on")
        return value


class Worker(Record):
    """One person, with wishes and consents."""

    worker_id: Annotated[Identifier, Grade.INTERNAL]
    name: Annotated[Name, Grade.PERSONAL]
    id_number: Annotated[IdNumber, Grade.SENSITIVE]
    phone: Annotated[Phone, Grade.PERSONAL]
    gender: Annotated[Literal["male", "female"], Grade.PERSONAL]
    birth_date: Annotated[Day, Field(ge=EARLIEST_BIRTH), Grade.PERSONAL]
    division: Annotated[Division, Grade.PERSONAL]
    longitude: Annotated[Longitude, Grade.PERSONAL]
    latitude: Annotated[Latitude, Grade.PERSONAL]
    address: Annotated[Name, Grade.PERSONAL]
    occupation: Annotated[Occupation, Grade.PERSONAL]
    skills: Annotated[Tags, Grade.PERSONAL]
    experience_years: Annotated[Years, Grade.PERSONAL]
    wish_pay: Annotated[Pay, Grade.PERSONAL]
    wish_hours: Annotated[Hours, Grade.PERSONAL]
    wish_shift: Annotated[Literal["any", "day", "night", "rotating", "flexible"], Grade.PERSONAL]
    wish_contract: Annotated[Literal["any", "service", "labour"], Grade.PERSONAL]
    wish_insurance: Annotated[Literal["any", "injury", "full"], Grade.PERSONAL]
    max_distance_km: Annotated[Kilometres, Grade.PERSONAL]
    move: Annotated[Literal["no", "province", "anywhere"], Grade.PERSONAL]
    seeking: Annotated[YesNo, Grade.PERSONAL]
    consent_training: Annotated[YesNo, Grade.PERSONAL]
    note: Annotated[Lines, Grade.PERSONAL]

    @field_validator("birth_date")
    @classmethod
    def _born_already(cls, value: date, info: ValidationInfo) -> date:
        _rule(value < _today(info), "is not before today")
        return value


class Outcome(Record):
    """What became of one of the city's workers at one of the city's jobs."""

    outcome_id: Annotated[Identifier, Grade.INTERNAL]
    worker_id: Annotated[Identifier, Grade.INTERNAL]
    job_id: Annotated[Identifier, Grade.INTERNAL]
    event: Annotated[
        Literal["applied", "rejected", "hired", "completed", "quit", "arrears"], Grade.PERSONAL
    ]
    occurred_on: Annotated[Day, Field(ge=EARLIEST_RECORD), Grade.PERSONAL]

    @field_validator("occurred_on")
    @classmethod
    def _occurred_already(cls, value: date, info: ValidationInfo) -> date:
        _rule(value <= _today(info), "lies in the future")
        return value


# In the order in which references between them can be resolved.
RECORDS: dict[str, type[Record]] = {"jobs": Job, "workers": Worker, "outcomes": Outcome}
KEYS = {"jobs": "job_id", "workers": "worker_id", "outcomes": "outcome_id"}


def columns(table: str) -> tuple[str, ...]:
    """Column names of one import file, in order. Raises KeyError for an unknown table."""
    return tuple(RECORDS[table].model_fields)


def grade_of(table: str, column: str) -> Grade:
    """The grade a field is declared with. Raises KeyError when there is no such field."""
    metadata = RECORDS[table].model_fields[column].metadata
    return next(item for item in metadata if isinstance(item, Grade))
