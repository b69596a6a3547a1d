"""Suppression looks at noised counts only, error bars at known widths only."""

import math

import numpy as np
import pytest

from federation.errors import Malformed
from node.privacy.measure import discrete_gaussian
from node.privacy.suppress import half_width_95, suppress, total_sd


def test_cells_below_the_threshold_are_hidden_and_carry_no_value() -> None:
    values = np.array([100, 200, 300], dtype=np.int64)
    counts = np.array([9, 10, 11], dtype=np.int64)
    figures = suppress(values, counts, threshold=10, sd=4.0)
    assert figures.shown.tolist() == [False, True, True]
    assert figures.values.tolist() == [0, 200, 300]
    assert figures.half_width == pytest.approx(7.84, abs=0.01)


def test_counts_and_values_must_belong_together() -> None:
    with pytest.raises(Malformed):
        suppress(np.zeros(2, dtype=np.int64), np.zeros(3, dtype=np.int64), 10, 4.0)


def test_the_width_of_a_total_counts_the_shares_of_all_cities() -> None:
    """n shares of (σCs)²/(n − t) each."""
    share = (1.5 * 2.0 * 16.0) ** 2 / (6 - 1)
    assert total_sd(1.5, 2.0, 16.0, roster=6, collusion_bound=1) == pytest.approx(
        math.sqrt(6 * share)
    )
    with pytest.raises(Malformed):
        total_sd(1.5, 2.0, 16.0, roster=3, collusion_bound=3)


def test_the_bar_covers_the_noise_in_nineteen_cases_of_twenty() -> None:
    draws = discrete_gaussian(np.zeros(20_000, dtype=np.int64), 50.0)
    covered = float(np.mean(np.abs(draws) <= half_width_95(50.0)))
    # Seven standard errors of a share of 20,000, and the width of one integer.
    assert abs(covered - 0.95) < 7 * math.sqrt(0.95 * 0.05 / 20_000) + 0.005
