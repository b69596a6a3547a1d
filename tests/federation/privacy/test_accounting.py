"""Accounting against independent references: analytic Gaussian, published figure, monotony."""

import math
from dataclasses import replace

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from federation.errors import Malformed, Reason
from federation.privacy import accounting
from federation.privacy.accounting import compose, noise_multiplier_for
from federation.privacy.events import (
    EVALUATION,
    Event,
    MechanismEvent,
    PureEvent,
    city_sd,
    effective_sigma,
    evaluation_event,
    sensitivity,
)

DELTA = 1e-6


def analytic_gaussian_epsilon(sigma: float, delta: float) -> float:
    """Balle and Wang, "Improving the Gaussian Mechanism" (ICML 2018), theorem 8."""

    def excess(epsilon: float) -> float:
        upper = norm.cdf(0.5 / sigma - epsilon * sigma)
        lower = math.exp(epsilon) * norm.cdf(-0.5 / sigma - epsilon * sigma)
        return float(upper - lower - delta)

    return float(brentq(excess, 0.0, 60.0))


@pytest.mark.parametrize("sigma", [0.8, 1.0, 3.0, 10.0, 40.0])
@pytest.mark.parametrize("count", [1, 7])
def test_unsampled_gaussians_meet_the_analytic_formula_from_above(sigma: float, count: int) -> None:
    exact = analytic_gaussian_epsilon(sigma / math.sqrt(count), DELTA)
    ours = compose([MechanismEvent(1.0, sigma, count)], DELTA)
    assert exact <= ours <= exact + 2e-3


def test_different_gaussians_add_up_as_one_of_their_joint_width() -> None:
    exact = analytic_gaussian_epsilon(1 / math.sqrt(1 / 4 + 1 / 9 + 2 / 25), DELTA)
    ours = compose(
        [MechanismEvent(1.0, 2.0, 1), MechanismEvent(1.0, 5.0, 2), MechanismEvent(1.0, 3.0, 1)],
        DELTA,
    )
    assert exact <= ours <= exact + 5e-3


def test_the_published_sampled_case_costs_4_15() -> None:
    assert compose([MechanismEvent(4096 / 300_000, 1.0, 2000)], DELTA) == pytest.approx(
        4.15, abs=0.005
    )


def test_sampling_of_almost_everyone_meets_the_unsampled_case() -> None:
    almost = compose([MechanismEvent(1.0 - 1e-9, 3.0, 4)], DELTA)
    assert almost == pytest.approx(compose([MechanismEvent(1.0, 3.0, 4)], DELTA), abs=2e-3)


def test_one_pure_event_costs_its_epsilon_and_many_cost_less_than_their_sum() -> None:
    # (e^ε - 1)/(e^ε + 1) of delta is saved by randomized response itself.
    for epsilon in (0.5, 7.5, 60.0):
        assert compose([PureEvent(epsilon, 1)], DELTA) == pytest.approx(epsilon, abs=1e-3)
    assert 10.0 < compose([PureEvent(0.1, 1000)], DELTA) < 25.0


def test_nothing_costs_nothing() -> None:
    assert compose([], DELTA) == 0.0


def test_order_and_splitting_do_not_change_the_sum() -> None:
    a, b = MechanismEvent(0.1, 1.5, 20), MechanismEvent(1.0, 20.0, 1)
    parts: list[Event] = [b, replace(a, count=12), replace(a, count=8)]
    assert compose([a, b], DELTA) == compose(parts, DELTA)


BASE = MechanismEvent(0.05, 1.5, 60, 1e-7)


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param(replace(BASE, count=70), id="more releases cost more"),
        pytest.param(replace(BASE, sampling=0.06), id="larger samples cost more"),
        pytest.param(replace(BASE, sigma_eff=1.4), id="less noise costs more"),
        pytest.param(replace(BASE, log_ratio=1e-3), id="coarser noise costs more"),
    ],
)
def test_cost_is_monotone(worse: MechanismEvent) -> None:
    assert compose([worse], DELTA) > compose([BASE], DELTA)


def test_a_smaller_delta_costs_more() -> None:
    assert compose([BASE], 1e-8) > compose([BASE], 1e-6)


def test_slack_is_charged_twice_and_once_to_delta() -> None:
    slack = 60 * 1e-3
    plain = compose([replace(BASE, log_ratio=0.0)], DELTA * math.exp(-slack))
    assert compose([replace(BASE, log_ratio=1e-3)], DELTA) == pytest.approx(
        plain + 2 * slack, abs=2e-4
    )


def test_the_hopeless_is_infinite_and_quick() -> None:
    assert compose([MechanismEvent(0.5, 0.3, 1_000_000)], DELTA) == math.inf


@pytest.mark.parametrize(
    ("sampling", "sigma", "count", "slack"),
    [
        pytest.param(0.0, 1.0, 1, 0.0, id="sampling nobody"),
        pytest.param(1.1, 1.0, 1, 0.0, id="sampling above one"),
        pytest.param(math.nan, 1.0, 1, 0.0, id="sampling not a number"),
        pytest.param(0.5, 0.29, 1, 0.0, id="too little noise"),
        pytest.param(0.5, math.inf, 1, 0.0, id="infinite noise"),
        pytest.param(0.5, 1.0, 0, 0.0, id="no release"),
        pytest.param(0.5, 1.0, 1_000_001, 0.0, id="too many releases"),
        pytest.param(0.5, 1.0, 1, math.inf, id="unbounded slack"),
        pytest.param(0.5, 1.0, 1, -1e-9, id="negative slack"),
    ],
)
def test_an_event_cannot_be_built_wrong(
    sampling: float, sigma: float, count: int, slack: float
) -> None:
    with pytest.raises(Malformed) as caught:
        MechanismEvent(sampling, sigma, count, slack)
    assert caught.value.reason is Reason.INVALID_DOCUMENT


def test_pure_events_need_a_positive_bounded_epsilon() -> None:
    for epsilon in (0.0, -1.0, 65.0, math.nan):
        with pytest.raises(Malformed):
            PureEvent(epsilon, 1)


def test_sensitivity_and_effective_sigma_are_the_design_formulas() -> None:
    assert sensitivity(1000.0, 2.0, 100) == 2010.0
    assert effective_sigma(1.5, 1000.0, 2.0, 100) == pytest.approx(0.99 * 1.5 * 2000 / 2010)


def test_a_city_adds_its_share_of_the_noise_and_never_under_eight_units() -> None:
    assert city_sd(1.0, 1.0, 64.0, 5, 1) == 32.0
    assert city_sd(1.0, 1.0, 16.0, 5, 1) == 8.0
    for roster, collusion in ((6, 1), (3, 3)):
        with pytest.raises(Malformed) as caught:
            city_sd(1.0, 1.0, 16.0, roster, collusion)
        assert caught.value.reason is Reason.INVALID_DOCUMENT


def test_evaluation_noise_is_measured_against_the_sensitivity_of_the_pair() -> None:
    coarse = evaluation_event(10.0, 16.0)
    assert coarse.sigma_eff == pytest.approx(0.99 * 10.0 * 16.0 / 17.0)


def test_the_found_noise_is_affordable_and_hardly_more_than_needed() -> None:
    evaluation = {EVALUATION: evaluation_event(20.0, 65536.0)}

    def cost(multiplier: float) -> float:
        event = accounting.gaussian_event(
            multiplier, sampling=1.0, scale=65536.0, clipping_norm=1.0, length=2000, count=3
        )
        return compose([event, *evaluation.values()], DELTA)

    found = noise_multiplier_for(
        3.0,
        DELTA,
        releases=3,
        sampling=1.0,
        scale=65536.0,
        clipping_norm=1.0,
        length=2000,
        also=evaluation,
    )
    assert cost(found) <= 3.0 < cost(found * 0.99)


def test_no_noise_can_pay_for_an_unaffordable_evaluation() -> None:
    with pytest.raises(Malformed):
        noise_multiplier_for(
            0.5,
            DELTA,
            releases=1,
            sampling=0.05,
            scale=65536.0,
            clipping_norm=1.0,
            length=10,
            also={EVALUATION: evaluation_event(2.0, 65536.0)},
        )
