"""A score taken apart into the parts it is the sum of, each with the facts a sentence needs.

Knows scoring and facts of one pair; wording lives in sentences.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.encoding import JobTable, WorkerTable
from federation.model.features import FEATURES, PARTS, SECTOR_COLUMNS
from federation.model.pairs import PairColumns, distance_km, match_skills, unwanted_shift, willing
from federation.model.parameters import Blocks, split, to_float
from federation.model.profiles import (
    CONTRACTS,
    INSURANCES,
    SHIFTS,
    WISH_CONTRACTS,
    WISH_INSURANCES,
    WISH_SHIFTS,
)
from federation.model.scoring import lone_columns, occupation_terms, sector_weights, skill_terms

Fact = int | float | str
#: Levels of the occupation code two profiles share, none to all four.
KINSHIP: Final = ("other", "major", "sector", "minor", "unit")


@dataclass(frozen=True)
class Part:
    """One summand of a score: stable name, value in logits, which case applies and its facts."""

    name: str
    value: float
    case: str
    facts: Mapping[str, Fact]


def explain(parameters: NDArray[np.int64], worker: WorkerTable, job: JobTable) -> tuple[Part, ...]:
    """Return the parts of one pair's score (tables of one row), summing to it within 1e-6.

    Raises Malformed(OUT_OF_BOUND) when the parameters are not this model's.
    """
    values = part_values(split(to_float(parameters)), lone_columns(worker, job))
    told = _facts(worker, job)
    return tuple(Part(name, float(values[name][0]), *told[name]) for name in PARTS)


def part_values(blocks: Blocks, columns: PairColumns) -> dict[str, NDArray[np.float64]]:
    """Return part → its share of each pair's score, float64[P]."""
    contributions = columns.features * blocks.pair
    weights = sector_weights(blocks)[columns.sector]
    contributions[:, SECTOR_COLUMNS] += columns.features[:, SECTOR_COLUMNS] * weights
    values = {
        part: contributions[:, [feature.part == part for feature in FEATURES]].sum(axis=1)
        for part in PARTS
    }
    values["occupation"] += occupation_terms(blocks, columns)
    values["skills"] += skill_terms(blocks, columns)
    return values


def _facts(worker: WorkerTable, job: JobTable) -> dict[str, tuple[str, dict[str, Fact]]]:
    return {
        "base": ("any", {}),
        "skills": _skills(worker, job),
        "occupation": _occupation(worker, job),
        "experience": _experience(worker, job),
        "pay": _pay(worker, job),
        "hours": _hours(worker, job),
        "shift": _shift(worker, job),
        "contract": _contract(worker, job),
        "insurance": _insurance(worker, job),
        "distance": _distance(worker, job),
        "recency": ("any", {"days": job.today - int(job.posted[0])}),
    }


def _skills(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    match = match_skills(worker.skills, job.skills)
    facts: dict[str, Fact] = {"matched": int(match.covered[0]), "required": int(match.required[0])}
    return ("asked" if facts["required"] else "free"), facts


def _occupation(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    shared = int(np.cumprod(worker.occupation.levels[0] == job.occupation.levels[0]).sum())
    return KINSHIP[shared], {"shared": shared}


def _experience(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    years, asked = int(worker.experience[0]), int(job.experience[0])
    return ("enough" if years >= asked else "short"), {"years": years, "asked": asked}


def _pay(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    low, high, wish = int(job.pay_low[0]), int(job.pay_high[0]), int(worker.pay[0])
    case = "below" if high < wish else "above" if low >= wish else "within"
    return case, {"low": low, "high": high, "wish": wish}


def _hours(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    hours, wish = int(job.hours[0]), int(worker.hours[0])
    return ("over" if hours > wish else "within"), {"hours": hours, "wish": wish}


def _shift(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    unwanted = bool(unwanted_shift(worker.shift, job.shift)[0])
    facts: dict[str, Fact] = {
        "shift": SHIFTS[job.shift[0]],
        "wish": WISH_SHIFTS[worker.shift[0]],
    }
    return ("unwanted" if unwanted else "suits"), facts


def _contract(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    facts: dict[str, Fact] = {
        "contract": CONTRACTS[job.contract[0]],
        "wish": WISH_CONTRACTS[worker.contract[0]],
    }
    return ("short" if worker.contract[0] > job.contract[0] else "suits"), facts


def _insurance(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    facts: dict[str, Fact] = {
        "insurance": INSURANCES[job.insurance[0]],
        "wish": WISH_INSURANCES[worker.insurance[0]],
    }
    return ("short" if worker.insurance[0] > job.insurance[0] else "suits"), facts


def _distance(worker: WorkerTable, job: JobTable) -> tuple[str, dict[str, Fact]]:
    km, reach = float(distance_km(worker.place, job.place)[0]), int(worker.distance[0])
    beyond = "willing" if bool(willing(worker, job)[0]) else "unwilling"
    return ("near" if km <= reach else beyond), {"km": round(km, 1), "reach": reach}
