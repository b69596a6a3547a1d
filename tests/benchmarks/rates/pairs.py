"""Two ways of doing the same, timed in turn, and how their speeds compare.

Must not know: what is done.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Rate:
    """How fast ours is beside a bare way; rates are per second, ``ratio`` ours over bare.

    ``ratio`` is the median of the pairs' ratios, so that load on the machine weighs on both sides.
    """

    name: str
    ours_per_s: float
    bare_per_s: float
    ratio: float
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """Return every figure, plain."""
        return asdict(self)


def compare(
    name: str, pairs: Iterable[tuple[Callable[[], None], Callable[[], None]]], items: int
) -> Rate:
    """Time each pair (ours, bare), both doing ``items`` items, one after the other."""
    ours, bare = [], []
    for one, other in pairs:
        ours.append(_seconds(one))
        bare.append(_seconds(other))
    ratios = [b / o for o, b in zip(ours, bare, strict=True)]
    return Rate(name, items / median(ours), items / median(bare), median(ratios), len(ratios))


def _seconds(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
