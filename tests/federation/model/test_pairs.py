from dataclasses import replace
from datetime import date
from math import degrees

import numpy as np
import pytest

from federation.model.encoding import encode_jobs, encode_workers
from federation.model.features import FEATURES, NAMES, POSITION
from federation.model.pairs import EARTH_RADIUS, distance_km, pair_columns
from federation.model.scoring import lone_columns
from federation.model.tables import WIDTH

# what changes on the worker, what on the job, the feature and its value
CASES = {
    "two of three tags are exact": (
        {"skills": ("a焊", "b车", "c缝")}, {"skills": ("a焊", "b车", "z烹")}, "skill_exact", 2 / 3),
    "a tag written twice counts once": (
        {"skills": ("Excel",)}, {"skills": ("Excel", "EXCEL", "焊")}, "skill_exact", 1 / 2),
    "nothing asked is all covered": ({}, {"skills": ()}, "skill_exact", 1),
    "a worker without tags covers nothing": ({"skills": ()}, {}, "skill_exact", 0),
    "two missing tags are half of four": (
        {"skills": ()}, {"skills": ("焊接", "质检")}, "skill_missing", 0.5),
    "an equal tag is as near as can be": (
        {"skills": ("焊接",)}, {"skills": ("焊接",)}, "skill_close", 1),
    "the same unit": ({}, {}, "occupation_unit", 1),
    "another unit of the minor group": ({}, {"occupation": "6-18-02-01"}, "occupation_unit", 0),
    "still the same minor group": ({}, {"occupation": "6-18-02-01"}, "occupation_minor", 1),
    "equal last parts of another sector": (
        {}, {"occupation": "6-19-02-04"}, "occupation_unit", 0),
    "three years short": (
        {"experience_years": 0}, {"experience_years": 3}, "experience_short", 1),
    "pay 10 % below the wish": ({"wish_pay": 10_000}, {"pay_low": 1, "pay_high": 9000},
        "pay_below_wish", 0.2),
    "no wish for pay": ({"wish_pay": 0}, {}, "pay_below_wish", 0),
    "ten hours over": ({"wish_hours": 38}, {"hours_per_week": 48}, "hours_over", 0.5),
    "the shift wished": ({"wish_shift": "night"}, {"shift": "night"}, "shift_unwanted", 0),
    "not the shift wished": ({"wish_shift": "night"}, {"shift": "day"}, "shift_unwanted", 1),
    "any shift will do": ({"wish_shift": "any"}, {"shift": "rotating"}, "shift_unwanted", 0),
    "a flexible job suits": ({"wish_shift": "day"}, {"shift": "flexible"}, "shift_unwanted", 0),
    "a labour contract wished, none given": (
        {"wish_contract": "labour"}, {"contract": "none"}, "contract_short", 1),
    "any contract will do": ({"wish_contract": "any"}, {"contract": "none"}, "contract_short", 0),
    "injury insurance wished, none given": (
        {"wish_insurance": "injury"}, {"insurance": "none"}, "insurance_short", 0.5),
    "next door": ({}, {"longitude": 120.2, "latitude": 30.2}, "distance_share", 0),
    "at the limit, in the home city": (
        {"longitude": 120.0, "latitude": 30.0, "max_distance_km": 20},
        {"longitude": 120.0, "latitude": 30.0 + degrees(20 / EARTH_RADIUS)}, "distance_share", 0.5),
    "distance counts in the home city only": (
        {}, {"division": "330300", "longitude": 120.7, "latitude": 28.0}, "distance_share", 0),
    "beyond reach, another province, stays in the province": (
        {}, {"division": "440300", "longitude": 114.0, "latitude": 22.5}, "move_unwilling", 1),
    "beyond reach, another province, goes anywhere": (
        {"move": "anywhere"}, {"division": "440300", "longitude": 114.0, "latitude": 22.5},
        "move_unwilling", 0),
    "beyond reach, same province": (
        {}, {"division": "330300", "longitude": 120.7, "latitude": 28.0}, "move_willing", 1),
    "posted today": ({}, {"posted_on": date(2026, 3, 1)}, "recency", 1),
    "posted thirty days ago": ({}, {"posted_on": date(2026, 1, 30)}, "recency", 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("worker_change", "job_change", "name", "value"), CASES.values(), ids=CASES.keys()
)
def test_feature(worker, job, today, worker_change, job_change, name, value):
    people = encode_workers([replace(worker, **worker_change)])
    openings = encode_jobs([replace(job, **job_change)], today)
    columns = lone_columns(people, openings)
    assert columns.features[0, POSITION[name]] == pytest.approx(value, abs=1e-12)


def test_features_are_bounded(workers, jobs):
    for row in range(len(workers)):
        assert np.abs(lone_columns(workers.take(slice(row, row + 1)), jobs).features).max() <= 1


def test_one_against_many_equals_pair_by_pair(workers, jobs):
    rows, columns = np.meshgrid(np.arange(len(workers)), np.arange(len(jobs)), indexing="ij")
    together = pair_columns(workers, rows.ravel(), jobs, columns.ravel(), jobs.today)
    for row in range(len(workers)):
        alone = lone_columns(workers.take(slice(row, row + 1)), jobs)
        span = slice(row * len(jobs), (row + 1) * len(jobs))
        assert np.allclose(together.features[span], alone.features, atol=1e-12)
        assert np.allclose(together.uncovered[span], alone.uncovered, atol=1e-12)


def test_a_pair_does_not_depend_on_who_else_is_in_the_tables(workers, jobs):
    some_workers, some_jobs = workers.take(slice(7, 8)), jobs.take(slice(11, 12))
    inside = pair_columns(workers, np.array([7]), jobs, np.array([11]), jobs.today)
    outside = pair_columns(some_workers, np.array([0]), some_jobs, np.array([0]), jobs.today)
    assert np.allclose(inside.features, outside.features, atol=1e-12)


def test_distance_of_two_known_cities(worker, job, today):
    # Beijing to Shanghai, great circle, 1067 km
    here = encode_workers([replace(worker, longitude=116.40, latitude=39.90)])
    there = encode_jobs([replace(job, longitude=121.47, latitude=31.23)], today)
    assert distance_km(here.place, there.place)[0] == pytest.approx(1067, abs=2)


def test_every_feature_is_named_once():
    assert len(set(NAMES)) == len(FEATURES)


def test_empty_tables_have_columns(today):
    assert len(encode_workers([])) == 0
    assert encode_jobs([], today).occupation.vector.shape == (0, WIDTH)
