"""Scores of pairs under given parameters, and the probability a score stands for.

Knows pair columns and parameter blocks; nothing of labels, gradients or where jobs come from.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from federation.model.encoding import Floats, JobTable, WorkerTable
from federation.model.features import SECTOR_COLUMNS
from federation.model.pairs import PairColumns, pair_columns
from federation.model.parameters import BILINEAR_SCALE, SECTOR_SCALE, Blocks, split, to_float


def scores(parameters: NDArray[np.int64], worker: WorkerTable, jobs: JobTable) -> Floats:
    """Return the score in logits of one worker (a table of one row) for each job, float64[jobs].

    Raises Malformed(OUT_OF_BOUND) when the parameters are not this model's.
    """
    return score_columns(split(to_float(parameters)), lone_columns(worker, jobs))


def probability(score: Floats) -> Floats:
    """Return the chance of completion; the outcome loss is logistic, so the score is its logit."""
    chance: Floats = expit(score)
    return chance


def lone_columns(worker: WorkerTable, jobs: JobTable) -> PairColumns:
    """Return the columns of one worker (a table of one row) against every job."""
    lone = np.zeros(1, dtype=np.int64)
    return pair_columns(worker, lone, jobs, np.arange(len(jobs)), jobs.today)


def score_columns(blocks: Blocks, columns: PairColumns) -> Floats:
    """Return the scores of all pairs, float64[P]."""
    weights = sector_weights(blocks)[columns.sector]
    by_feature: Floats = columns.features @ blocks.pair
    by_feature += np.einsum("pf,pf->p", columns.features[:, SECTOR_COLUMNS], weights)
    return by_feature + occupation_terms(blocks, columns) + skill_terms(blocks, columns)


def sector_weights(blocks: Blocks) -> Floats:
    """Return what each sector adds to the weights of SECTOR_COLUMNS, in logits."""
    return SECTOR_SCALE * blocks.sector


def occupation_terms(blocks: Blocks, columns: PairColumns) -> Floats:
    """Return the learned likeness of the two occupations' texts, in logits."""
    left = columns.worker_occupation @ blocks.occupation * BILINEAR_SCALE
    return _rowwise(left, columns, columns.job_occupation)


def skill_terms(blocks: Blocks, columns: PairColumns) -> Floats:
    """Return what the missing tags cost and how far the worker's stand in for them, in logits."""
    left = (columns.worker_skills @ blocks.skill + blocks.missing) * BILINEAR_SCALE
    return _rowwise(left, columns, columns.uncovered)


def _rowwise(left: Floats, columns: PairColumns, right: Floats) -> Floats:
    if len(columns.worker) == 1:
        lone: Floats = right @ left[columns.worker[0]]
        return lone
    product: Floats = np.einsum("pk,pk->p", left[columns.worker], right)
    return product
