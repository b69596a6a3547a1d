"""Ranking: best first whatever order postings come in, every score the sum of what is shown."""

from dataclasses import replace
from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from federation.errors import Malformed, Reason
from federation.model.features import PARTS
from federation.model.parameters import LENGTH, initial_parameters, to_fixed
from federation.model.profiles import CONTRACTS, INSURANCES, MOVES, SHIFTS, JobPosting
from federation.model.profiles import WorkerProfile as Profile
from node.matching.ranking import rank
from node.matching.rounding import hundredths

TODAY = date(2026, 3, 1)
TAGS = ("焊接", "电焊", "驾驶", "烹饪", "收银", "护理", "叉车")
CODES = ("4-10-08-01", "4-02-02-01", "4-03-02-01", "6-18-02-04", "6-05-01-03")
WORKER = Profile(
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

tags = st.lists(st.sampled_from(TAGS), max_size=4, unique=True).map(tuple)
postings = st.builds(
    JobPosting,
    handle=st.text("abcdef", min_size=1, max_size=6),
    occupation=st.sampled_from(CODES),
    division=st.sampled_from(("330106", "330282", "440305")),
    longitude=st.floats(113, 122),
    latitude=st.floats(22, 31),
    skills=tags,
    experience_years=st.integers(0, 20),
    pay_low=st.integers(1_000, 5_000),
    pay_high=st.integers(5_000, 20_000),
    hours_per_week=st.integers(1, 100),
    shift=st.sampled_from(SHIFTS),
    contract=st.sampled_from(CONTRACTS),
    insurance=st.sampled_from(INSURANCES),
    posted_on=st.dates(date(2026, 1, 1), TODAY),
    title=st.just("焊工"),
)
towns = st.lists(postings, min_size=1, max_size=12, unique_by=lambda p: p.handle)
workers = st.builds(
    replace,
    st.just(WORKER),
    skills=tags,
    occupation=st.sampled_from(CODES),
    experience_years=st.integers(0, 40),
    wish_pay=st.integers(1_000, 20_000),
    move=st.sampled_from(MOVES),
)


def trained(seed: int) -> NDArray[np.int64]:
    """Parameters as training might leave them."""
    drawn = np.random.default_rng(seed).normal(0, 0.3, LENGTH)
    return initial_parameters() + to_fixed(drawn)


@settings(max_examples=60, deadline=None)
@given(workers, towns, st.integers(0, 3))
def test_the_parts_add_up_to_the_score_and_the_shown_ones_to_the_shown(
    worker: Profile, town: list[JobPosting], seed: int
) -> None:
    for match in rank(trained(seed), worker, town, TODAY, len(town)):
        values = [part.value for part in match.parts]
        assert tuple(part.name for part in match.parts) == PARTS
        assert sum(values) == pytest.approx(match.score, abs=1e-6)
        assert match.probability == pytest.approx(expit(match.score))
        shown = hundredths(values, match.score)
        assert sum(shown) == round(100 * match.score)
        assert all(abs(s - 100 * v) < 1 for s, v in zip(shown, values, strict=True))


@settings(max_examples=60, deadline=None)
@given(towns, st.integers(0, 3), st.integers(1, 12), st.randoms())
def test_the_best_come_first_in_whatever_order_postings_are_given(
    town: list[JobPosting], seed: int, top: int, random: Random
) -> None:
    everything = rank(trained(seed), WORKER, town, TODAY, len(town))
    assert [m.score for m in everything] == sorted((m.score for m in everything), reverse=True)
    assert {m.posting for m in everything} == set(town)
    shuffled = random.sample(town, len(town))
    best = rank(trained(seed), WORKER, shuffled, TODAY, top)
    assert [m.posting for m in best] == [m.posting for m in everything[:top]]


def test_equal_scores_come_in_order_of_handle() -> None:
    one = JobPosting(
        handle="b",
        occupation="6-18-02-04",
        division="330106",
        longitude=120.1,
        latitude=30.3,
        skills=("焊接",),
        experience_years=2,
        pay_low=5000,
        pay_high=7000,
        hours_per_week=48,
        shift="day",
        contract="labour",
        insurance="full",
        posted_on=TODAY,
        title="焊工",
    )
    town = [one, replace(one, handle="c"), replace(one, handle="a")]
    matches = rank(initial_parameters(), WORKER, town, TODAY, 2)
    assert [m.posting.handle for m in matches] == ["a", "b"]


def test_without_postings_there_is_no_match() -> None:
    assert rank(initial_parameters(), WORKER, [], TODAY, 10) == ()


@settings(max_examples=20, deadline=None)
@given(towns)
def test_parameters_of_another_model_are_refused(town: list[JobPosting]) -> None:
    with pytest.raises(Malformed) as caught:
        rank(initial_parameters()[1:], WORKER, town, TODAY, 1)
    assert caught.value.reason is Reason.OUT_OF_BOUND


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_rounded_figures_add_up_to_the_rounded_total(values: list[float]) -> None:
    total = sum(values)
    shown = hundredths(values, total)
    assert sum(shown) == round(100 * total)
    assert all(abs(s - 100 * v) <= 1 for s, v in zip(shown, values, strict=True))


def test_a_figure_that_is_whole_already_stays_as_it_is() -> None:
    assert hundredths([0.5, -0.5, 0.0, 0.29], 0.29) == [50, -50, 0, 29]
    assert hundredths([1 / 3, 1 / 3, 1 / 3], 1.0) == [34, 33, 33]
