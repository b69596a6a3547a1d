"""What a mechanism releases, as far as its cost depends on it: noise, sampling, count, slack.

Lives here: events and how one follows from a charter's numbers. Must not know: how events are
composed, budgets, or who pays.
"""

import math
from dataclasses import dataclass

from federation.errors import Malformed, Reason
from federation.privacy.discrete import CONTINUOUS_SHARE, LEAST_SD_UNITS, log_ratio

# ε beyond which nothing is composed exactly: no sane budget reaches it, and memory grows with it.
MOST_EPSILON = 64.0
# Bounds on what a document may ask to be composed.
LEAST_SIGMA = 0.3
MOST_COUNT = 1_000_000

ROUND = "round"
EVALUATION = "evaluation"


@dataclass(frozen=True)
class MechanismEvent:
    """``count`` Gaussian releases on a Poisson sample.

    sampling: probability in (0, 1] with which each worker takes part; sigma_eff: noise width over
    sensitivity, as accounted; log_ratio: pointwise slack of one release (:mod:`.discrete`).
    Raises Malformed(INVALID_DOCUMENT).
    """

    sampling: float
    sigma_eff: float
    count: int
    log_ratio: float = 0.0

    def __post_init__(self) -> None:
        require(0.0 < self.sampling <= 1.0, "sampling must be in (0, 1]")
        require(LEAST_SIGMA <= self.sigma_eff < math.inf, f"effective sigma is below {LEAST_SIGMA}")
        require(0.0 <= self.log_ratio < math.inf, "noise is too narrow to bound its discreteness")
        _require_count(self.count)


@dataclass(frozen=True)
class PureEvent:
    """``count`` releases that are each (epsilon, 0)-DP: worst case, randomized response."""

    epsilon: float
    count: int

    def __post_init__(self) -> None:
        require(0.0 < self.epsilon <= MOST_EPSILON, f"epsilon must be in (0, {MOST_EPSILON}]")
        _require_count(self.count)


Event = MechanismEvent | PureEvent


def sensitivity(scale: float, clipping_norm: float, length: int) -> float:
    """L2 sensitivity in integer units: s·C + √d, as rounding moves each of d coordinates by ≤ ½."""
    return scale * clipping_norm + math.sqrt(length)


def city_sd(
    noise_multiplier: float, clipping_norm: float, scale: float, roster: int, collusion_bound: int
) -> float:
    """Width in integer units of one city's noise: σ·C·s / √(n − t).

    Raises Malformed(INVALID_DOCUMENT) when it is below LEAST_SD_UNITS or no honest pair is left.
    """
    require(roster - collusion_bound >= 1, "the collusion bound leaves no honest city")
    sd = noise_multiplier * clipping_norm * scale / math.sqrt(roster - collusion_bound)
    require(sd >= LEAST_SD_UNITS, f"a city's noise is {sd:.3g} units wide, 8 are needed")
    return sd


def effective_sigma(
    noise_multiplier: float, scale: float, clipping_norm: float, length: int
) -> float:
    """Width over sensitivity of the continuous stand-in: 0.99 · σ · sC / (sC + √d)."""
    clipped = scale * clipping_norm
    return CONTINUOUS_SHARE * noise_multiplier * clipped / sensitivity(scale, clipping_norm, length)


def gaussian_event(
    noise_multiplier: float,
    *,
    sampling: float,
    scale: float,
    clipping_norm: float,
    length: int,
    count: int,
) -> MechanismEvent:
    """The event of ``count`` integer sums whose honest noise is σ·C·s wide."""
    return MechanismEvent(
        sampling=sampling,
        sigma_eff=effective_sigma(noise_multiplier, scale, clipping_norm, length),
        count=count,
        log_ratio=log_ratio(noise_multiplier * clipping_norm * scale, length),
    )


def evaluation_event(noise_multiplier: float, scale: float) -> MechanismEvent:
    """One city's (Σ paired difference in [−1, 1], worker count), both times ``scale``, unsampled.

    A worker moves it by at most √2·scale; the noise is noise_multiplier·√2·scale in each of two.
    """
    return gaussian_event(
        noise_multiplier,
        sampling=1.0,
        scale=scale,
        clipping_norm=math.sqrt(2.0),
        length=2,
        count=1,
    )


def require(condition: bool, sentence: str) -> None:
    """Raise Malformed(INVALID_DOCUMENT) unless ``condition``."""
    if not condition:
        raise Malformed(Reason.INVALID_DOCUMENT, f"privacy parameters: {sentence}")


def _require_count(count: int) -> None:
    require(0 < count <= MOST_COUNT, f"count must be in 1..{MOST_COUNT}")
