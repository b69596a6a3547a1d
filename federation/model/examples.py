"""Training examples: what became of a worker's jobs, and jobs drawn from the same city beside them.

Both the node and the study build their examples here; nothing is known of databases or files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.encoding import Integers, JobTable, WorkerTable
from federation.model.pairs import PairColumns, pair_columns

POSITIVE_EVENTS: Final = frozenset({"completed"})
NEGATIVE_EVENTS: Final = frozenset({"rejected", "quit", "arrears"})
NEGATIVES: Final = 8  # jobs drawn beside each worker's outcomes


class Label(IntEnum):
    """What a pair tells: it ended well, it ended badly, or it was drawn without an outcome."""

    GOOD = 1
    BAD = 0
    DRAWN = -1


@dataclass(frozen=True)
class Outcome:
    """One event between a worker and a job of the same city, by their handles."""

    worker: str
    job: str
    event: str
    occurred_on: date


@dataclass(frozen=True)
class Examples:
    """Pairs of W workers, sorted by worker and sector; a worker's pairs lie together."""

    columns: PairColumns
    label: Integers  # (P,), values of Label
    starts: Integers  # (W,), first pair of each worker

    def __len__(self) -> int:
        return len(self.starts)


def label_of(events: Iterable[str]) -> Label | None:
    """Return what a pair's events amount to, None while open; a bad end outweighs completion."""
    seen = frozenset(events)
    if seen & NEGATIVE_EVENTS:
        return Label.BAD
    return Label.GOOD if seen & POSITIVE_EVENTS else None


def build_examples(
    workers: WorkerTable,
    jobs: JobTable,
    outcomes: Sequence[Outcome],
    generator: np.random.Generator,
    negatives: int = NEGATIVES,
) -> Examples:
    """Return the examples of every worker with an ended outcome, ``negatives`` jobs drawn for each.

    Outcomes of handles outside the two tables are left out. A drawn job never is one the worker
    has any event with, and its recency is read on the day of one of the worker's outcomes.
    """
    worker_row = {handle: row for row, handle in enumerate(workers.handles)}
    job_row = {handle: row for row, handle in enumerate(jobs.handles)}
    events: dict[tuple[int, int], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.worker in worker_row and outcome.job in job_row:
            pair = worker_row[outcome.worker], job_row[outcome.job]
            events.setdefault(pair, []).append(outcome)
    ended = _ended_pairs(events)
    drawn = _drawn_pairs(ended, frozenset(events), len(jobs), negatives, generator)
    return _assemble(workers, jobs, np.concatenate([ended, drawn]))


def choose(examples: Examples, kept: NDArray[np.bool_]) -> Examples:
    """Return the examples of the workers marked in ``kept`` (bool[W])."""
    lengths = np.diff(np.append(examples.starts, len(examples.label)))
    pairs = np.repeat(kept, lengths)
    columns = examples.columns
    return Examples(
        columns=PairColumns(
            worker=columns.worker[pairs],
            features=columns.features[pairs],
            sector=columns.sector[pairs],
            worker_occupation=columns.worker_occupation,
            worker_skills=columns.worker_skills,
            job_occupation=columns.job_occupation[pairs],
            uncovered=columns.uncovered[pairs],
        ),
        label=examples.label[pairs],
        starts=_starts(columns.worker[pairs]),
    )


def _ended_pairs(events: Mapping[tuple[int, int], Sequence[Outcome]]) -> Integers:
    """Return rows (worker, job, label, day number)."""
    rows = []
    for (worker, job), found in events.items():
        label = label_of(outcome.event for outcome in found)
        if label is not None:
            day = min(outcome.occurred_on for outcome in found)
            rows.append((worker, job, int(label), day.toordinal()))
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _drawn_pairs(
    ended: Integers,
    known: frozenset[tuple[int, int]],
    jobs: int,
    negatives: int,
    generator: np.random.Generator,
) -> Integers:
    people, first = np.unique(ended[:, 0], return_index=True)
    if not len(people):
        return np.empty((0, 4), dtype=np.int64)
    worker = np.repeat(people, negatives)
    job = generator.integers(0, jobs, size=len(worker))
    label = np.full(len(worker), int(Label.DRAWN))
    day = np.repeat(ended[first, 3], negatives)
    rows = np.unique(np.stack([worker, job, label, day], axis=1), axis=0)
    unknown = [(w, j) not in known for w, j in rows[:, :2].tolist()]
    kept: Integers = rows[np.array(unknown, dtype=bool)]
    return kept


def _assemble(workers: WorkerTable, jobs: JobTable, rows: Integers) -> Examples:
    order = np.lexsort((jobs.occupation.sector[rows[:, 1]], rows[:, 0]))
    worker, job, label, day = rows[order].T
    return Examples(
        columns=pair_columns(workers, worker, jobs, job, day),
        label=label,
        starts=_starts(worker),
    )


def _starts(worker: Integers) -> Integers:
    starts: Integers = np.flatnonzero(np.diff(worker, prepend=-1))
    return starts
