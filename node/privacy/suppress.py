"""What of a noised table is shown: small counts are hidden, the rest carries error bars.

Works on noised figures only, so it costs no privacy; it must not see an exact count.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import Malformed, Reason

# Quantile of the standard normal for a two-sided 95 % interval.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Figures:
    """Noised figures; ``shown`` is False where a cell is suppressed (its value is then 0).

    half_width: of the 95 % interval that the added noise alone causes, same unit as the values.
    """

    values: NDArray[np.int64]
    shown: NDArray[np.bool_]
    half_width: float


def half_width_95(sd: float) -> float:
    """Half-width of the 95 % interval of noise with standard deviation ``sd``.

    The discrete Gaussian's tail is below that of the normal (Canonne, Kamath and Steinke 2020).
    """
    return Z_95 * sd


def total_sd(
    noise_multiplier: float, clipping_norm: float, scale: float, roster: int, collusion_bound: int
) -> float:
    """Width of the noise in a whole roster's sum, integer units: n shares of (σ·C·s)²/(n − t)."""
    if not 0 <= collusion_bound < roster:
        raise Malformed(
            Reason.INVALID_DOCUMENT, "suppression: the collusion bound leaves no honest city"
        )
    return noise_multiplier * clipping_norm * scale * math.sqrt(roster / (roster - collusion_bound))


def suppress(
    values: NDArray[np.int64], noised_counts: NDArray[np.int64], threshold: int, sd: float
) -> Figures:
    """Hide the cells whose *noised* count is below ``threshold``; shapes of both must agree.

    ``sd`` is the known width of the noise in ``values``, integer units.
    """
    if values.shape != noised_counts.shape:
        raise Malformed(Reason.INVALID_DOCUMENT, "suppression: one count per value is needed")
    shown = noised_counts >= threshold
    return Figures(np.where(shown, values, 0), shown, half_width_95(sd))
