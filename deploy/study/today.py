"""The state of things the study starts from: keyword matching, and cities as silos.

This file must not know the match model; it measures what portals do now.
"""

import numpy as np
from numpy.typing import NDArray

from deploy.study import keyword
from deploy.study.market.cities import DEVELOPMENT, REPORTING
from deploy.study.measures import (
    TOP,
    Estimate,
    cross_region_success,
    fit_of_top,
    mean,
    mismatched,
)
from deploy.study.truth import Block, Truth, may_move

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def keyword_index(truth: Truth, jobs: IntArray) -> keyword.KeywordIndex:
    """The keyword index of these postings."""
    return keyword.index(truth.job_words(jobs), truth.market.jobs.posted[jobs].tolist())


def keyword_scores(truth: Truth, known: keyword.KeywordIndex, block: Block) -> FloatArray:
    """(W, J) keyword scores of a block's workers."""
    return keyword.scores(known, truth.worker_words(block.workers))


def mismatch_of_keywords(truth: Truth, workers: IntArray) -> Estimate:
    """Mismatch rate of keyword matching over all open postings of all cities."""
    jobs = truth.open_jobs()
    known = keyword_index(truth, jobs)
    return mean(
        np.concatenate(
            [
                mismatched(
                    keyword_scores(truth, known, block),
                    block.allowed,
                    block.covered,
                    truth.threshold,
                )
                for block in truth.blocks(workers, jobs)
            ]
        )
    )


def destinations(truth: Truth, workers: IntArray, seed: int) -> IntArray:
    """(W,) where each goes who moves on a city's name alone: drawn by the pull of those allowed."""
    pull = {city.code: city.draw for city in DEVELOPMENT + REPORTING}
    cities = np.arange(len(truth.cities))
    open_to = may_move(truth.market, workers[:, None], cities[None, :])
    weights = open_to * np.array([pull[code] for code in truth.cities])
    edges = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    draw = np.random.Generator(np.random.PCG64(seed))
    return np.asarray(np.argmax(draw.random(len(workers))[:, None] < edges, axis=1))


def silo_success(truth: Truth, workers: IntArray, seed: int = 0) -> Estimate:
    """Cross-region success while cities are silos, for the willing among ``workers``.

    At home: the fit of the top five by keyword among the home city's postings within the filters.
    Elsewhere: the same after moving to a destination chosen without knowing its postings.
    """
    movers = workers[truth.willing(workers)]
    goal = destinations(truth, movers, seed)
    jobs = truth.open_jobs()
    known = keyword_index(truth, jobs)
    city = truth.market.jobs.city[jobs]
    home, away, first = [], [], 0
    for block in truth.blocks(movers, jobs):
        chosen = goal[first : first + len(block.workers)]
        first += len(block.workers)
        ranked = keyword_scores(truth, known, block)
        there = block.allowed & (city[None, :] == chosen[:, None])
        here = block.allowed & ~block.elsewhere
        home.append(fit_of_top(ranked, here, block.relevance, TOP)[0])
        away.append(fit_of_top(ranked, there, block.relevance, TOP)[0])
    return cross_region_success(np.concatenate(away), np.concatenate(home))
