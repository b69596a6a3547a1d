"""Percentiles of latencies, and whether a process's memory grows.

Must not know: what was measured, or how long it took.
"""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median, quantiles

PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True)
class Latency:
    """Seconds of ``count`` calls: median and 99th percentile (inclusive interpolation)."""

    count: int
    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Return the figures of at least two measurements."""
        return cls(len(seconds), median(seconds), quantiles(seconds, n=100, method="inclusive")[-1])


@dataclass(frozen=True)
class Growth:
    """Resident memory over time, least squares: KiB at the end, KiB a minute of slope."""

    samples: int
    last_kib: float
    kib_a_minute: float

    @classmethod
    def of(cls, samples: Sequence[tuple[float, int]]) -> "Growth":
        """Return the growth of at least two samples (seconds, bytes)."""
        seconds, held = [s for s, _ in samples], [b / 1024 for _, b in samples]
        slope = linear_regression(seconds, held).slope
        return cls(len(samples), held[-1], slope * 60)


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory; statm tells it even of one that dumps no core."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
