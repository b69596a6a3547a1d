"""Mechanisms composed by one privacy loss distribution: the only home of dp-accounting.

Lives here: what the library is asked for, and how finely. Must not know: scales, slacks, rounding
or who pays. Imported when something is composed and not before, as it takes over a second.
"""

import logging
import math
from functools import lru_cache

from dp_accounting import dp_event
from dp_accounting.pld import common as pld_common
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import RdpAccountant

from federation.privacy.events import MOST_EPSILON, Event, PureEvent

# An order that the Rényi bound leaves out only widens it: nothing a person has to read about.
logging.getLogger("absl").setLevel(logging.ERROR)
# Width of one step of privacy loss. At 5e-4 the published anchor is 2e-4 above its value at 1e-4,
# always on the safe side (connect-the-dots), and five times faster.
INTERVAL = 5e-4


@lru_cache(maxsize=256)
def screened_epsilon(events: tuple[Event, ...], delta: float) -> float:
    """ε at ``delta`` of distinct mechanisms together, ``inf`` beyond MOST_EPSILON.

    The Rényi bound costs milliseconds and keeps the hopeless from filling the memory.
    """
    if _renyi_epsilon(events, delta) > MOST_EPSILON:
        return math.inf
    total = _distribution(events[0])
    for event in events[1:]:
        total = total.compose(_distribution(event))
    return float(total.get_epsilon_for_delta(delta))


def _renyi_epsilon(events: tuple[Event, ...], delta: float) -> float:
    """An upper bound: Rényi throughout, or pure events added up plainly, whichever is lower."""
    gaussians = RdpAccountant()
    everything = RdpAccountant()
    pure = math.fsum(
        event.epsilon * event.count for event in events if isinstance(event, PureEvent)
    )
    for event in events:
        if isinstance(event, PureEvent):
            # ε-DP implies ε²/2-zCDP (Bun and Steinke 2016), as a Gaussian of width 1/ε has.
            everything.compose(dp_event.GaussianDpEvent(1.0 / event.epsilon), event.count)
        else:
            gaussian = dp_event.GaussianDpEvent(event.sigma_eff)
            sampled = dp_event.PoissonSampledDpEvent(event.sampling, gaussian)
            for accountant in (gaussians, everything):
                accountant.compose(sampled, event.count)
    return float(min(everything.get_epsilon(delta), gaussians.get_epsilon(delta) + pure))


@lru_cache(maxsize=64)
def _distribution(event: Event) -> pld.PrivacyLossDistribution:
    if isinstance(event, PureEvent):
        one = pld.from_privacy_parameters(
            pld_common.DifferentialPrivacyParameters(event.epsilon, 0.0),
            value_discretization_interval=INTERVAL,
        )
        return one.self_compose(event.count)
    if event.sampling == 1.0:
        # k Gaussians are one Gaussian that is √k narrower: exact, and no convolution.
        return pld.from_gaussian_mechanism(
            event.sigma_eff / math.sqrt(event.count), value_discretization_interval=INTERVAL
        )
    one = pld.from_gaussian_mechanism(
        event.sigma_eff, value_discretization_interval=INTERVAL, sampling_prob=event.sampling
    )
    return one.self_compose(event.count)
