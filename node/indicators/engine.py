"""A city's exact figures for one indicator, as the integers that noise and masks go over.

Lives here: populations by name and their place in the vector. Must not know: runs, noise, or
whether anything may leave. Exact figures never leave this node.
"""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from federation.indicators.declaration import Indicator, Measure
from node.store import records

Counter = Callable[[Connection, date, int], Mapping[str, int]]

# Each worker has one row and one occupation, so a worker counts once and in one group: the bound
# of 1 that declarations state holds without clipping.
POPULATIONS: Mapping[str, Counter] = MappingProxyType(
    {
        "seekers": lambda connection, _, level: records.seekers_by_group(connection, level),
        "openings": records.openings_by_group,
    }
)


def tally(connection: Connection, indicator: Indicator, today: date) -> NDArray[np.int64]:
    """Return exact counts, int64 [indicator.length], measure by measure over the domain."""
    columns = [_column(connection, indicator, measure, today) for measure in indicator.measures]
    return np.array(columns, dtype=np.int64).reshape(-1)


def _column(
    connection: Connection, indicator: Indicator, measure: Measure, today: date
) -> list[int]:
    counted = POPULATIONS[measure.population](connection, today, indicator.group.level)
    return [counted.get(key, 0) for key in indicator.domain]
