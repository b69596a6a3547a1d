"""A city's own CSV files, row by row, as tests write and damage them."""

import csv
from collections.abc import Iterable
from pathlib import Path

from node.records import columns


def job(number: int, **changes: str) -> list[str]:
    row = {
        "job_id": f"j{number}",
        "title": "维修, 电工",
        "occupation": "6-31-01-03",
        "employer_id": "e1",
        "employer_name": "厂",
        "division": "440305",
        "longitude": "113.9",
        "latitude": "22.5",
        "skills": "电工证;PLC",
        "experience_years": "1",
        "pay_low": "6000",
        "pay_high": "8000",
        "hours_per_week": "44",
        "shift": "day",
        "contract": "labour",
        "insurance": "full",
        "openings": "3",
        "posted_on": "2025-05-01",
        "closes_on": "2025-07-01",
        "contact": "张",
        "description": "两\n行",
    }
    return list({**row, **changes}.values())


def worker(number: int, **changes: str) -> list[str]:
    row = {
        "worker_id": f"w{number}",
        "name": f"李{number}",
        "id_number": "11010519491231002X",
        "phone": "13800138000",
        "gender": "female",
        "birth_date": "1990-01-01",
        "division": "440305",
        "longitude": "113.9",
        "latitude": "22.5",
        "address": "路",
        "occupation": "6-31-01-03",
        "skills": "PLC",
        "experience_years": "3",
        "wish_pay": "7000",
        "wish_hours": "40",
        "wish_shift": "any",
        "wish_contract": "any",
        "wish_insurance": "any",
        "max_distance_km": "20",
        "move": "province",
        "seeking": "yes",
        "consent_training": "yes",
        "note": "",
    }
    return list({**row, **changes}.values())


def outcome(number: int, worker_id: str = "w1", job_id: str = "j1", **changes: str) -> list[str]:
    row = {
        "outcome_id": f"o{number}",
        "worker_id": worker_id,
        "job_id": job_id,
        "event": "hired",
        "occurred_on": "2025-05-20",
    }
    return list({**row, **changes}.values())


def write(folder: Path, kind: str, rows: Iterable[list[str]], encoding: str = "utf-8") -> Path:
    path = folder / f"{kind}.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([columns(kind), *rows])
    return path
