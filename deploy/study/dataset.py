"""A market folder read for the study: every city's files side by side, which no node ever sees.

Knows the CSV columns and nothing of models; what a pair's events mean is the model's own rule.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from federation.model.examples import Outcome
from federation.model.profiles import JobPosting, WorkerProfile


@dataclass(frozen=True)
class CityData:
    """One city's records; only workers in ``consenting`` may be trained on."""

    division: str
    jobs: tuple[JobPosting, ...]
    closes: tuple[date, ...]  # of each job
    workers: tuple[WorkerProfile, ...]
    consenting: frozenset[str]  # worker handles
    outcomes: tuple[Outcome, ...]


def load_market(folder: Path) -> tuple[CityData, ...]:
    """Return the cities of a market folder, one sub-folder ``<division>/`` each, ascending.

    Raises Malformed naming the first row whose field breaks its rule, KeyError on a missing column.
    """
    names = sorted(path.name for path in folder.iterdir() if path.name.isdecimal())
    return tuple(load_city(folder / name) for name in names)


def load_city(folder: Path) -> CityData:
    """Return the records of one city's folder, named by its division code."""
    jobs = _rows(folder / "jobs.csv")
    workers = _rows(folder / "workers.csv")
    return CityData(
        division=folder.name,
        jobs=tuple(_job(row) for row in jobs),
        closes=tuple(date.fromisoformat(row["closes_on"]) for row in jobs),
        workers=tuple(_worker(row) for row in workers),
        consenting=frozenset(
            row["worker_id"] for row in workers if row["consent_training"] == "yes"
        ),
        outcomes=tuple(_outcome(row) for row in _rows(folder / "outcomes.csv")),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _tags(cell: str) -> tuple[str, ...]:
    return tuple(tag for tag in cell.split(";") if tag)


def _job(row: Mapping[str, str]) -> JobPosting:
    return JobPosting(
        handle=row["job_id"],
        occupation=row["occupation"],
        division=row["division"],
        longitude=float(row["longitude"]),
        latitude=float(row["latitude"]),
        skills=_tags(row["skills"]),
        experience_years=int(row["experience_years"]),
        pay_low=int(row["pay_low"]),
        pay_high=int(row["pay_high"]),
        hours_per_week=int(row["hours_per_week"]),
        shift=row["shift"],
        contract=row["contract"],
        insurance=row["insurance"],
        posted_on=date.fromisoformat(row["posted_on"]),
        title=row["title"],
    )


def _worker(row: Mapping[str, str]) -> WorkerProfile:
    return WorkerProfile(
        handle=row["worker_id"],
        occupation=row["occupation"],
        division=row["division"],
        longitude=float(row["longitude"]),
        latitude=float(row["latitude"]),
        skills=_tags(row["skills"]),
        experience_years=int(row["experience_years"]),
        wish_pay=int(row["wish_pay"]),
        wish_hours=int(row["wish_hours"]),
        wish_shift=row["wish_shift"],
        wish_contract=row["wish_contract"],
        wish_insurance=row["wish_insurance"],
        max_distance_km=int(row["max_distance_km"]),
        move=row["move"],
    )


def _outcome(row: Mapping[str, str]) -> Outcome:
    return Outcome(
        worker=row["worker_id"],
        job=row["job_id"],
        event=row["event"],
        occurred_on=date.fromisoformat(row["occurred_on"]),
    )
