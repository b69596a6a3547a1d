"""Every ranking on the same held-out workers: keyword, untrained, alone, pooled, federated.

Knows truth and rankings; must not know how a model was trained, and no node imports it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deploy.study import keyword, measures
from deploy.study.baselines import Baselines
from deploy.study.dataset import CityData
from deploy.study.measures import Estimate
from deploy.study.today import keyword_index, keyword_scores
from deploy.study.truth import Block, Truth
from federation.model.encoding import JobTable, WorkerTable, encode_jobs, encode_workers
from federation.model.parameters import Blocks, to_float
from federation.model.parameters import split as blocks_of
from federation.model.scoring import lone_columns, score_columns

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Integers = NDArray[np.int64]

#: Held-out workers of each city that are ranked for, drawn once for all rankings by this seed.
PER_CITY, SAMPLE_SEED = 300, 20260915
GENDERS: Final = ("female", "male")
#: Workers scored at once; two blocks at a time.
BLOCK, THREADS = 16, 2


@dataclass(frozen=True)
class PerWorker:
    """One ranking's figures, a row a worker; NaN where a worker has none (:mod:`.measures`)."""

    ndcg: FloatArray  # (W,)
    recall: FloatArray  # (W,)
    mismatched: FloatArray  # (W,)
    home: FloatArray  # (W, TOP) true fit of the first postings at home, willing workers only
    elsewhere: FloatArray  # (W, TOP) likewise in other cities

    @classmethod
    def join(cls, parts: Sequence["PerWorker"]) -> "PerWorker":
        """All workers, in order."""
        names = [field.name for field in fields(cls)]
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


@dataclass(frozen=True)
class Figures:
    """One ranking's figures with 95 % intervals, over all workers, by city and by group."""

    ndcg_at_10: Estimate
    recall_at_20: Estimate
    mismatch_rate: Estimate
    cross_region_success: Estimate | None  # None where no worker would move
    ndcg_by_city: Mapping[str, Estimate]
    mismatch_by_city: Mapping[str, Estimate]
    ndcg_by_group: Mapping[str, Estimate]
    mismatch_by_group: Mapping[str, Estimate]


@dataclass(frozen=True)
class Report:
    """All rankings by name, and what training together is worth: paired differences of NDCG."""

    workers: int
    rankings: Mapping[str, Figures]
    pooled_minus_alone: Mapping[str, Estimate]  # by city
    federated_minus_alone: Mapping[str, Estimate]  # by city; empty without a release


def sample(truth: Truth, per_city: int = PER_CITY) -> IntArray:
    """Return the held-out workers that are ranked for, city by city; all where fewer are held."""
    draw = np.random.default_rng(SAMPLE_SEED)
    chosen = []
    for city in range(len(truth.cities)):
        held = truth.held_out_of(city)
        chosen.append(np.sort(draw.permutation(held)[:per_city]))
    return np.concatenate(chosen)


def evaluate(
    truth: Truth,
    cities: Sequence[CityData],
    baselines: Baselines,
    federated: Integers | None = None,
    per_city: int = PER_CITY,
) -> Report:
    """Measure every ranking over the open postings of all cities.

    ``federated``: the parameters of an accepted release, int64 [LENGTH], or None. Raises
    Malformed(OUT_OF_BOUND) when their number is not the model's.
    """
    workers = sample(truth, per_city)
    models = {"untrained": _everywhere(truth, baselines.untrained)}
    models["alone"] = [blocks_of(to_float(baselines.alone[code])) for code in truth.cities]
    models["pooled"] = _everywhere(truth, baselines.pooled)
    if federated is not None:
        models["federated"] = _everywhere(truth, federated)
    found = _measured(truth, cities, models, workers)
    city = truth.market.workers.city[workers]

    def better(name: str) -> dict[str, Estimate]:
        return {
            code: measures.paired_difference(
                found[name].ndcg[city == number], found["alone"].ndcg[city == number]
            )
            for number, code in enumerate(truth.cities)
        }

    return Report(
        workers=len(workers),
        rankings={name: _figures(truth, workers, rows) for name, rows in found.items()},
        pooled_minus_alone=better("pooled"),
        federated_minus_alone=better("federated") if federated is not None else {},
    )


def _everywhere(truth: Truth, parameters: Integers) -> list[Blocks]:
    return [blocks_of(to_float(parameters))] * len(truth.cities)


@dataclass(frozen=True)
class _Known:
    """What rankings read: the files' own records, aligned with the truth's numbers."""

    jobs: JobTable
    people: WorkerTable
    words: keyword.KeywordIndex


def _measured(
    truth: Truth,
    cities: Sequence[CityData],
    models: Mapping[str, Sequence[Blocks]],
    workers: IntArray,
) -> dict[str, PerWorker]:
    opened = truth.open_jobs()
    jobs = {job.handle: job for city in cities for job in city.jobs}
    people = {worker.handle: worker for city in cities for worker in city.workers}
    known = _Known(
        jobs=encode_jobs([jobs[truth.job_ids[row]] for row in opened], truth.today),
        people=encode_workers([people[truth.worker_ids[row]] for row in workers]),
        words=keyword_index(truth, opened),
    )

    def measure(first: int) -> dict[str, PerWorker]:
        rows = workers[first : first + BLOCK]
        block = next(truth.blocks(rows, opened, BLOCK))
        scores = _model_scores(truth, known, models, block, first)
        scores["keyword"] = keyword_scores(truth, known.words, block)
        willing = truth.willing(rows)
        return {name: _rows(truth, block, willing, of) for name, of in scores.items()}

    with ThreadPoolExecutor(THREADS) as threads:
        parts = list(threads.map(measure, range(0, len(workers), BLOCK)))
    return {name: PerWorker.join([part[name] for part in parts]) for name in ("keyword", *models)}


def _model_scores(
    truth: Truth,
    known: _Known,
    models: Mapping[str, Sequence[Blocks]],
    block: Block,
    first: int,
) -> dict[str, FloatArray]:
    """Return (block, jobs) scores by model; a pair's columns are computed once for all models."""
    scores = {name: np.empty(block.relevance.shape) for name in models}
    for row, worker in enumerate(block.workers):
        place = first + row
        columns = lone_columns(known.people.take(slice(place, place + 1)), known.jobs)
        home = int(truth.market.workers.city[worker])
        for name, by_city in models.items():
            scores[name][row] = score_columns(by_city[home], columns)
    return scores


def _rows(truth: Truth, block: Block, willing: NDArray[np.bool_], scores: FloatArray) -> PerWorker:
    movers = willing[:, None]
    return PerWorker(
        ndcg=measures.ndcg(scores, block.relevance),
        recall=measures.recall(scores, block.relevance),
        mismatched=measures.mismatched(scores, block.allowed, block.covered, truth.threshold),
        home=_fit_of_top(scores, block.allowed & ~block.elsewhere & movers, block),
        elsewhere=_fit_of_top(scores, block.allowed & block.elsewhere & movers, block),
    )


def _fit_of_top(scores: FloatArray, allowed: NDArray[np.bool_], block: Block) -> FloatArray:
    return measures.fit_of_top(scores, allowed, block.relevance)[0]


def _figures(truth: Truth, workers: IntArray, rows: PerWorker) -> Figures:
    people = truth.market.workers
    city, age, male = people.city[workers], people.age[workers], people.male[workers]

    def by_group(values: FloatArray) -> dict[str, Estimate]:
        ages = measures.by_group(values, measures.age_group(age), measures.AGE_GROUPS)
        return ages | measures.by_group(values, male, GENDERS)

    return Figures(
        ndcg_at_10=measures.mean(rows.ndcg),
        recall_at_20=measures.mean(rows.recall),
        mismatch_rate=measures.mean(rows.mismatched),
        cross_region_success=_unless_nobody(rows),
        ndcg_by_city=measures.by_group(rows.ndcg, city, truth.cities),
        mismatch_by_city=measures.by_group(rows.mismatched, city, truth.cities),
        ndcg_by_group=by_group(rows.ndcg),
        mismatch_by_group=by_group(rows.mismatched),
    )


def _unless_nobody(rows: PerWorker) -> Estimate | None:
    sides = (rows.elsewhere, rows.home)
    if not all(np.isfinite(side).any() for side in sides):
        return None
    return measures.cross_region_success(*sides)
