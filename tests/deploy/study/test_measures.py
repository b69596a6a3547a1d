"""The study's measures against cases worked by hand."""

import math

import numpy as np
import pytest

from deploy.study import measures

NAN = float("nan")


def row(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float64)


@pytest.mark.parametrize(
    ("scores", "relevance", "value"),
    [
        (row(3, 2, 1), row(1, 0.5, 0), 1.0),
        (row(1, 2, 3), row(0, 0, 1), 1.0),
        (row(3, 2, 1), row(0, 0, 1), 1 / 2),  # third place: 1 / log2(4)
        (row(3, 2), row(0.5, 1), (0.5 + 1 / math.log2(3)) / (1 + 0.5 / math.log2(3))),
        (row(1, 2), row(0, 0), 0.0),
        (row(1, 1), row(1, 0), 1.0),  # the earlier column wins a tie
    ],
)
def test_ndcg(scores, relevance, value):
    assert measures.ndcg(scores, relevance)[0] == pytest.approx(value)


def test_ndcg_looks_at_ten_ranks_only():
    scores = -np.arange(12.0)[None, :]
    relevance = np.zeros((1, 12))
    relevance[0, 10] = 1
    assert measures.ndcg(scores, relevance)[0] == 0


def test_recall_is_the_fit_found_over_the_most_that_places_could_hold():
    scores = -np.arange(30.0)[None, :]
    relevance = np.zeros((1, 30))
    relevance[0, [0, 19, 20]] = [0.5, 0.25, 1.0]
    assert measures.recall(scores, relevance)[0] == pytest.approx(0.75 / 1.75)


def test_mismatch_is_read_off_the_first_posting_within_the_filters():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    allowed = np.array([[True, True, True], [False, True, True], [False, False, False]])
    covered = np.array([[0.2, 0.9, 0.9], [0.2, 0.6, 0.1], [1.0, 1.0, 1.0]])
    found = measures.mismatched(scores, allowed, covered, 0.6)
    assert found[:2].tolist() == [1.0, 0.0]
    assert np.isnan(found[2])


def test_cross_region_success_is_a_ratio_of_mean_fits():
    elsewhere = np.array([[0.2, 0.4], [0.3, NAN], [0.1, 0.5]])
    home = np.array([[0.6, 0.6], [NAN, NAN], [0.2, 1.0]])
    found = measures.cross_region_success(elsewhere, home)
    assert found.value == pytest.approx((1.5 / 5) / (2.4 / 4))
    assert found.low == pytest.approx(0.5)  # the same ratio for whoever has both
    assert found.high == pytest.approx(0.5)


def test_cross_region_success_needs_both_sides():
    with pytest.raises(ValueError, match="home and elsewhere"):
        measures.cross_region_success(row(NAN), row(0.5))


def test_an_interval_covers_the_mean_it_was_drawn_round():
    draw = np.random.default_rng(5)
    covered = 0
    for repeat in range(60):
        estimate = measures.mean(draw.normal(0.3, 1.0, 80), seed=repeat)
        covered += estimate.low <= 0.3 <= estimate.high
    assert covered >= 50


def test_pairs_are_compared_worker_by_worker():
    first = np.arange(50.0)
    estimate = measures.paired_difference(first + 0.1, first)
    assert estimate.value == pytest.approx(0.1)
    assert estimate.excludes_zero


def test_workers_without_a_value_count_in_no_mean():
    assert measures.mean(np.array([1.0, NAN, 0.0])).count == 2
    with pytest.raises(ValueError, match="no worker"):
        measures.mean(np.array([NAN]))


def test_age_groups_begin_at_25_and_at_50():
    groups = measures.age_group(np.array([24, 25, 49, 50]))
    assert [measures.AGE_GROUPS[group] for group in groups] == ["<25", "25-49", "25-49", ">=50"]


def test_groups_without_a_value_are_left_out():
    found = measures.by_group(np.array([1.0, NAN, 3.0]), np.array([0, 1, 0]), ("a", "b"))
    assert list(found) == ["a"]
    assert found["a"].value == 2.0
