"""A small town drawn once: postings, workers and outcomes for the model's tests."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from federation.model.encoding import JobTable, WorkerTable, encode_jobs, encode_workers
from federation.model.examples import Examples, Outcome, build_examples
from federation.model.parameters import LENGTH, initial_parameters, to_fixed
from federation.model.profiles import (
    CONTRACTS,
    INSURANCES,
    MOVES,
    SHIFTS,
    WISH_CONTRACTS,
    WISH_INSURANCES,
    WISH_SHIFTS,
    JobPosting,
    WorkerProfile,
)

TODAY = date(2026, 3, 1)
TAGS = (
    "焊接",
    "电焊",
    "驾驶",
    "烹饪",
    "收银",
    "护理",
    "叉车",
    "缝纫",
    "电工",
    "装配",
    "质检",
    "客服",
)
CODES = ("4-10-08-01", "4-02-02-01", "4-03-02-01", "6-18-02-04", "6-05-01-03", "9-99-99-99")

JOB = JobPosting(
    handle="job",
    occupation="6-18-02-04",
    division="330106",
    longitude=120.1,
    latitude=30.3,
    skills=("焊接", "质检"),
    experience_years=2,
    pay_low=5000,
    pay_high=7000,
    hours_per_week=48,
    shift="day",
    contract="labour",
    insurance="full",
    posted_on=date(2026, 2, 20),
    title="焊工",
)
WORKER = WorkerProfile(
    handle="worker",
    occupation="6-18-02-04",
    division="330102",
    longitude=120.2,
    latitude=30.2,
    skills=("焊接", "叉车"),
    experience_years=4,
    wish_pay=5500,
    wish_hours=50,
    wish_shift="day",
    wish_contract="service",
    wish_insurance="injury",
    max_distance_km=30,
    move="province",
)


def draw_jobs(generator: np.random.Generator, count: int) -> list[JobPosting]:
    def job(number: int) -> JobPosting:
        pay = int(generator.integers(2000, 9000))
        return replace(
            JOB,
            handle=f"j{number}",
            occupation=str(generator.choice(CODES)),
            longitude=120 + float(generator.normal()),
            skills=tuple(generator.choice(TAGS, int(generator.integers(0, 5)), replace=False)),
            experience_years=int(generator.integers(0, 6)),
            pay_low=pay,
            pay_high=pay + 2000,
            hours_per_week=int(generator.integers(20, 70)),
            shift=str(generator.choice(SHIFTS)),
            contract=str(generator.choice(CONTRACTS)),
            insurance=str(generator.choice(INSURANCES)),
            posted_on=TODAY - timedelta(days=int(generator.integers(0, 40))),
        )

    return [job(number) for number in range(count)]


def draw_workers(generator: np.random.Generator, count: int) -> list[WorkerProfile]:
    def worker(number: int) -> WorkerProfile:
        return replace(
            WORKER,
            handle=f"w{number}",
            occupation=str(generator.choice(CODES)),
            latitude=30 + float(generator.normal()),
            skills=tuple(generator.choice(TAGS, int(generator.integers(0, 6)), replace=False)),
            experience_years=int(generator.integers(0, 15)),
            wish_pay=int(generator.integers(0, 9000)),
            wish_hours=int(generator.integers(20, 70)),
            wish_shift=str(generator.choice(WISH_SHIFTS)),
            wish_contract=str(generator.choice(WISH_CONTRACTS)),
            wish_insurance=str(generator.choice(WISH_INSURANCES)),
            max_distance_km=int(generator.integers(0, 60)),
            move=str(generator.choice(MOVES)),
        )

    return [worker(number) for number in range(count)]


def draw_outcomes(
    generator: np.random.Generator, workers: int, jobs: int, count: int
) -> list[Outcome]:
    events = ("applied", "completed", "quit", "rejected", "arrears")
    return [
        Outcome(
            worker=f"w{generator.integers(workers)}",
            job=f"j{generator.integers(jobs)}",
            event=str(generator.choice(events)),
            occurred_on=TODAY - timedelta(days=int(generator.integers(0, 30))),
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="session")
def job() -> JobPosting:
    return JOB


@pytest.fixture(scope="session")
def worker() -> WorkerProfile:
    return WORKER


@pytest.fixture(scope="session")
def today() -> date:
    return TODAY


@pytest.fixture(scope="session")
def jobs() -> JobTable:
    return encode_jobs(draw_jobs(np.random.default_rng(1), 80), TODAY)


@pytest.fixture(scope="session")
def workers() -> WorkerTable:
    return encode_workers(draw_workers(np.random.default_rng(2), 60))


@pytest.fixture(scope="session")
def outcomes() -> list[Outcome]:
    return draw_outcomes(np.random.default_rng(3), 60, 80, 240)


@pytest.fixture(scope="session")
def examples(workers: WorkerTable, jobs: JobTable, outcomes: list[Outcome]) -> Examples:
    return build_examples(workers, jobs, outcomes, np.random.default_rng(4))


@pytest.fixture(scope="session")
def parameters() -> np.ndarray:
    """A point away from the start, so that every block matters."""
    return initial_parameters() + to_fixed(np.random.default_rng(5).normal(size=LENGTH) * 0.2)
