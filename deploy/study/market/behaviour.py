"""What people did: where they applied in their own city, and how it went.

This file must not know files or models; it draws events from the true fit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from deploy.study.market import facts
from deploy.study.market.arrays import FloatArray, IntArray, Jobs, Workers
from deploy.study.market.fit import (
    FLEXIBLE,
    Market,
    flat_positions,
    kilometres,
    paid,
    pair_coverage,
    skilled,
    stays,
)
from deploy.study.market.fit import log_pay as pay_gain

EVENTS = ("applied", "rejected", "hired", "completed", "quit", "arrears")
APPLIED, REJECTED, HIRED, COMPLETED, QUIT, ARREARS = range(6)
#: Rows of workers whose candidates are scored at once.
BLOCK = 512
#: Postings a worker looks at. Source: 155.8 exposures a user, Zhilian 2019.
SEEN = 156
#: Choice of where to apply: weight of a shared word, the same occupation, the same trade, log pay,
#: each wish met, a kilometre; noise has unit (Gumbel) scale.
WORD_PULL, TITLE_PULL, TRADE_PULL, PAY_PULL = 1.0, 1.2, 2.0, 2.0
WISH_PULL, KM_PULL = 0.6, 0.08
#: Shares: applications that follow no search at all, skill failures found before hiring, places
#: taken by somebody else, engagements whose end was never reported.
STRAY, INTERVIEWED, TAKEN, UNREPORTED = 0.25, 0.75, 0.06, 0.05
MOST_APPLICATIONS = 30


@dataclass(frozen=True)
class Events:
    """One event per row; days count from the reference day."""

    worker: IntArray
    job: IntArray
    event: IntArray
    day: IntArray


def application_counts(draw: np.random.Generator, size: int) -> IntArray:
    """Lognormal with the published median and ninth decile, at least one."""
    spread = np.log(facts.APPLICATIONS_P90 / facts.APPLICATIONS_P50) / 1.2816
    drawn = np.exp(draw.normal(np.log(facts.APPLICATIONS_P50 + 0.5), spread, size))
    return np.clip(drawn, 1, MOST_APPLICATIONS).astype(np.int64)


def _incidence(table: Jobs | Workers, rows: IntArray, wordings: int) -> csr_matrix:
    """(rows, wordings) with a one where the row lists the wording."""
    lengths = table.start[rows + 1] - table.start[rows]
    who = np.repeat(np.arange(len(rows)), lengths)
    listed = table.wording[flat_positions(table.start[rows], lengths)]
    ones = np.ones(len(listed))
    return csr_matrix((ones, (who, listed)), shape=(len(rows), wordings))


def shared_words(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """(W, J) number of identically worded skills."""
    wordings = int(max(market.jobs.wording.max(), market.workers.wording.max())) + 1
    people = _incidence(market.workers, worker, wordings)
    jobs = _incidence(market.jobs, job, wordings)
    return np.asarray((people @ jobs.T).toarray(), dtype=np.float64)


def _as_wished(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Number of stated wishes (hours, shift, contract, insurance) that a posting meets, 0–4."""
    people, jobs = market.workers, market.jobs
    wish, shift = people.wish_shift[worker], jobs.shift[job]
    met = (jobs.hours[job] <= people.wish_hours[worker]).astype(np.float64)
    met = met + ((wish == 0) | (wish == shift + 1) | (shift == FLEXIBLE))
    met = met + (jobs.contract[job] >= people.wish_contract[worker])
    return np.asarray(met + (jobs.insurance[job] >= people.wish_insurance[worker]))


def _pull(market: Market, worker: IntArray, seen: IntArray, words: FloatArray) -> FloatArray:
    """(W, S) how much each posting seen attracts each worker."""
    people, jobs, row = market.workers, market.jobs, worker[:, None]
    pull = WORD_PULL * words
    pull = pull + TITLE_PULL * (people.occupation[row] == jobs.occupation[seen])
    pull = pull + TRADE_PULL * (people.trade[row] == jobs.trade[seen])
    pull = pull + WISH_PULL * _as_wished(market, row, seen)
    pull = pull + PAY_PULL * np.clip(pay_gain(market, row, seen), -1.0, 0.5)
    return np.asarray(pull - KM_PULL * kilometres(market, row, seen))


def _seen(
    market: Market, worker: IntArray, job: IntArray, words: FloatArray, draw: np.random.Generator
) -> IntArray:
    """(W, SEEN) columns looked at: half found by searching words and trade, half come across."""
    same = market.workers.trade[worker][:, None] == market.jobs.trade[job][None, :]
    found = words + 1.5 * same + draw.random(words.shape)
    half = min(SEEN // 2, len(job))
    searched = np.argpartition(-found, half - 1, axis=1)[:, :half]
    met = draw.integers(0, len(job), (len(worker), SEEN - half))
    return np.concatenate([np.sort(searched, axis=1), met], axis=1)


def applications(
    market: Market, worker: IntArray, job: IntArray, draw: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """(worker, job) of every application of these workers to these postings."""
    counts = application_counts(draw, len(worker))
    found: list[tuple[IntArray, IntArray]] = []
    for first in range(0, len(worker), BLOCK):
        rows = worker[first : first + BLOCK]
        words = shared_words(market, rows, job)
        column = _seen(market, rows, job, words, draw)
        words = np.take_along_axis(words, column, axis=1)
        pull = _pull(market, rows, job[column], words)
        stray = draw.random(len(rows))[:, None] < STRAY
        pull = np.where(stray, 0.4 * pull, pull) + draw.gumbel(size=pull.shape)
        order = np.argsort(-pull, axis=1, kind="stable")[:, :MOST_APPLICATIONS]
        taken = np.arange(order.shape[1])[None, :] < counts[first : first + BLOCK, None]
        who = np.broadcast_to(np.arange(len(rows))[:, None], order.shape)[taken]
        pairs = np.unique(np.stack([rows[who], job[column[who, order[taken]]]], axis=1), axis=0)
        found.append((pairs[:, 0], pairs[:, 1]))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def events(market: Market, applied: tuple[IntArray, IntArray], draw: np.random.Generator) -> Events:
    """Draw what became of each application; nothing after the reference day is recorded."""
    worker, job = applied
    size = len(worker)
    covered = pair_coverage(market, worker, job)
    able = draw.random(size) < skilled(market, worker, job, covered)
    honest = draw.random(size) < paid(market, worker, job)
    content = draw.random(size) < stays(market, worker, job)
    refused = (~able & (draw.random(size) < INTERVIEWED)) | (draw.random(size) < TAKEN)
    outcome = np.where(content, np.where(honest, COMPLETED, ARREARS), QUIT)
    outcome = np.where(able, outcome, QUIT)
    asked = market.jobs.posted[job] + draw.integers(0, 25, size)
    answered = asked + draw.integers(1, 10, size)
    length = np.select(
        [outcome == COMPLETED, outcome == ARREARS],
        [draw.integers(31, 200, size), draw.integers(30, 90, size)],
        draw.integers(1, 30, size),
    )
    known = draw.random(size) >= UNREPORTED
    kinds = [
        (np.ones(size, dtype=bool), np.full(size, APPLIED), asked),
        (refused, np.full(size, REJECTED), answered),
        (~refused, np.full(size, HIRED), answered),
        (~refused & known, outcome, answered + length),
    ]
    rows = np.concatenate([np.flatnonzero(keep & (day <= 0)) for keep, _, day in kinds])
    kind = np.concatenate([event[keep & (day <= 0)] for keep, event, day in kinds])
    when = np.concatenate([day[keep & (day <= 0)] for keep, _, day in kinds])
    order = np.lexsort((kind, when, rows))
    return Events(worker[rows][order], job[rows][order], kind[order], when[order])
