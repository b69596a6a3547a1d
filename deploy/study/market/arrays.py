"""The market as columns: one array per attribute of postings and of workers, plus ragged skills.

This file must not know how a value was drawn or what a pair of worker and posting is worth.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHIFTS = ("day", "night", "rotating", "flexible")
WISH_SHIFTS = ("any", "day", "night", "rotating", "flexible")
CONTRACTS = ("none", "service", "labour")
INSURANCES = ("none", "injury", "full")
MOVES = ("no", "province", "anywhere")


@dataclass(frozen=True)
class Columns:
    """Arrays of one length each; field names are the keys in the truth files.

    Row i's skills are ``concept[start[i]:start[i + 1]]``, its wordings likewise.
    """

    concept: IntArray
    wording: IntArray
    start: IntArray

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """All parts one after another, ragged skills included."""
        joined = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        sizes = np.concatenate([np.diff(part.start) for part in parts])
        return cls(**joined | {"start": np.concatenate([[0], np.cumsum(sizes)])})


@dataclass(frozen=True)
class Jobs(Columns):
    """Postings. Codes index the tuples of this file; days count from the market's reference day
    (negative: before); pay is yuan a month; ``employer`` counts within the city.
    """

    city: IntArray
    occupation: IntArray
    trade: IntArray
    employer: IntArray
    unreliable: FloatArray
    county: IntArray
    longitude: FloatArray
    latitude: FloatArray
    experience: IntArray
    pay_low: IntArray
    pay_high: IntArray
    usual_pay: FloatArray
    hours: IntArray
    shift: IntArray
    contract: IntArray
    insurance: IntArray
    openings: IntArray
    posted: IntArray
    closes: IntArray
    title: IntArray


@dataclass(frozen=True)
class Workers(Columns):
    """Workers, likewise; ``reservation`` (yuan a month), ``parent``, ``taste`` are never stated."""

    city: IntArray
    occupation: IntArray
    trade: IntArray
    male: IntArray
    born: IntArray
    age: IntArray
    county: IntArray
    longitude: FloatArray
    latitude: FloatArray
    experience: IntArray
    wish_pay: IntArray
    wish_hours: IntArray
    wish_shift: IntArray
    wish_contract: IntArray
    wish_insurance: IntArray
    max_distance: IntArray
    move: IntArray
    seeking: IntArray
    consent: IntArray
    reservation: FloatArray
    parent: IntArray
    taste: FloatArray
