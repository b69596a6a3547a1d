"""The noise a city adds: exact discrete Gaussian samples on integers, by OpenDP.

The only home of OpenDP. This file must not know what the integers count or what noise costs.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import Malformed, Reason

Integers = NDArray[np.int64]
# Widest noise drawn; 2^53 keeps the width exact as a float, far below where int64 overflows.
MOST_SD = 2.0**53


def discrete_gaussian(values: Integers, sd: float) -> Integers:
    """``values`` (int64, one dimension) plus independent N_Z(0, sd²) noise, sd in integer units.

    The sampler is exact, of Canonne, Kamath and Steinke (2020), from the system's secure random
    source. Raises Malformed(OUT_OF_BOUND) when a sum leaves int64, Malformed(INVALID_DOCUMENT) for
    a width that is not positive and finite.
    """
    if values.dtype != np.int64 or values.ndim != 1:
        raise TypeError("values must be a vector of int64")
    if not 0.0 < sd <= MOST_SD or not math.isfinite(sd):
        raise Malformed(Reason.INVALID_DOCUMENT, "noise: the width must be positive and finite")
    if values.size == 0:
        return values.copy()
    # Noise is drawn on zeros and added here, as OpenDP saturates where this must refuse.
    noise = np.asarray(_sampler(sd)([0] * values.size), dtype=np.int64)
    total = values + noise
    # Two's complement: the sum overflowed where its sign differs from that of both terms.
    if bool(np.any(((values ^ total) & (noise ^ total)) < 0)):
        raise Malformed(Reason.OUT_OF_BOUND, "noise: a value and its noise do not fit 64 bits")
    return total


@lru_cache(maxsize=32)
def _sampler(sd: float) -> Any:
    # a city that waits for its first charter is spared OpenDP's size in memory
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    return dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=sd)
