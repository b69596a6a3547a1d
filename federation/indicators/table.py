"""A noised sum told as cells with error bars.

Lives here: post-processing of what was noised already, so it costs no privacy. Must not know: an
exact count, cities, or who asks.
"""

import numpy as np
from numpy.typing import NDArray

from federation.documents.releases import Cell
from federation.errors import Malformed, Reason
from federation.indicators.declaration import Indicator

# Quantile of the standard normal for a two-sided 95 % interval.
Z_95 = 1.959963984540054


def cells(
    indicator: Indicator, total: NDArray[np.int64], scale: int, sd: float, threshold: int
) -> tuple[Cell, ...]:
    """Return one cell per measure and group of the domain.

    ``total``: int64 [indicator.length], ``scale`` integers per unit, noise ``sd`` units wide each
    (the discrete Gaussian's tail is below the normal's: Canonne, Kamath and Steinke 2020). A cell
    whose *noised* value is below ``threshold`` is suppressed. Malformed(WRONG_SUM) on another
    length.
    """
    if total.shape != (indicator.length,):
        raise Malformed(Reason.WRONG_SUM, f"{indicator.indicator} has {indicator.length} cells")
    keys = [(measure.name, key) for measure in indicator.measures for key in indicator.domain]
    values = (total / scale).tolist()
    return tuple(
        _cell(measure, key, value, Z_95 * sd, value < threshold)
        for (measure, key), value in zip(keys, values, strict=True)
    )


def _cell(measure: str, key: str, value: float, half_width: float, suppressed: bool) -> Cell:
    if suppressed:  # plain zeros: a signed one would tell on which side of zero the value was
        value = half_width = 0.0
    return Cell(measure=measure, key=key, value=value, half_width=half_width, suppressed=suppressed)
