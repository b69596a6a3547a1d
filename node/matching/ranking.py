"""Jobs ranked for one worker, with the chance each stands for and the parts its score is made of.

Takes postings from anywhere; must not know databases, where postings come from or how parameters
were learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from federation.model import scoring
from federation.model.encoding import encode_jobs, encode_workers
from federation.model.explanation import Part, explain
from federation.model.profiles import JobPosting, WorkerProfile


@dataclass(frozen=True)
class Match:
    """One ranked posting: ``score`` in logits, the sum of its parts; ``probability`` of it."""

    posting: JobPosting
    score: float
    probability: float
    parts: tuple[Part, ...]


def rank(
    parameters: NDArray[np.int64],
    worker: WorkerProfile,
    postings: Sequence[JobPosting],
    today: date,
    top: int,
) -> tuple[Match, ...]:
    """Return the ``top`` postings for a worker, best first; equal scores in order of handle.

    ``parameters``: int64[LENGTH] fixed point, else Malformed(OUT_OF_BOUND).
    """
    if not postings:
        return ()
    ordered = sorted(postings, key=lambda posting: posting.handle)
    table, person = encode_jobs(ordered, today), encode_workers([worker])
    values = scoring.scores(parameters, person, table)
    chances = scoring.probability(values)
    best = np.argsort(-values, kind="stable")[:top]
    return tuple(
        Match(
            posting=ordered[row],
            score=float(values[row]),
            probability=float(chances[row]),
            parts=explain(parameters, person, table.take(np.array([row]))),
        )
        for row in best.tolist()
    )
