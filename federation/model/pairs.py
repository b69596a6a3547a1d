"""What a worker and a job have to do with each other, as columns of numbers.

Computes from the two tables alone: never from other workers, other jobs or the parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.encoding import (
    Floats,
    Integers,
    JobTable,
    Occupation,
    Place,
    SkillColumns,
    WorkerTable,
)
from federation.model.features import FEATURES, NAMES
from federation.model.profiles import CONTRACTS, INSURANCES, MOVES, SHIFTS, WISH_SHIFTS

EARTH_RADIUS: Final = 6371.0088  # km, mean radius (IUGG)
USUAL_PAY: Final = 6000.0  # yuan a month; centre of the pay level, a public constant
USUAL_HOURS: Final = 48.0  # a week; centre of the hours level, a public constant
CLOSE_FROM: Final = 0.3  # cosine below which two tags say nothing of each other

WorkerRows = Integers  # (P,), or (1,) against many jobs
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class PairColumns:
    """P pairs as the score reads them."""

    worker: WorkerRows  # (P,) rows of the worker columns below, or (1,) for one against all
    features: Floats  # (P, len(FEATURES))
    sector: Integers  # (P,), of the job
    worker_occupation: Floats  # (W, WIDTH)
    worker_skills: Floats  # (W, WIDTH), direction of all the worker's tags
    job_occupation: Floats  # (P, WIDTH)
    uncovered: Floats  # (P, WIDTH), sum of the required tags the worker lacks / tags required


@dataclass(frozen=True)
class SkillMatch:
    """How a worker's tags meet the required ones, per pair."""

    required: Floats
    covered: Floats  # required tags the worker has
    close: Floats  # mean over required tags of the nearest tag's cosine, above CLOSE_FROM
    uncovered: Floats  # (P, WIDTH)


def pair_columns(
    workers: WorkerTable, w: WorkerRows, jobs: JobTable, j: Integers, today: Integers | int
) -> PairColumns:
    """Return the columns of pairs (w[p], j[p]); w of length 1 means one worker against all of j.

    ``today`` is the day number at which recency is read, one for all pairs or one each.
    """
    people, openings = workers.take(w), jobs.take(j)
    skills = match_skills(people.skills, openings.skills)
    columns = {
        "base": np.ones(len(openings)),
        **_skill_features(skills),
        **_occupation_features(people.occupation, openings.occupation),
        **_experience_features(people, openings),
        **_pay_features(people, openings),
        **_hours_features(people, openings),
        **_shift_features(people, openings),
        **_contract_features(people, openings),
        **_distance_features(people, openings),
        "recency": np.clip(1 - (today - openings.posted) / 30, 0, 1),
    }
    features = np.empty((len(openings), len(FEATURES)))
    for column, name in enumerate(NAMES):
        features[:, column] = columns[name]
    return PairColumns(
        worker=w,
        features=features,
        sector=openings.occupation.sector,
        worker_occupation=workers.occupation.vector,
        worker_skills=skill_direction(workers.skills),
        job_occupation=openings.occupation.vector,
        uncovered=skills.uncovered,
    )


def skill_direction(skills: SkillColumns) -> Floats:
    """Return the unit vector of each row's summed tags, zero for a row without any."""
    lengths = np.linalg.norm(skills.sums, axis=1, keepdims=True)
    return skills.sums / np.where(lengths > 0, lengths, 1)


def match_skills(held: SkillColumns, asked: SkillColumns) -> SkillMatch:
    """Compare each row of ``held`` (or its single row) with each row of ``asked``."""
    held_ids = held.identities[held.rows]
    asked_ids = asked.identities[asked.rows]
    has = (held_ids[:, :, None] == asked_ids[:, None, :]) & (held_ids[:, :, None] > 0)
    used = has.any(axis=2)  # (P, widest held): this tag of the worker's is required
    covered = used.sum(axis=1).astype(np.float64)
    required = asked.counts.astype(np.float64)
    divisor = np.maximum(required, 1)
    held_vectors = held.vectors[held.rows]
    if len(held.rows) == 1:
        met = used.astype(np.float64) @ held_vectors[0]
    else:
        met = np.einsum("ps,psk->pk", used, held_vectors)
    return SkillMatch(
        required=required,
        covered=covered,
        close=_nearest(held, asked).sum(axis=1) / divisor,
        uncovered=(asked.sums - met) / divisor[:, None],
    )


def _nearest(held: SkillColumns, asked: SkillColumns) -> Floats:
    """Return per required tag the cosine of the worker's nearest tag, (P, widest asked)."""
    found = np.empty(asked.rows.shape)
    lone = len(held.rows) == 1
    for start, stop in _spans(len(asked.rows), len(asked.rows) if lone else 512):
        mine = held.rows if lone else held.rows[start:stop]
        theirs = asked.rows[start:stop]
        my_words, my_rows = _compact(mine)
        their_words, their_rows = _compact(theirs)
        cosines = asked.likeness[their_words] @ held.likeness[my_words].T
        if lone:
            found[start:stop] = cosines[:, my_rows[0]].max(axis=1)[their_rows]
        else:
            found[start:stop] = cosines[their_rows[:, :, None], my_rows[:, None, :]].max(axis=2)
    return np.clip((found - CLOSE_FROM) / (1 - CLOSE_FROM), 0, 1)


def _compact(rows: Integers) -> tuple[Integers, Integers]:
    words = np.unique(rows)
    return words, np.searchsorted(words, rows)


def _spans(total: int, size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + size, total)) for start in range(0, total, max(size, 1)))


def _skill_features(skills: SkillMatch) -> dict[str, Floats]:
    share = np.where(skills.required > 0, skills.covered / np.maximum(skills.required, 1), 1.0)
    return {
        "skill_exact": share,
        "skill_close": np.where(skills.required > 0, skills.close, 1.0),
        "skill_missing": np.minimum((skills.required - skills.covered) / 4, 1),
    }


def _occupation_features(mine: Occupation, theirs: Occupation) -> dict[str, Floats]:
    same = np.cumprod(mine.levels == theirs.levels, axis=1).astype(np.float64)
    return {
        "occupation_major": same[:, 0],
        "occupation_sector": same[:, 1],
        "occupation_minor": same[:, 2],
        "occupation_unit": same[:, 3],
        "occupation_close": (mine.vector * theirs.vector).sum(axis=1),
    }


def _experience_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    spare = people.experience - jobs.experience
    return {
        "experience_short": np.clip(-spare / 3, 0, 1),
        "experience_spare": np.clip(spare / 10, 0, 1),
        "experience_years": np.clip(people.experience / 20, 0, 1),
    }


def _pay_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    middle = np.maximum((jobs.pay_low + jobs.pay_high) / 2, 1)
    wish = np.maximum(people.pay, 1)
    return {
        "pay_below_wish": np.clip(2 * (1 - jobs.pay_high / wish), 0, 1),
        "pay_above_wish": np.clip(2 * (middle / wish - 1), 0, 1),
        "pay_ratio": np.clip(2 * np.log(middle / wish), -1, 1),
        "pay_level": np.clip(np.log(middle / USUAL_PAY), -1, 1),
    }


def _hours_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    over = jobs.hours - people.hours
    return {
        "hours_over": np.clip(over / 20, 0, 1),
        "hours_under": np.clip(-over / 20, 0, 1),
        "hours_level": np.clip((jobs.hours - USUAL_HOURS) / 20, -1, 1),
    }


def unwanted_shift(wish: Integers, shift: Integers) -> Booleans:
    """Return whether the job's shift is not what was wished; a flexible job suits every wish."""
    free = (wish == WISH_SHIFTS.index("any")) | (shift == SHIFTS.index("flexible"))
    # the wishes are the shifts moved up by one, behind "any"
    unwanted: Booleans = ~free & (wish - 1 != shift)
    return unwanted


def _shift_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    columns = {
        f"shift_{name}": (jobs.shift == SHIFTS.index(name)).astype(np.float64)
        for name in ("night", "rotating", "flexible")
    }
    unwanted = unwanted_shift(people.shift, jobs.shift).astype(np.float64)
    return {"shift_unwanted": unwanted, **columns}


def _contract_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    # choices are listed weakest first on both sides, so the ranks compare
    labour, full = CONTRACTS.index("labour"), INSURANCES.index("full")
    return {
        "contract_short": np.clip((people.contract - jobs.contract) / 2, 0, 1),
        "contract_none": (jobs.contract == 0).astype(np.float64),
        "contract_labour": (jobs.contract == labour).astype(np.float64),
        "insurance_short": np.clip((people.insurance - jobs.insurance) / 2, 0, 1),
        "insurance_none": (jobs.insurance == 0).astype(np.float64),
        "insurance_full": (jobs.insurance == full).astype(np.float64),
    }


def distance_km(here: Place, there: Place) -> Floats:
    """Return great-circle kilometres (haversine) between places."""
    lat1, lat2 = np.radians(here.latitude), np.radians(there.latitude)
    half_lat = np.sin((lat2 - lat1) / 2)
    half_lon = np.sin(np.radians(there.longitude - here.longitude) / 2)
    chord = half_lat**2 + np.cos(lat1) * np.cos(lat2) * half_lon**2
    distance: Floats = 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(chord, 1)))
    return distance


def willing(people: WorkerTable, jobs: JobTable) -> Booleans:
    """Return whether the worker would move to where the job is."""
    province = people.place.division // 10_000 == jobs.place.division // 10_000
    anywhere = people.move == MOVES.index("anywhere")
    moves: Booleans = anywhere | ((people.move == MOVES.index("province")) & province)
    return moves


def _distance_features(people: WorkerTable, jobs: JobTable) -> dict[str, Floats]:
    share = distance_km(people.place, jobs.place) / np.maximum(people.distance, 1)
    # digits one to four name the prefecture (GB/T 2260)
    home = people.place.division // 100 == jobs.place.division // 100
    beyond, moves = share > 1, willing(people, jobs)
    return {
        "distance_share": np.where(home, np.minimum(share / 2, 1), 0),
        "distance_beyond": (home & beyond).astype(np.float64),
        "move_unwilling": (~home & beyond & ~moves).astype(np.float64),
        "move_willing": (~home & beyond & moves).astype(np.float64),
    }
