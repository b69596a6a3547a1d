"""Figures rounded so that the rounded ones still add up.

Pure arithmetic; must not know what the figures mean.
"""

import math
from collections.abc import Sequence


def hundredths(values: Sequence[float], total: float) -> list[int]:
    """Return ``values`` in whole hundredths whose sum is exactly ``round(100 · total)``.

    Each is rounded down or up; those nearest to the next hundredth go up (largest remainder
    method). ``total`` must be the values' sum but for less than half a hundredth.
    """
    down = [math.floor(100 * value) for value in values]
    missing = round(100 * total) - sum(down)
    nearest = sorted(range(len(down)), key=lambda i: down[i] - 100 * values[i])
    for i in nearest[:missing]:
        down[i] += 1
    return down
