"""Gaussian releases in closed form, beside the accountant's privacy loss distribution."""

import math
import subprocess
import sys

import pytest

from federation.privacy import composition, gaussian
from federation.privacy.accounting import compose
from federation.privacy.events import MechanismEvent, evaluation_event

DELTAS = (1e-4, 1e-6, 1e-9)
WIDTHS = (0.6, 1.0, 2.8, 30.0)
# Above the exact value by the width of a step of privacy loss at most.
STEP = 2 * composition.INTERVAL


def _on_everybody(width: float, count: int) -> MechanismEvent:
    return MechanismEvent(sampling=1.0, sigma_eff=width, count=count)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 5])
def test_never_above_the_accountant_and_close_below_it(width, count, delta):
    events = (_on_everybody(width, count), evaluation_event(2.0, 1 << 10))
    exact = gaussian.epsilon_at(gaussian.joint_mu(events), delta)
    pessimistic = composition.screened_epsilon(events, delta)
    assert pessimistic - STEP <= exact <= pessimistic


@pytest.mark.parametrize("delta", DELTAS)
def test_one_release_costs_what_was_published(delta):
    """Balle and Wang 2018: the ε found gives back δ, and the next smaller one does not keep it."""
    epsilon = gaussian.epsilon_at(1.0, delta)

    def phi(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    def at(e):
        return phi(0.5 - e) - math.exp(e) * phi(-0.5 - e)

    assert at(epsilon) <= delta < at(epsilon * (1 - 1e-9))


def test_nothing_is_spent_where_delta_covers_it():
    assert gaussian.epsilon_at(1e-9, 1e-6) == 0.0


def test_an_endless_cost_is_no_number_below_it():
    assert gaussian.epsilon_at(1e200, 1e-6) == math.inf
    assert compose([_on_everybody(0.3, 1_000_000)], 1e-6) == math.inf


def test_a_charter_on_everybody_is_composed_without_the_accountant():
    """What a consent waits for: the accountant takes a second and 50 MB to load."""
    lines = (
        "import sys",
        "from federation.privacy.accounting import compose",
        "from federation.privacy.events import evaluation_event",
        "assert compose([evaluation_event(2.0, 1024)], 1e-6) > 0",
        "assert 'dp_accounting' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_a_sample_still_goes_to_the_accountant():
    half = MechanismEvent(sampling=0.5, sigma_eff=1.0, count=3)
    assert compose([half], 1e-6) == pytest.approx(
        composition.screened_epsilon((half,), 1e-6), abs=1e-4
    )
