"""The generator's truth read back: true fit, coverage, filters and words of a market on disk.

Only the study reads it; this file must not know how any ranking comes about.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.study.market.arrays import FloatArray, IntArray, Jobs, Workers
from deploy.study.market.fit import FLEXIBLE, Market, coverage, fit, kilometres
from deploy.study.market.rule import Rule
from deploy.study.market.world import World
from deploy.study.market.written import job_id, positions, posting_title, worker_id
from federation.codes import occupations

BoolArray = NDArray[np.bool_]
#: Workers scored at once: with 7 000 open postings one block needs about 300 MB.
BLOCK = 128


@dataclass(frozen=True)
class Block:
    """Some workers against all postings asked for; arrays are (W, J).

    ``relevance`` is the true fit, ``covered`` the share of required skills, ``allowed`` whether the
    posting is within the worker's stated filters, ``elsewhere`` whether it is in another city.
    """

    workers: IntArray
    relevance: FloatArray
    covered: FloatArray
    allowed: BoolArray
    elsewhere: BoolArray


@dataclass(frozen=True)
class Truth:
    """A market's truth. Workers and postings are numbered across cities, city by city, in the order
    of the CSV files; ``worker_ids`` and ``job_ids`` give the identifiers written there."""

    market: Market
    kind: str
    seed: int
    today: date
    cities: tuple[str, ...]
    held_out: IntArray
    worker_ids: tuple[str, ...]
    job_ids: tuple[str, ...]
    occupations: tuple[str, ...]
    wordings: tuple[str, ...]

    @property
    def threshold(self) -> float:
        """The market's threshold of covered required skills (a share), for the mismatch rate."""
        return self.market.rule.covered

    def open_jobs(self, city: int | None = None) -> IntArray:
        """Postings open on the reference day, of one city or of all."""
        jobs = self.market.jobs
        mine = jobs.closes >= 0 if city is None else (jobs.closes >= 0) & (jobs.city == city)
        return np.flatnonzero(mine)

    def held_out_of(self, city: int) -> IntArray:
        """Held-out workers of one city."""
        return np.asarray(self.held_out[self.market.workers.city[self.held_out] == city])

    def willing(self, worker: IntArray) -> BoolArray:
        """(W,) whether the worker would move to at least one other member city."""
        cities = np.arange(len(self.cities))
        moves: BoolArray = may_move(self.market, worker[:, None], cities[None, :])
        return np.asarray(moves.any(axis=1))

    def allowed(self, worker: IntArray, job: IntArray) -> BoolArray:
        """(W, J) postings within the workers' stated filters: place, pay, hours, shift, cover."""
        people, jobs = self.market.workers, self.market.jobs
        w, j = worker[:, None], job[None, :]
        here = jobs.city[j] == people.city[w]
        near = kilometres(self.market, w, j) <= people.max_distance[w]
        wish, shift = people.wish_shift[w], jobs.shift[j]
        return np.asarray(
            np.where(here, near, may_move(self.market, w, jobs.city[j]))
            & (jobs.pay_high[j] >= people.wish_pay[w])
            & (jobs.hours[j] <= people.wish_hours[w])
            & ((wish == 0) | (wish == shift + 1) | (shift == FLEXIBLE))
            & (jobs.contract[j] >= people.wish_contract[w])
            & (jobs.insurance[j] >= people.wish_insurance[w])
        )

    def blocks(self, worker: IntArray, job: IntArray, size: int = BLOCK) -> Iterator[Block]:
        """The truth of ``worker`` against ``job``, ``size`` workers at a time, in order."""
        jobs, people = self.market.jobs, self.market.workers
        for first in range(0, len(worker), size):
            rows = worker[first : first + size]
            covered = coverage(self.market, rows, job)
            yield Block(
                workers=rows,
                relevance=fit(self.market, rows[:, None], job[None, :], covered),
                covered=covered,
                allowed=self.allowed(rows, job),
                elsewhere=jobs.city[job][None, :] != people.city[rows][:, None],
            )

    def job_words(self, job: IntArray) -> list[tuple[str, ...]]:
        """Title and skill tags of each posting, as written in jobs.csv."""
        jobs, table = self.market.jobs, occupations.load()
        found = []
        for row in job:
            code = self.occupations[jobs.occupation[row]]
            names = (table[code].name, *table[code].aliases)
            found.append((posting_title(names, int(jobs.title[row])), *self._tags(jobs, row)))
        return found

    def worker_words(self, worker: IntArray) -> list[tuple[str, ...]]:
        """Name of the occupation and skill tags of each worker, as in workers.csv."""
        people, table = self.market.workers, occupations.load()
        return [
            (table[self.occupations[people.occupation[row]]].name, *self._tags(people, row))
            for row in worker
        ]

    def _tags(self, rows: Jobs | Workers, row: int) -> tuple[str, ...]:
        return tuple(self.wordings[n] for n in rows.wording[rows.start[row] : rows.start[row + 1]])


def may_move(market: Market, worker: IntArray, city: IntArray) -> BoolArray:
    """Whether the worker would move to ``city``, which is not their own; shapes broadcast."""
    people = market.workers
    move, home = people.move[worker], people.city[worker]
    same_province = market.province[city] == market.province[home]
    return np.asarray((city != home) & ((move == 2) | ((move == 1) & same_province)))


def _table(kind: type[Any], prefix: str, arrays: Any) -> Any:
    return kind(**{field.name: arrays[f"{prefix}_{field.name}"] for field in fields(kind)})


def load(folder: Path) -> Truth:
    """Read DIR/truth of a market written by ``labor-study market``."""
    about = json.loads((folder / "truth" / "market.json").read_text(encoding="utf-8"))
    with np.load(folder / "truth" / "truth.npz", allow_pickle=False) as arrays:
        jobs: Jobs = _table(Jobs, "job", arrays)
        people: Workers = _table(Workers, "worker", arrays)
        market = Market(
            rule=Rule(**about["rule"]),
            world=_table(World, "world", arrays),
            jobs=jobs,
            workers=people,
            general=arrays["general"],
            province=arrays["province"],
        )
        held_out = arrays["held_out"]
    cities = tuple(city["code"] for city in about["cities"])
    workers_of = zip(people.city, positions(people.city), strict=True)
    jobs_of = zip(jobs.city, positions(jobs.city), strict=True)
    return Truth(
        market=market,
        kind=about["kind"],
        seed=about["seed"],
        today=date.fromisoformat(about["today"]),
        cities=cities,
        held_out=held_out,
        worker_ids=tuple(worker_id(cities[city], number) for city, number in workers_of),
        job_ids=tuple(job_id(cities[city], number) for city, number in jobs_of),
        occupations=tuple(about["occupations"]),
        wordings=tuple(word for concept in about["concepts"] for word in concept),
    )
