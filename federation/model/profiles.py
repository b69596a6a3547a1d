"""What the match model knows of a posting and of a person, validated in construction.

A posting holds exactly the fields a capsule may carry. This file must not know tables or models.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from federation.errors import Malformed, Reason

SHIFTS: Final = ("day", "night", "rotating", "flexible")
CONTRACTS: Final = ("none", "service", "labour")  # weakest first
INSURANCES: Final = ("none", "injury", "full")  # weakest first
WISH_SHIFTS: Final = ("any", *SHIFTS)
WISH_CONTRACTS: Final = ("any", "service", "labour")
WISH_INSURANCES: Final = ("any", "injury", "full")
MOVES: Final = ("no", "province", "anywhere")

MAX_SKILLS: Final = 32  # tags a profile may carry; bounds the width of the skill matrices
MAX_TAG: Final = 64  # characters of one tag
MAX_PAY: Final = 1_000_000  # yuan a month
MAX_HOURS: Final = 168  # hours in a week
MAX_EXPERIENCE: Final = 80  # years
MAX_DISTANCE: Final = 20_100  # km, half the earth's circumference


@dataclass(frozen=True)
class JobPosting:
    """One opening as every city may see it; degrees are WGS84, pay is yuan a month.

    Raises Malformed(INVALID_DOCUMENT) naming the field whose rule is broken.
    """

    handle: str
    occupation: str
    division: str
    longitude: float
    latitude: float
    skills: tuple[str, ...]
    experience_years: int
    pay_low: int
    pay_high: int
    hours_per_week: int
    shift: str
    contract: str
    insurance: str
    posted_on: date
    title: str

    def __post_init__(self) -> None:
        _check_place(self.handle, self.occupation, self.division, self.longitude, self.latitude)
        _check_skills(self.handle, self.skills)
        _check_range(self.handle, "experience_years", self.experience_years, 0, MAX_EXPERIENCE)
        _check_range(self.handle, "pay_low", self.pay_low, 0, MAX_PAY)
        _check_range(self.handle, "pay_high", self.pay_high, self.pay_low, MAX_PAY)
        _check_range(self.handle, "hours_per_week", self.hours_per_week, 0, MAX_HOURS)
        _check_choice(self.handle, "shift", self.shift, SHIFTS)
        _check_choice(self.handle, "contract", self.contract, CONTRACTS)
        _check_choice(self.handle, "insurance", self.insurance, INSURANCES)


@dataclass(frozen=True)
class WorkerProfile:
    """One person's qualifications and wishes; never leaves the city that holds it.

    Raises Malformed(INVALID_DOCUMENT) naming the field whose rule is broken.
    """

    handle: str
    occupation: str
    division: str
    longitude: float
    latitude: float
    skills: tuple[str, ...]
    experience_years: int
    wish_pay: int
    wish_hours: int
    wish_shift: str
    wish_contract: str
    wish_insurance: str
    max_distance_km: int
    move: str

    def __post_init__(self) -> None:
        _check_place(self.handle, self.occupation, self.division, self.longitude, self.latitude)
        _check_skills(self.handle, self.skills)
        _check_range(self.handle, "experience_years", self.experience_years, 0, MAX_EXPERIENCE)
        _check_range(self.handle, "wish_pay", self.wish_pay, 0, MAX_PAY)
        _check_range(self.handle, "wish_hours", self.wish_hours, 0, MAX_HOURS)
        _check_range(self.handle, "max_distance_km", self.max_distance_km, 0, MAX_DISTANCE)
        _check_choice(self.handle, "wish_shift", self.wish_shift, WISH_SHIFTS)
        _check_choice(self.handle, "wish_contract", self.wish_contract, WISH_CONTRACTS)
        _check_choice(self.handle, "wish_insurance", self.wish_insurance, WISH_INSURANCES)
        _check_choice(self.handle, "move", self.move, MOVES)


def _check_place(handle: str, occupation: str, division: str, lon: float, lat: float) -> None:
    parts = occupation.split("-")
    if [len(part) for part in parts] != [1, 2, 2, 2] or not "".join(parts).isdecimal():
        raise _invalid(handle, "occupation", f"{occupation!r} is not a code such as 4-10-08-01")
    if len(division) != 6 or not division.isdecimal():
        raise _invalid(handle, "division", f"{division!r} is not six digits")
    _check_range(handle, "longitude", lon, -180, 180)
    _check_range(handle, "latitude", lat, -90, 90)


def _check_skills(handle: str, skills: tuple[str, ...]) -> None:
    if len(skills) > MAX_SKILLS:
        raise _invalid(handle, "skills", f"more than {MAX_SKILLS} tags")
    if any(not tag or len(tag) > MAX_TAG for tag in skills):
        raise _invalid(handle, "skills", f"a tag has 1 to {MAX_TAG} characters")


def _check_range(handle: str, field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise _invalid(handle, field, f"{value!r} is outside {low} to {high}")


def _check_choice(handle: str, field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise _invalid(handle, field, f"{value!r} is none of {', '.join(choices)}")


def _invalid(handle: str, field: str, rule: str) -> Malformed:
    return Malformed(Reason.INVALID_DOCUMENT, f"profile {handle!r}, {field}: {rule}")
