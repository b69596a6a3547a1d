"""Profiles as columns of numbers: one table of workers, one table of jobs.

Reads profiles and public tables only; what pairs make of the columns is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.profiles import (
    CONTRACTS,
    INSURANCES,
    MOVES,
    SHIFTS,
    WISH_CONTRACTS,
    WISH_INSURANCES,
    WISH_SHIFTS,
    JobPosting,
    WorkerProfile,
)
from federation.model.tables import WIDTH, occupation_vector, sector_index, sectors
from federation.model.text import SKETCH, embed, sketch, tag_identity

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PADDING: Final = -1  # column of a skill row that holds no skill


@dataclass(frozen=True)
class SkillColumns:
    """Tags of n profiles: rows of positions in a vocabulary, PADDING behind the last tag."""

    rows: Integers  # (n, widest)
    counts: Integers  # (n,)
    identities: Integers  # (vocabulary,)
    vectors: Floats  # (vocabulary, WIDTH), unit or zero
    sums: Floats  # (n, WIDTH), sum of the row's vectors
    likeness: Floats  # (vocabulary, WIDTH + SKETCH), unit: meaning and letters, half and half

    def take(self, index: Integers | slice) -> "SkillColumns":
        """Return the same vocabulary with the chosen rows."""
        return SkillColumns(
            self.rows[index],
            self.counts[index],
            self.identities,
            self.vectors,
            self.sums[index],
            self.likeness,
        )


@dataclass(frozen=True)
class Place:
    """Where n profiles are; division is the six-digit number, degrees are WGS84."""

    division: Integers
    longitude: Floats
    latitude: Floats

    def take(self, index: Integers | slice) -> "Place":
        """Return the chosen rows."""
        return Place(self.division[index], self.longitude[index], self.latitude[index])


@dataclass(frozen=True)
class Occupation:
    """What n profiles do; levels are the four parts of the code, vector a point of public space."""

    levels: Integers  # (n, 4)
    vector: Floats  # (n, WIDTH)
    sector: Integers  # (n,), row of the sector's weights

    def take(self, index: Integers | slice) -> "Occupation":
        """Return the chosen rows."""
        return Occupation(self.levels[index], self.vector[index], self.sector[index])


@dataclass(frozen=True)
class WorkerTable:
    """n workers as columns; choices are positions in the tuples of profiles.py."""

    handles: tuple[str, ...]
    occupation: Occupation
    place: Place
    skills: SkillColumns
    experience: Floats  # years
    pay: Floats  # yuan a month
    hours: Floats  # a week
    shift: Integers
    contract: Integers
    insurance: Integers
    distance: Floats  # km
    move: Integers

    def __len__(self) -> int:
        return len(self.handles)

    def take(self, index: Integers | slice) -> "WorkerTable":
        """Return the chosen workers."""
        return WorkerTable(
            handles=_chosen(self.handles, index),
            occupation=self.occupation.take(index),
            place=self.place.take(index),
            skills=self.skills.take(index),
            experience=self.experience[index],
            pay=self.pay[index],
            hours=self.hours[index],
            shift=self.shift[index],
            contract=self.contract[index],
            insurance=self.insurance[index],
            distance=self.distance[index],
            move=self.move[index],
        )


@dataclass(frozen=True)
class JobTable:
    """n postings as columns; nothing here comes from outside a capsule."""

    handles: tuple[str, ...]
    occupation: Occupation
    place: Place
    skills: SkillColumns
    experience: Floats  # years asked
    pay_low: Floats  # yuan a month
    pay_high: Floats
    hours: Floats  # a week
    shift: Integers
    contract: Integers
    insurance: Integers
    posted: Integers  # proleptic day number
    today: int  # proleptic day number at which recency is read

    def __len__(self) -> int:
        return len(self.handles)

    def take(self, index: Integers | slice) -> "JobTable":
        """Return the chosen jobs."""
        return JobTable(
            handles=_chosen(self.handles, index),
            occupation=self.occupation.take(index),
            place=self.place.take(index),
            skills=self.skills.take(index),
            experience=self.experience[index],
            pay_low=self.pay_low[index],
            pay_high=self.pay_high[index],
            hours=self.hours[index],
            shift=self.shift[index],
            contract=self.contract[index],
            insurance=self.insurance[index],
            posted=self.posted[index],
            today=self.today,
        )


def encode_workers(workers: Sequence[WorkerProfile]) -> WorkerTable:
    """Return the workers as columns, in the order given."""
    return WorkerTable(
        handles=tuple(worker.handle for worker in workers),
        occupation=_occupations([worker.occupation for worker in workers]),
        place=_places(workers),
        skills=_skills([worker.skills for worker in workers]),
        experience=_floats([worker.experience_years for worker in workers]),
        pay=_floats([worker.wish_pay for worker in workers]),
        hours=_floats([worker.wish_hours for worker in workers]),
        shift=_positions(WISH_SHIFTS, [worker.wish_shift for worker in workers]),
        contract=_positions(WISH_CONTRACTS, [worker.wish_contract for worker in workers]),
        insurance=_positions(WISH_INSURANCES, [worker.wish_insurance for worker in workers]),
        distance=_floats([worker.max_distance_km for worker in workers]),
        move=_positions(MOVES, [worker.move for worker in workers]),
    )


def encode_jobs(jobs: Sequence[JobPosting], today: date) -> JobTable:
    """Return the postings as columns, in the order given; recency is read at ``today``."""
    return JobTable(
        handles=tuple(job.handle for job in jobs),
        occupation=_occupations([job.occupation for job in jobs]),
        place=_places(jobs),
        skills=_skills([job.skills for job in jobs]),
        experience=_floats([job.experience_years for job in jobs]),
        pay_low=_floats([job.pay_low for job in jobs]),
        pay_high=_floats([job.pay_high for job in jobs]),
        hours=_floats([job.hours_per_week for job in jobs]),
        shift=_positions(SHIFTS, [job.shift for job in jobs]),
        contract=_positions(CONTRACTS, [job.contract for job in jobs]),
        insurance=_positions(INSURANCES, [job.insurance for job in jobs]),
        posted=np.array([job.posted_on.toordinal() for job in jobs], dtype=np.int64),
        today=today.toordinal(),
    )


def _chosen(handles: tuple[str, ...], index: Integers | slice) -> tuple[str, ...]:
    if isinstance(index, slice):
        return handles[index]
    return tuple(handles[row] for row in index.tolist())


def _floats(values: Sequence[int]) -> Floats:
    return np.array(values, dtype=np.float64)


def _positions(choices: tuple[str, ...], values: Sequence[str]) -> Integers:
    position = {choice: row for row, choice in enumerate(choices)}
    return np.array([position[value] for value in values], dtype=np.int64)


def _places(profiles: Sequence[WorkerProfile] | Sequence[JobPosting]) -> Place:
    return Place(
        division=np.array([int(profile.division) for profile in profiles], dtype=np.int64),
        longitude=np.array([profile.longitude for profile in profiles], dtype=np.float64),
        latitude=np.array([profile.latitude for profile in profiles], dtype=np.float64),
    )


def _occupations(codes: Sequence[str]) -> Occupation:
    distinct = sorted(set(codes))
    row = {code: position for position, code in enumerate(distinct)}
    index = np.array([row[code] for code in codes], dtype=np.int64)
    other = len(sectors())
    levels = [[int(part) for part in code.split("-")] for code in distinct]
    sector = [sector_index().get(code[:4], other) for code in distinct]
    vectors = [occupation_vector(code) for code in distinct]
    return Occupation(
        levels=np.array(levels, dtype=np.int64).reshape(-1, 4)[index],
        vector=np.array(vectors).reshape(-1, WIDTH)[index],
        sector=np.array(sector, dtype=np.int64)[index],
    )


def _skills(tags: Sequence[tuple[str, ...]]) -> SkillColumns:
    named = [{tag_identity(tag): tag for tag in row} for row in tags]
    vocabulary = sorted({identity: tag for row in named for identity, tag in row.items()}.items())
    position = {identity: row for row, (identity, _) in enumerate(vocabulary)}
    widest = max((len(row) for row in named), default=0)
    rows = np.full((len(named), max(widest, 1)), PADDING, dtype=np.int64)
    for line, row in zip(rows, named, strict=True):
        line[: len(row)] = [position[identity] for identity in row]
    vectors = np.array([embed(tag) for _, tag in vocabulary]).reshape(-1, WIDTH)
    # one zero row behind the vocabulary is what PADDING points at
    padded = np.vstack([vectors, np.zeros((1, WIDTH))])
    return SkillColumns(
        rows=rows,
        counts=np.array([len(row) for row in named], dtype=np.int64),
        identities=np.array([identity for identity, _ in vocabulary] + [0], dtype=np.int64),
        vectors=padded,
        sums=padded[rows].sum(axis=1),
        likeness=_likeness(padded, [tag for _, tag in vocabulary]),
    )


def _likeness(vectors: Floats, tags: Sequence[str]) -> Floats:
    letters = np.array([sketch(tag) for tag in tags] + [np.zeros(SKETCH)])
    joined: Floats = np.hstack([vectors, letters]) * np.sqrt(0.5)
    return joined
