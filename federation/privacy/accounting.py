"""What releases cost in (ε, δ) per worker, composed by one privacy loss distribution.

This file must not know stores, policies or who pays: events and parameters come in, an ε that is
rounded up comes out. What dp-accounting does of it is in :mod:`.composition`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from federation.errors import Malformed, Reason
from federation.privacy.discrete import CONTINUOUS_SHARE, LEAST_SD_UNITS, log_ratio

# ε beyond which nothing is composed exactly: no sane budget reaches it, and memory grows with it.
MOST_EPSILON = 64.0
# ε is reported rounded up to one part in this many.
EPSILON_PARTS = 10_000
# Bounds on what a document may ask to be composed.
LEAST_SIGMA = 0.3
MOST_COUNT = 1_000_000
# Noise multipliers that drafting considers, and the relative precision of its search.
MOST_MULTIPLIER = 1000.0
MULTIPLIER_PRECISION = 2e-3

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
        _require(0.0 < self.sampling <= 1.0, "sampling must be in (0, 1]")
        _require(
            LEAST_SIGMA <= self.sigma_eff < math.inf, f"effective sigma is below {LEAST_SIGMA}"
        )
        _require(0.0 <= self.log_ratio < math.inf, "noise is too narrow to bound its discreteness")
        _require_count(self.count)


@dataclass(frozen=True)
class PureEvent:
    """``count`` releases that are each (epsilon, 0)-DP: worst case, randomized response."""

    epsilon: float
    count: int

    def __post_init__(self) -> None:
        _require(0.0 < self.epsilon <= MOST_EPSILON, f"epsilon must be in (0, {MOST_EPSILON}]")
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
    _require(roster - collusion_bound >= 1, "the collusion bound leaves no honest city")
    sd = noise_multiplier * clipping_norm * scale / math.sqrt(roster - collusion_bound)
    _require(sd >= LEAST_SD_UNITS, f"a city's noise is {sd:.3g} units wide, 8 are needed")
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


def compose(events: Iterable[Event], delta: float) -> float:
    """ε at ``delta`` of all events together, add/remove one worker, rounded up to 4 places.

    One privacy loss distribution (Meiser and Mohammadi 2018; Doroshenko et al. 2022, pessimistic
    connect-the-dots), plus the slack of :mod:`.discrete`. ``inf`` beyond MOST_EPSILON.
    """
    _require(0.0 < delta < 1.0, "delta must be in (0, 1)")
    merged = _merged(events)
    if not merged:
        return 0.0
    # the accountant takes over a second to import, and most commands compose nothing
    from federation.privacy.composition import screened_epsilon  # noqa: PLC0415

    slack = math.fsum(e.log_ratio * e.count for e in merged if isinstance(e, MechanismEvent))
    epsilon = screened_epsilon(merged, delta * math.exp(-slack)) + 2.0 * slack
    if epsilon > MOST_EPSILON:
        return math.inf
    return math.ceil(epsilon * EPSILON_PARTS) / EPSILON_PARTS


def noise_multiplier_for(
    epsilon: float,
    delta: float,
    *,
    releases: int,
    sampling: float,
    scale: float,
    clipping_norm: float,
    length: int,
    also: Mapping[str, Event] | None = None,
) -> float:
    """Smallest σ (to MULTIPLIER_PRECISION) with which ``releases`` sums and ``also`` cost ≤ ε.

    ``also`` is charged beside them, usually the evaluation. Raises Malformed(INVALID_DOCUMENT)
    when MOST_MULTIPLIER does not suffice.
    """
    beside = tuple((also or {}).values())

    def affordable(multiplier: float) -> bool:
        event = gaussian_event(
            multiplier,
            sampling=sampling,
            scale=scale,
            clipping_norm=clipping_norm,
            length=length,
            count=releases,
        )
        return compose((event, *beside), delta) <= epsilon

    clipped = scale * clipping_norm
    narrowest = LEAST_SIGMA / effective_sigma(1.0, scale, clipping_norm, length)
    low, high = max(narrowest, LEAST_SD_UNITS / clipped), MOST_MULTIPLIER
    _require(high > low and affordable(high), f"no noise reaches epsilon {epsilon}")
    if affordable(low * (1.0 + 1e-9)):
        return low * (1.0 + 1e-9)
    while high / low > 1.0 + MULTIPLIER_PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if affordable(middle) else (middle, high)
    return high


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise Malformed(Reason.INVALID_DOCUMENT, f"privacy parameters: {sentence}")


def _require_count(count: int) -> None:
    _require(0 < count <= MOST_COUNT, f"count must be in 1..{MOST_COUNT}")


def _shape(event: Event) -> tuple[float, ...]:
    if isinstance(event, PureEvent):
        return (event.epsilon,)
    return (event.sampling, event.sigma_eff, event.log_ratio)


def _merged(events: Iterable[Event]) -> tuple[Event, ...]:
    """Equal mechanisms counted together, in a fixed order: fewer convolutions, cacheable."""
    ordered = sorted(events, key=_shape)
    merged: list[Event] = []
    for shape, group in groupby(ordered, key=_shape):
        count = sum(event.count for event in group)
        merged.append(
            PureEvent(shape[0], count)
            if len(shape) == 1
            else MechanismEvent(shape[0], shape[1], count, shape[2])
        )
    return tuple(merged)
