"""The study's measures (fixed before tuning): pure functions on arrays, with bootstrap intervals.

This file must not know a market, a model or a file: rankings and true fit are handed in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Ranks looked at by NDCG, by recall and by cross-region success.
NDCG_RANKS, RECALL_RANKS, TOP = 10, 20, 5
#: Resamples of workers, and the tails left out on either side (95 % intervals).
REPEATS, TAIL = 1000, 0.025
AGE_GROUPS = ("<25", "25-49", ">=50")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the number of workers (or lists) it rests on."""

    value: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def top(scores: FloatArray, ranks: int) -> IntArray:
    """(W, min(ranks, J)) columns of the best scores, best first; the earlier column wins a tie.

    A score of -inf still ranks, last: give the callers' filters by :func:`filtered`.
    """
    kept = min(ranks, scores.shape[1])
    if kept < scores.shape[1]:
        edge = np.partition(-scores, kept - 1, axis=1)[:, kept - 1 : kept]
        candidates = np.where(-scores <= edge, -scores, np.inf)
    else:
        candidates = -scores
    return np.argsort(candidates, axis=1, kind="stable")[:, :kept]


def filtered(scores: FloatArray, allowed: BoolArray) -> FloatArray:
    """Scores with -inf where a posting is not allowed."""
    return np.where(allowed, scores, -np.inf)


def _discounts(ranks: int) -> FloatArray:
    return np.asarray(1.0 / np.log2(np.arange(2, ranks + 2)))


def _best(relevance: FloatArray, ranks: int) -> FloatArray:
    """(W, ranks) the largest relevances of each row, descending."""
    kept = min(ranks, relevance.shape[1])
    largest = np.partition(relevance, relevance.shape[1] - kept, axis=1)[:, -kept:]
    best: FloatArray = -np.sort(-largest, axis=1)
    return best


def ndcg(scores: FloatArray, relevance: FloatArray, ranks: int = NDCG_RANKS) -> FloatArray:
    """(W,) NDCG, gain being relevance itself (Järvelin and Kekäläinen 2002); 0 where all is 0."""
    order = top(scores, ranks)
    discounts = _discounts(order.shape[1])
    gained = np.take_along_axis(relevance, order, axis=1) @ discounts
    ideal = _best(relevance, ranks) @ discounts
    return np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)


def recall(scores: FloatArray, relevance: FloatArray, ranks: int = RECALL_RANKS) -> FloatArray:
    """(W,) graded recall: fit found in the first ``ranks`` places over the most they could hold."""
    order = top(scores, ranks)
    gained = np.take_along_axis(relevance, order, axis=1).sum(axis=1)
    ideal = _best(relevance, ranks).sum(axis=1)
    share: FloatArray = np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)
    return share


def mismatched(
    scores: FloatArray, allowed: BoolArray, covered: FloatArray, threshold: float
) -> FloatArray:
    """(W,) 1 where the first posting within the worker's filters is not covered, else 0.

    ``covered`` (W, J) is the share of required skills the worker covers; a worker whose filters
    leave nothing gets NaN and counts in no mean.
    """
    first = top(filtered(scores, allowed), 1)
    short = np.take_along_axis(covered, first, axis=1)[:, 0] < threshold
    return np.where(allowed.any(axis=1), short.astype(np.float64), np.nan)


def fit_of_top(
    scores: FloatArray, allowed: BoolArray, relevance: FloatArray, ranks: int = TOP
) -> tuple[FloatArray, IntArray]:
    """((W, ranks) true fit, (W, ranks) columns) of the first allowed ones; NaN where too few."""
    ranked = filtered(scores, allowed)
    order = top(ranked, ranks)
    found = np.take_along_axis(ranked, order, axis=1) > -np.inf
    return np.where(found, np.take_along_axis(relevance, order, axis=1), np.nan), order


def _resamples(count: int, seed: int) -> IntArray:
    """(REPEATS, count) how often each of ``count`` workers is drawn, with replacement."""
    draw = np.random.Generator(np.random.PCG64(seed))
    shares = np.full(count, 1 / count)
    return draw.multinomial(count, shares, size=REPEATS)


def _interval(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values[np.isfinite(values)], [TAIL, 1 - TAIL])
    return float(low), float(high)


def mean(values: FloatArray, seed: int = 0) -> Estimate:
    """Mean over workers; NaN entries are left out. Percentile bootstrap over workers.

    :raises ValueError: when no entry is a number.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        raise ValueError("no worker has a value")
    low, high = _interval(_resamples(len(known), seed) @ known / len(known))
    return Estimate(float(known.mean()), low, high, len(known))


def paired_difference(first: FloatArray, second: FloatArray, seed: int = 0) -> Estimate:
    """Mean of ``first - second`` over the same workers, who are resampled in pairs."""
    return mean(first - second, seed)


def _row_sums(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64)


def cross_region_success(elsewhere: FloatArray, home: FloatArray, seed: int = 0) -> Estimate:
    """Mean fit of postings in other cities over mean fit at home; 1 is no loss.

    Rows of both (W, ranks) are the same workers, NaN where a place holds nothing of that kind;
    workers are resampled as wholes.

    :raises ValueError: when either side holds nothing at all.
    """
    away_sum, away_count = _row_sums(elsewhere)
    home_sum, home_count = _row_sums(home)
    if not away_count.sum() or not home_count.sum():
        raise ValueError("a ratio needs postings both at home and elsewhere")
    times = _resamples(len(home), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (times @ away_sum / (times @ away_count)) / (
            times @ home_sum / (times @ home_count)
        )
    low, high = _interval(drawn)
    value = (away_sum.sum() / away_count.sum()) / (home_sum.sum() / home_count.sum())
    return Estimate(float(value), low, high, len(home))


def age_group(age: IntArray) -> IntArray:
    """Index into :data:`AGE_GROUPS`; ages in years."""
    return np.digitize(age, [25, 50])


def by_group(values: FloatArray, group: IntArray, names: tuple[str, ...]) -> dict[str, Estimate]:
    """:func:`mean` for each named group that has a value; ``group`` (W,) indexes ``names``."""
    known = ~np.isnan(values)
    return {
        name: mean(values[group == number])
        for number, name in enumerate(names)
        if (known & (group == number)).any()
    }
