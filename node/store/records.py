"""Reading and writing jobs, workers and outcomes.

What is read for training or ranking holds no name, number, address or note: this file decides the
columns, callers cannot ask for more. It must not know files, models or noise.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, func, insert, select, update

from federation.codes import occupations
from node.records import KEYS
from node.store.schema import RECORD_TABLES, jobs, workers

# Identifiers bound in one statement; SQLite's own limit is 32,766.
_CHUNK = 5_000

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """What writing rows did."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class StoredJob:
    """An open posting without its contact and free text."""

    job_id: str
    title: str
    occupation: str
    employer_id: str
    division: str
    longitude: float
    latitude: float
    skills: tuple[str, ...]
    experience_years: int
    pay_low: int
    pay_high: int
    hours_per_week: int
    shift: str
    contract: str
    insurance: str
    openings: int
    posted_on: date
    closes_on: date


@dataclass(frozen=True)
class StoredWorker:
    """A worker's qualifications and wishes, without what names the person."""

    worker_id: str
    division: str
    longitude: float
    latitude: float
    occupation: str
    skills: tuple[str, ...]
    experience_years: int
    wish_pay: int
    wish_hours: int
    wish_shift: str
    wish_contract: str
    wish_insurance: str
    max_distance_km: int
    move: str


def upsert(connection: Connection, table: str, rows: Sequence[Values]) -> Changes:
    """Insert new rows, update differing ones, leave equal ones alone.

    ``rows`` carry every column of ``table`` (jobs | workers | outcomes) and distinct keys.
    """
    target, key = RECORD_TABLES[table], KEYS[table]
    held = _held(connection, target, key, [row[key] for row in rows])
    fresh = [row for row in rows if row[key] not in held]
    differing = [row for row in rows if row[key] in held and held[row[key]] != row]
    if fresh:
        connection.execute(insert(target), [dict(row) for row in fresh])
    if differing:
        connection.execute(
            update(target).where(target.c[key] == bindparam("the_key")),
            [{**row, "the_key": row[key]} for row in differing],
        )
    return Changes(len(fresh), len(differing), len(rows) - len(fresh) - len(differing))


def known_ids(connection: Connection, table: str) -> frozenset[str]:
    """Every key held of a table."""
    return frozenset(connection.scalars(select(RECORD_TABLES[table].c[KEYS[table]])))


def open_jobs(connection: Connection, today: date) -> list[StoredJob]:
    """Postings one may apply to on ``today``, by job_id."""
    query = _columns_of(StoredJob, jobs).where(jobs.c.posted_on <= today, jobs.c.closes_on >= today)
    return [StoredJob(**_typed(row)) for row in connection.execute(query.order_by(jobs.c.job_id))]


def every_job(connection: Connection) -> list[StoredJob]:
    """All postings held, open or not, by job_id."""
    query = _columns_of(StoredJob, jobs).order_by(jobs.c.job_id)
    return [StoredJob(**_typed(row)) for row in connection.execute(query)]


def eligible_workers(connection: Connection) -> list[StoredWorker]:
    """Workers who consented to training, by worker_id."""
    query = _columns_of(StoredWorker, workers).where(workers.c.consent_training)
    ordered = query.order_by(workers.c.worker_id)
    return [StoredWorker(**_typed(row)) for row in connection.execute(ordered)]


def worker_by_id(connection: Connection, worker_id: str) -> StoredWorker | None:
    """One worker, or None."""
    query = _columns_of(StoredWorker, workers).where(workers.c.worker_id == worker_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredWorker(**_typed(row))


def openings_by_group(connection: Connection, today: date, level: int) -> dict[str, int]:
    """Openings of open jobs per occupation group of ``level`` 1–3. Exact: not for release."""
    query = (
        select(jobs.c.occupation, func.sum(jobs.c.openings))
        .where(jobs.c.posted_on <= today, jobs.c.closes_on >= today)
        .group_by(jobs.c.occupation)
    )
    return _grouped(connection.execute(query), level)


def seekers_by_group(connection: Connection, level: int) -> dict[str, int]:
    """Workers looking for work per occupation group of ``level`` 1–3. Exact: not for release."""
    query = (
        select(workers.c.occupation, func.count())
        .where(workers.c.seeking)
        .group_by(workers.c.occupation)
    )
    return _grouped(connection.execute(query), level)


def counts(connection: Connection) -> dict[str, int]:
    """Rows held per table. Exact: not for release."""
    return {
        name: connection.scalar(select(func.count()).select_from(table)) or 0
        for name, table in RECORD_TABLES.items()
    }


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


def _held(connection: Connection, table: Table, key: str, ids: list[str]) -> dict[str, Values]:
    return {
        row._mapping[key]: dict(row._mapping)
        for chunk in _chunks(ids)
        for row in connection.execute(select(table).where(table.c[key].in_(chunk)))
    }


def _columns_of(kind: type[StoredJob] | type[StoredWorker], table: Table) -> Any:
    return select(*(table.c[name] for name in kind.__dataclass_fields__))


def _typed(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    values["skills"] = tuple(tag for tag in values["skills"].split(";") if tag)
    return values


def _grouped(rows: Iterable[Row[str, int]], level: int) -> dict[str, int]:
    total: Counter[str] = Counter()
    for occupation, count in rows:
        total[occupations.prefix(occupation, level)] += count
    return dict(total)
