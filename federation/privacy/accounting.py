"""What releases cost in (ε, δ) per worker, composed by one privacy loss distribution.

Lives here: merging, rounding up, slack, and the search for a noise multiplier. Must not know:
stores, policies or who pays. What dp-accounting does of it is in :mod:`.composition`.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from itertools import groupby

from federation.privacy.discrete import LEAST_SD_UNITS
from federation.privacy.events import (
    LEAST_SIGMA,
    MOST_EPSILON,
    Event,
    MechanismEvent,
    PureEvent,
    effective_sigma,
    gaussian_event,
    require,
)

# ε is reported rounded up to one part in this many.
EPSILON_PARTS = 10_000
# Noise multipliers that drafting considers, and the relative precision of its search.
MOST_MULTIPLIER = 1000.0
MULTIPLIER_PRECISION = 2e-3

# Whoever asks for what another thread composes waits for it, and finds it composed.
_one_at_a_time = threading.Lock()


def compose(events: Iterable[Event], delta: float) -> float:
    """ε at ``delta`` of all events together, add/remove one worker, rounded up to 4 places.

    One privacy loss distribution (Meiser and Mohammadi 2018; Doroshenko et al. 2022, pessimistic
    connect-the-dots), plus the slack of :mod:`.discrete`. ``inf`` beyond MOST_EPSILON.
    """
    require(0.0 < delta < 1.0, "delta must be in (0, 1)")
    merged = _merged(events)
    if not merged:
        return 0.0
    slack = math.fsum(e.log_ratio * e.count for e in merged if isinstance(e, MechanismEvent))
    with _one_at_a_time:
        # the accountant takes over a second to import, and most commands compose nothing
        from federation.privacy.composition import screened_epsilon  # noqa: PLC0415

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
    require(high > low and affordable(high), f"no noise reaches epsilon {epsilon}")
    if affordable(low * (1.0 + 1e-9)):
        return low * (1.0 + 1e-9)
    while high / low > 1.0 + MULTIPLIER_PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if affordable(middle) else (middle, high)
    return high


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
