"""The per-worker loss, its closed-form gradient and the clipped sum that leaves for noise.

One worker's gradient depends on that worker's pairs and the parameters, never on another worker's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from federation.model.encoding import Floats, Integers
from federation.model.examples import Examples, Label
from federation.model.features import SECTOR_COLUMNS
from federation.model.parameters import BILINEAR_SCALE, LENGTH, SECTOR_SCALE, split, to_float
from federation.model.scoring import score_columns

RANK_WEIGHT: Final = 1.0  # of the ranking term beside the outcome term, both per worker


@dataclass(frozen=True)
class _Gradients:
    """One row a worker; bilinear blocks are outer products, kept as their two factors."""

    pair: Floats  # (W, features)
    sector: Floats  # (groups, sector features), one row per worker and sector met
    group_worker: Integers  # (groups,)
    group_sector: Integers  # (groups,)
    occupation: tuple[Floats, Floats]  # two of (W, WIDTH)
    skill: tuple[Floats, Floats]


def clipped_gradient_sum(
    parameters: NDArray[np.int64], examples: Examples, clipping_norm: float
) -> Floats:
    """Return Σ over workers of ∇loss_w scaled to L2 norm ≤ clipping_norm, float64[LENGTH].

    Clipping as in Abadi et al. 2016, algorithm 1; a gradient that is not finite counts as zero.
    """
    if not len(examples):
        return np.zeros(LENGTH)
    vector = to_float(parameters)
    with np.errstate(all="ignore"):
        gradients = _gradients(examples, _residuals(vector, examples))
        norms = _norms(gradients, len(examples))
        factors = np.where(
            np.isfinite(norms), np.minimum(1, clipping_norm / np.maximum(norms, 1e-300)), 0
        )
    return _weighted_sum(gradients, factors)


def losses(parameters: NDArray[np.float64], examples: Examples) -> Floats:
    """Return loss_w of each worker, float64[W], at float parameters.

    Outcome term: mean logistic loss over ended pairs. Ranking term: mean over good pairs of
    -log softmax against the worker's bad and drawn pairs.
    """
    score = score_columns(split(parameters), examples.columns)
    good, ended = examples.label == Label.GOOD, examples.label != Label.DRAWN
    logistic = np.where(ended, np.logaddexp(0, score) - good * score, 0)
    per_worker = _sum(logistic, examples) / np.maximum(_sum(ended, examples), 1)
    rivals = _log_rivals(score, examples)
    ranking = np.where(good, np.logaddexp(0, rivals - score), 0)
    per_worker += RANK_WEIGHT * _sum(ranking, examples) / np.maximum(_sum(good, examples), 1)
    return per_worker


def _residuals(parameters: Floats, examples: Examples) -> Floats:
    """Return d loss_w / d score of each pair, float64[P]."""
    score = score_columns(split(parameters), examples.columns)
    good, ended = examples.label == Label.GOOD, examples.label != Label.DRAWN
    ended_count = _spread(np.maximum(_sum(ended, examples), 1), examples)
    good_count = _spread(np.maximum(_sum(good, examples), 1), examples)
    rivals = _log_rivals(score, examples)
    outcome = np.where(ended, expit(score) - good, 0) / ended_count
    lost = np.where(good, expit(rivals - score), 0) / good_count
    shared = _spread(_sum(lost, examples), examples)
    rival = np.where(good, 0, np.exp(np.minimum(score - rivals, 0)) * shared)
    residuals: Floats = outcome + RANK_WEIGHT * (rival - lost)
    return residuals


def _log_rivals(score: Floats, examples: Examples) -> Floats:
    """Return log Σ exp(score) over the worker's pairs that are not good, -inf where none is."""
    rival = np.where(examples.label == Label.GOOD, -np.inf, score)
    highest = np.maximum.reduceat(rival, examples.starts)
    base = np.where(np.isfinite(highest), highest, 0)
    total = _sum(np.exp(rival - _spread(base, examples)), examples)
    with np.errstate(divide="ignore"):
        return _spread(np.log(total) + base, examples)


def _gradients(examples: Examples, residuals: Floats) -> _Gradients:
    columns = examples.columns
    pair_worker = np.repeat(np.arange(len(examples)), _lengths(examples))
    change = np.diff(pair_worker * (columns.sector.max() + 1) + columns.sector, prepend=-1) != 0
    groups = np.flatnonzero(change)
    people = columns.worker[examples.starts]
    return _Gradients(
        pair=_weigh(columns.features, residuals, examples.starts),
        sector=_weigh(columns.features, residuals, groups)[:, SECTOR_COLUMNS] * SECTOR_SCALE,
        group_worker=pair_worker[groups],
        group_sector=columns.sector[groups],
        occupation=(
            columns.worker_occupation[people] * BILINEAR_SCALE,
            _weigh(columns.job_occupation, residuals, examples.starts),
        ),
        skill=(
            columns.worker_skills[people] * BILINEAR_SCALE,
            _weigh(columns.uncovered, residuals, examples.starts),
        ),
    )


def _norms(gradients: _Gradients, workers: int) -> Floats:
    square = (gradients.pair**2).sum(axis=1)
    sector = (gradients.sector**2).sum(axis=1)
    square += np.bincount(gradients.group_worker, weights=sector, minlength=workers)
    for left, right in (gradients.occupation, gradients.skill):
        square += (left**2).sum(axis=1) * (right**2).sum(axis=1)
    # the missing block's gradient is the skill block's right factor
    square += BILINEAR_SCALE**2 * (gradients.skill[1] ** 2).sum(axis=1)
    norms: Floats = np.sqrt(square)
    return norms


def _weighted_sum(gradients: _Gradients, factors: Floats) -> Floats:
    total = np.zeros(LENGTH)
    blocks = split(total)
    blocks.pair[:] = _kept(gradients.pair, factors).sum(axis=0)
    by_group = _kept(gradients.sector, factors[gradients.group_worker])
    order = np.argsort(gradients.group_sector, kind="stable")
    met, first = np.unique(gradients.group_sector[order], return_index=True)
    blocks.sector[met] = np.add.reduceat(by_group[order], first, axis=0)
    for block, (left, right) in (
        (blocks.occupation, gradients.occupation),
        (blocks.skill, gradients.skill),
    ):
        block[:] = left.T @ _kept(right, factors)
    blocks.missing[:] = BILINEAR_SCALE * _kept(gradients.skill[1], factors).sum(axis=0)
    return total


def _kept(rows: Floats, factors: Floats) -> Floats:
    # a factor of zero must also silence NaN and infinity
    return np.where(factors[:, None] > 0, rows, 0) * factors[:, None]


def _lengths(examples: Examples) -> Integers:
    return np.diff(np.append(examples.starts, len(examples.label)))


def _sum(values: NDArray[np.generic], examples: Examples) -> Floats:
    total: Floats = np.add.reduceat(values.astype(np.float64), examples.starts)
    return total


def _weigh(rows: Floats, weights: Floats, starts: Integers) -> Floats:
    """Return Σ weights[p] · rows[p] over each run of pairs that begins at ``starts``."""
    pairs = len(rows)
    bounds = np.append(starts, pairs)
    runs = sparse.csr_array((weights, np.arange(pairs), bounds), shape=(len(starts), pairs))
    total: Floats = runs @ rows
    return total


def _spread(per_worker: Floats, examples: Examples) -> Floats:
    return np.repeat(per_worker, _lengths(examples))
