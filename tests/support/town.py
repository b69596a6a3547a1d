"""A city's records as the store holds them, and a town drawn once that has something to learn."""

from datetime import date, timedelta
from typing import Any

import numpy as np

from node.store import records
from node.store.engine import Store

TODAY = date(2026, 1, 1)
CODES = ("4-10-08-01", "4-02-02-01", "4-03-02-01", "6-18-02-04", "6-05-01-03")


def job_row(job_id: str, **changes: Any) -> dict[str, Any]:
    """A posting that is open on TODAY."""
    return {
        "job_id": job_id,
        "title": "电工",
        "occupation": "6-31-01-03",
        "employer_id": "e1",
        "employer_name": "厂",
        "division": "310101",
        "longitude": 121.5,
        "latitude": 31.2,
        "skills": "电工证;PLC",
        "experience_years": 1,
        "pay_low": 6000,
        "pay_high": 8000,
        "hours_per_week": 44,
        "shift": "day",
        "contract": "labour",
        "insurance": "full",
        "openings": 3,
        "posted_on": TODAY - timedelta(days=20),
        "closes_on": TODAY + timedelta(days=20),
        "contact": "张",
        "description": "",
        **changes,
    }


def worker_row(worker_id: str, **changes: Any) -> dict[str, Any]:
    """A worker who seeks work and consents to training."""
    return {
        "worker_id": worker_id,
        "name": "李",
        "id_number_hash": None,
        "phone_hash": None,
        "gender": "female",
        "birth_date": date(1990, 1, 1),
        "division": "310101",
        "longitude": 121.5,
        "latitude": 31.2,
        "address": "路",
        "occupation": "6-31-01-03",
        "skills": "PLC",
        "experience_years": 3,
        "wish_pay": 7000,
        "wish_hours": 40,
        "wish_shift": "any",
        "wish_contract": "any",
        "wish_insurance": "any",
        "max_distance_km": 20,
        "move": "province",
        "seeking": True,
        "consent_training": True,
        "note": "",
        **changes,
    }


def outcome_row(outcome_id: str, worker_id: str, job_id: str, event: str) -> dict[str, Any]:
    """An event ten days before TODAY."""
    return {
        "outcome_id": outcome_id,
        "worker_id": worker_id,
        "job_id": job_id,
        "event": event,
        "occurred_on": TODAY - timedelta(days=10),
    }


def write(store: Store, **tables: list[dict[str, Any]]) -> None:
    """Write rows of jobs, workers and outcomes, in this order."""
    with store.write() as connection:
        for table in ("jobs", "workers", "outcomes"):
            records.upsert(connection, table, tables.get(table, []))


def settle(store: Store, workers: int = 80, jobs: int = 30) -> list[str]:
    """Fill a store with people, each with a good and a bad outcome; return their identifiers."""
    draw = np.random.default_rng(7)
    names = [f"w{number:03}" for number in range(workers)]
    write(
        store,
        jobs=[
            job_row(
                f"j{number:03}",
                occupation=str(draw.choice(CODES)),
                pay_low=int(draw.integers(3_000, 8_000)),
                longitude=121 + float(draw.normal()),
            )
            for number in range(jobs)
        ],
        workers=[worker_row(name, occupation=str(draw.choice(CODES))) for name in names],
        outcomes=[
            outcome_row(f"{name}-{event}", name, f"j{draw.integers(half, jobs, 1)[0]:03}", event)
            for name in names
            for half, event in ((0, "completed"), (jobs // 2, "quit"))
        ],
    )
    return names
