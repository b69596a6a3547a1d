"""What Gaussian releases on everybody cost together, in closed form.

Lives here: the one case that needs no privacy loss distribution. Must not know: sampling, scales,
slacks or who pays.
"""

import math
from collections.abc import Iterable

from federation.privacy.events import MechanismEvent

# Halvings after which the two ends of the search are the same number.
HALVINGS = 100


def joint_mu(events: Iterable[MechanismEvent]) -> float:
    """Sensitivity over width, μ, of the one Gaussian that all ``events`` together are.

    Independent Gaussian releases compose to a Gaussian whose μ² is the sum of theirs (Dong, Roth
    and Su 2022, corollary 3.3). Every event must have sampling 1.
    """
    return math.sqrt(math.fsum(event.count / event.sigma_eff**2 for event in events))


def epsilon_at(mu: float, delta: float) -> float:
    """Smallest ε ≥ 0 at which a Gaussian release of ``mu`` is (ε, ``delta``)-DP, never below it.

    Exact up to floating point: δ(ε) = Φ(μ/2 − ε/μ) − exp(ε) Φ(−μ/2 − ε/μ) (Balle and Wang 2018,
    theorem 8). ``inf`` where δ(ε) stays above ``delta`` for every ε that a float can hold.
    """
    if _delta_at(0.0, mu) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while high < math.inf and _delta_at(high, mu) > delta:
        low, high = high, 2.0 * high
    if high == math.inf:
        return math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if _delta_at(middle, mu) <= delta else (middle, high)
    return high


def _delta_at(epsilon: float, mu: float) -> float:
    above = _normal(mu / 2.0 - epsilon / mu)
    below = _normal(-mu / 2.0 - epsilon / mu)
    # where the second term has no float any more, leaving it out only makes δ larger
    return above if below == 0.0 else above - math.exp(epsilon + math.log(below))


def _normal(x: float) -> float:
    """The standard normal distribution function; erfc keeps its tail's relative precision."""
    return math.erfc(-x / math.sqrt(2.0)) / 2.0
