"""The sampler against the discrete Gaussian's own probabilities, with a control that must fail."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from federation.errors import LaborfedError, Reason
from node.privacy.measure import discrete_gaussian

DRAWS = 20_000
# A right sampler fails one run in 10^9.
LEAST_P = 1e-9


def pmf(sd: float, reach: int) -> NDArray[np.float64]:
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sd * sd))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def chi_square_p(draws: NDArray[np.int64], sd: float) -> float:
    """P-value of the draws under N_Z(0, sd²); bins of at least 20 expected, the tails lumped."""
    reach = math.ceil(12 * sd)
    expected = pmf(sd, reach) * draws.size
    observed = np.bincount(draws + reach, minlength=2 * reach + 1).astype(float)
    common = expected >= 20
    tails = ~common
    expected = np.append(expected[common], expected[tails].sum())
    observed = np.append(observed[common], observed[tails].sum())
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1)).sum())
    return float(chi2.sf(statistic, expected.size - 1))


def zeros(count: int = DRAWS) -> NDArray[np.int64]:
    return np.zeros(count, dtype=np.int64)


@pytest.mark.parametrize("sd", [0.7, 2.0, 8.0])
def test_draws_follow_the_discrete_gaussian(sd: float) -> None:
    assert chi_square_p(discrete_gaussian(zeros(), sd), sd) > LEAST_P


def test_the_test_tells_a_slightly_wrong_width_and_a_rounded_gaussian_apart() -> None:
    assert chi_square_p(discrete_gaussian(zeros(), 8.8), 8.0) < LEAST_P
    rounded = np.rint(np.random.default_rng(1).normal(0, 0.7, DRAWS)).astype(np.int64)
    assert chi_square_p(rounded, 0.7) < LEAST_P


@pytest.mark.parametrize("sd", [8.0, 1e4, 1e9])
def test_variance_and_mean_are_those_asked_for(sd: float) -> None:
    draws = discrete_gaussian(zeros(), sd).astype(float)
    # Standard errors: sd/√n for the mean, √(2/n) relative for the variance; seven of them.
    assert abs(draws.mean()) < 7 * sd / math.sqrt(DRAWS)
    assert abs(draws.var() / sd**2 - 1) < 7 * math.sqrt(2 / DRAWS)


def test_noise_is_added_to_the_values_and_independent_between_coordinates() -> None:
    values = np.arange(DRAWS, dtype=np.int64) * 1_000_000
    noise = (discrete_gaussian(values, 8.0) - values).astype(float)
    assert np.abs(noise).max() < 8 * 12
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 7 / math.sqrt(DRAWS)


def test_two_calls_differ() -> None:
    assert not np.array_equal(
        discrete_gaussian(zeros(100), 50.0), discrete_gaussian(zeros(100), 50.0)
    )


def test_no_coordinates_need_no_noise() -> None:
    assert discrete_gaussian(zeros(0), 8.0).size == 0


@pytest.mark.parametrize("edge", [2**63 - 1, -(2**63)])
def test_a_sum_beyond_64_bits_is_refused(edge: int) -> None:
    with pytest.raises(LaborfedError) as caught:
        discrete_gaussian(np.full(200, edge, dtype=np.int64), 100.0)
    assert caught.value.reason is Reason.OUT_OF_BOUND


@pytest.mark.parametrize("sd", [0.0, -1.0, math.inf, math.nan, 2.0**54])
def test_a_width_that_is_none_is_refused(sd: float) -> None:
    with pytest.raises(LaborfedError) as caught:
        discrete_gaussian(zeros(1), sd)
    assert caught.value.reason is Reason.INVALID_DOCUMENT


@pytest.mark.parametrize(
    "values", [np.zeros(3), np.zeros(3, dtype=np.int32), np.zeros((2, 2), dtype=np.int64)]
)
def test_only_vectors_of_int64_are_taken(values: NDArray[np.int64]) -> None:
    with pytest.raises(TypeError):
        discrete_gaussian(values, 8.0)
