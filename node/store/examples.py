"""What training reads of outcomes, and whether the people behind cached examples still consent.

Identifiers, events and dates only. This file must not know models or what an event means.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Text, bindparam, func, select

from node.store.schema import outcomes, workers

# One JSON parameter whatever the number of identifiers. As a set, not a join: joined, SQLite has
# no statistics of it and reads the whole list again for each consenting worker.
_asked = func.json_each(bindparam("ids", type_=Text)).table_valued("value")
_CONSENTING = select(workers.c.worker_id).where(
    workers.c.worker_id.in_(select(_asked.c.value)), workers.c.consent_training
)


@dataclass(frozen=True)
class StoredOutcome:
    """One event between one of the city's workers and one of its jobs."""

    worker_id: str
    job_id: str
    event: str
    occurred_on: date


def consented_outcomes(connection: Connection) -> list[StoredOutcome]:
    """Every event of workers who consented to training, by worker, job and day."""
    columns = tuple(outcomes.c[name] for name in StoredOutcome.__dataclass_fields__)
    query = (
        select(*columns)
        .join(workers, workers.c.worker_id == outcomes.c.worker_id)
        .where(workers.c.consent_training)
        .order_by(outcomes.c.worker_id, outcomes.c.job_id, outcomes.c.occurred_on)
    )
    return [StoredOutcome(*row) for row in connection.execute(query)]


def still_consenting(connection: Connection, worker_ids: Sequence[str]) -> frozenset[str]:
    """Those of ``worker_ids`` who are held and consent to training now."""
    rows = connection.execute(_CONSENTING, {"ids": json.dumps(list(worker_ids))})
    return frozenset(row.worker_id for row in rows)
