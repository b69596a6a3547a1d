"""Figures of repeated measurements: median, 90th percentile, and what becomes of them as JSON.

Must not know: what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """Seconds: ``median``, ``p90`` (90th percentile, inclusive interpolation) and ``count``."""

    median: float
    p90: float
    count: int

    @property
    def ratio(self) -> float:
        """90th percentile over median."""
        return self.p90 / self.median

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Return the spread of at least one measurement."""
        if len(seconds) == 1:
            return cls(seconds[0], seconds[0], 1)
        p90 = quantiles(seconds, n=10, method="inclusive")[-1]
        return cls(median(seconds), p90, len(seconds))
