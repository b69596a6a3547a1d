"""Noised sums as cells: error bars that hold, suppression that keeps its word."""

import math

import numpy as np
import pytest

from federation.errors import Malformed, Reason
from federation.indicators.declaration import Indicator, catalogue
from federation.indicators.table import Z_95, cells


@pytest.fixture
def indicator() -> Indicator:
    (declared,) = catalogue().values()
    return declared


def test_every_cell_of_the_domain_is_released_in_order(indicator: Indicator) -> None:
    total = np.arange(indicator.length) * 4 + 400
    made = cells(indicator, total, scale=4, sd=2.0, threshold=0)
    assert [(c.measure, c.key) for c in made] == [
        (measure.name, key) for measure in indicator.measures for key in indicator.domain
    ]
    assert [c.value for c in made] == [100.0 + number for number in range(indicator.length)]
    assert {c.half_width for c in made} == {Z_95 * 2.0}
    assert not any(c.suppressed for c in made)


@pytest.mark.parametrize(
    ("noised", "suppressed"),
    [(39, True), (40, False), (41, False), (0, True), (-40, True), (-(2**40), True)],
)
def test_what_is_below_the_threshold_is_hidden_without_a_trace(
    indicator: Indicator, noised: int, suppressed: bool
) -> None:
    """Not even its sign: −0.0 would tell on which side of zero a hidden value was."""
    total = np.full(indicator.length, noised)
    cell = cells(indicator, total, scale=4, sd=1.0, threshold=10)[0]
    assert cell.suppressed is suppressed
    if suppressed:
        assert (cell.value, cell.half_width) == (0.0, 0.0)
        assert math.copysign(1.0, cell.value) == math.copysign(1.0, cell.half_width) == 1.0
    else:
        assert cell.value == noised / 4


def test_a_sum_of_another_length_is_no_table(indicator: Indicator) -> None:
    for length in (indicator.length - 1, indicator.length + 1):
        with pytest.raises(Malformed) as caught:
            cells(indicator, np.zeros(length, dtype=np.int64), scale=1, sd=1.0, threshold=0)
        assert caught.value.reason is Reason.WRONG_SUM


def test_error_bars_cover_what_they_promise(indicator: Indicator) -> None:
    """Seeded: 95 % of the noised values lie within their bar, give or take 4 of its own widths."""
    draw, scale, sd = np.random.default_rng(1), 16, 20.0
    exact, covered, trials = 1_000, 0, 100
    for _ in range(trials):
        noise = np.rint(draw.normal(0, sd * scale, indicator.length)).astype(np.int64)
        made = cells(indicator, exact * scale + noise, scale, sd, threshold=0)
        covered += sum(abs(cell.value - exact) <= cell.half_width for cell in made)
    tried = trials * indicator.length
    assert abs(covered / tried - 0.95) < 4 * math.sqrt(0.95 * 0.05 / tried)
