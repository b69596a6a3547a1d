"""The best open jobs of this city for one of its workers, from the store to the ranking.

Lives here: which parameters, which postings, which day. Nothing leaves the city. Must not know:
how a match is shown, or who asks.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from federation.documents.releases import ModelRelease
from federation.errors import Reason, Refused
from federation.model.parameters import LENGTH, MODEL_ID, initial_parameters
from federation.rounds.aggregate import from_bytes
from node.matching.profiles import posting_of, profile_of
from node.matching.ranking import Match, rank
from node.status import document_of
from node.store import feed, models, records
from node.store.records import StoredWorker


@dataclass(frozen=True)
class ModelInUse:
    """Parameters (int64[LENGTH], fixed point) and the release they came with.

    ``release`` and ``digest`` are None while no model was released: the public start is in use.
    """

    parameters: NDArray[np.int64]
    release: ModelRelease | None
    digest: bytes | None


@dataclass(frozen=True)
class Ranking:
    """What a worker gets: ``matches`` best first, out of ``open_jobs`` of this city."""

    worker: StoredWorker
    model: ModelInUse
    open_jobs: int
    matches: tuple[Match, ...]


def model_in_use(connection: Connection) -> ModelInUse:
    """The active release's parameters, else the public start."""
    active = models.active(connection, MODEL_ID)
    if active is None:
        return ModelInUse(initial_parameters(), None, None)
    stored = feed.by_identity(connection, active.release_digest)
    document = None if stored is None else document_of(stored)
    release = document if isinstance(document, ModelRelease) else None
    return ModelInUse(from_bytes(active.parameters, LENGTH), release, active.release_digest)


def rank_for(connection: Connection, worker_id: str, today: date, top: int) -> Ranking:
    """Rank the jobs open on ``today`` for a worker of this city.

    Raises Refused(NOT_FOUND) when the city holds no such worker.
    """
    worker = records.worker_by_id(connection, worker_id)
    if worker is None:
        raise Refused(Reason.NOT_FOUND, f"this city holds no worker {worker_id!r}")
    model = model_in_use(connection)
    postings = [posting_of(job) for job in records.open_jobs(connection, today)]
    matches = rank(model.parameters, profile_of(worker), postings, today, top)
    return Ranking(worker, model, len(postings), matches)
