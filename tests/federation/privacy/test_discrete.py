"""The two slack bounds, checked by summing the distributions they speak of."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from federation.privacy.accounting import compose
from federation.privacy.discrete import (
    CONTINUOUS_SHARE,
    LEAST_SD_UNITS,
    continuous_log_ratio,
    log_ratio,
    share_log_ratio,
)
from federation.privacy.events import MechanismEvent

Pmf = NDArray[np.float64]


def discrete_gaussian(sd: float, reach: int, centre: float = 0.0) -> Pmf:
    support = np.arange(-reach, reach + 1)
    weights = np.exp(-((support - centre) ** 2) / (2 * sd * sd))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def stand_in(sd: float, z: int) -> float:
    """P(Z' = z): the continuous Gaussian of width 0.99 sd, rounded at random to the integers."""
    wide = CONTINUOUS_SHARE * sd
    narrow = sd * math.sqrt(1 - CONTINUOUS_SHARE**2)

    def density(x: float) -> float:
        near = np.arange(math.floor(x) - 12, math.floor(x) + 14)
        normaliser = np.exp(-((near - x) ** 2) / (2 * narrow * narrow)).sum()
        moved = math.exp(-((z - x) ** 2) / (2 * narrow * narrow)) / normaliser
        return float(moved * math.exp(-x * x / (2 * wide * wide)) / (wide * math.sqrt(2 * math.pi)))

    reach = 12 * narrow
    return float(quad(density, z - reach, z + reach, limit=400, epsabs=1e-15)[0])


@pytest.mark.parametrize("sd", [2.2, 2.5, 3.0, 4.0])
def test_the_stand_in_is_within_the_bound(sd: float) -> None:
    pmf = discrete_gaussian(sd, 60)
    seen = max(abs(math.log(pmf[60 + z] / stand_in(sd, z))) for z in range(8))
    bound = continuous_log_ratio(sd, 1)
    assert 1e-6 < seen <= bound


@pytest.mark.parametrize(("sd", "shares"), [(0.5, 2), (0.5, 5), (0.6, 3), (0.8, 4)], ids=str)
def test_a_sum_of_shares_is_within_the_bound_of_kairouz_liu_steinke(sd: float, shares: int) -> None:
    reach = 14
    total = discrete_gaussian(sd, reach)
    for _ in range(shares - 1):
        total = np.convolve(total, discrete_gaussian(sd, reach))
    single = discrete_gaussian(sd * math.sqrt(shares), reach * shares)
    middle = slice(reach * shares - 3, reach * shares + 4)
    seen = float(np.max(np.abs(np.log(total[middle] / single[middle]))))
    bound = share_log_ratio(sd, shares, 1)
    assert 1e-4 * bound < seen <= bound


def test_one_share_needs_no_correction() -> None:
    assert share_log_ratio(8.0, 1, 20_000) == 0.0


@pytest.mark.parametrize("sd", [1.0, 1e-9, 1e-300])
def test_too_narrow_noise_has_no_bound(sd: float) -> None:
    assert continuous_log_ratio(sd, 1) == math.inf


def test_at_eight_units_both_are_negligible_for_the_longest_model() -> None:
    assert continuous_log_ratio(LEAST_SD_UNITS, 20_000) < 2e-6
    assert share_log_ratio(LEAST_SD_UNITS, 512, 20_000) < 1e-264
    assert log_ratio(LEAST_SD_UNITS, 20_000) < 2e-6


def test_the_accounted_epsilon_covers_the_true_discrete_mechanism() -> None:
    """Hockey-stick divergence of N_Z(0, σ²) and N_Z(Δ, σ²), summed exactly."""
    sd, shift, delta = 8.0, 4, 1e-6
    sigma_eff = CONTINUOUS_SHARE * sd / shift
    epsilon = compose([MechanismEvent(1.0, sigma_eff, 1, log_ratio(sd, 1))], delta)
    here = discrete_gaussian(sd, 200)
    there = discrete_gaussian(sd, 200, centre=shift)
    assert np.maximum(here - math.exp(epsilon) * there, 0).sum() <= delta
    # Four per cent less would not do: the margin is the 0.99 and little else.
    assert np.maximum(here - math.exp(0.96 * epsilon) * there, 0).sum() > delta
