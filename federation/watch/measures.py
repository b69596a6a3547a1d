"""Figures for a Prometheus scraper, read off what a program already holds when it is asked.

Lives here: what one figure is, and the collector that reads a table of them. Must not know: which
figures there are, or who asks. The one home of prometheus-client, with ``listener`` and ``calls``.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Generic, TypeAlias, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from federation.errors import LaborfedError

S = TypeVar("S")

#: One number, numbers by their labels' values, or None while there is nothing to tell.
Reading: TypeAlias = float | Mapping[tuple[str, ...], float] | None

UNREADABLE: Final = "laborfed_measures_unreadable"
UNREADABLE_TEXT: Final = "Figures left out of this answer because their state could not be read"
BUILD: Final = "laborfed_build_info"
BUILD_TEXT: Final = "Always 1; the labels name the program's version and its Python's"


@dataclass(frozen=True)
class Measure(Generic[S]):
    """One figure: ``name`` as Prometheus knows it, ``text`` for people, ``read`` from the state.

    ``counter``: it never falls while the program's state lasts, and its name ends with ``_total``.
    """

    name: str
    text: str
    read: Callable[[S], Reading]
    labels: tuple[str, ...] = ()
    counter: bool = False

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """Return the figure without a value."""
        kind = CounterMetricFamily if self.counter else GaugeMetricFamily
        return kind(self.name.removesuffix("_total"), self.text, labels=self.labels)


class StateCollector(Collector, Generic[S]):
    """Reads a table of measures inside one ``opened()`` state per scrape.

    A figure whose state cannot be read is left out and counted: the others are still told.
    """

    def __init__(
        self, opened: Callable[[], AbstractContextManager[S]], measures: Sequence[Measure[S]]
    ) -> None:
        self._opened = opened
        self._measures = measures

    def describe(self) -> Iterable[Metric]:
        """Return every figure there can be, without values."""
        yield _info()
        yield GaugeMetricFamily(UNREADABLE, UNREADABLE_TEXT)
        for measure in self._measures:
            yield measure.family()

    def collect(self) -> Iterator[Metric]:
        """Return the figures as they are now."""
        yield _info()
        found, unreadable = self._read()
        yield GaugeMetricFamily(UNREADABLE, UNREADABLE_TEXT, value=unreadable)
        yield from found

    def _read(self) -> tuple[list[Metric], int]:
        found: list[Metric] = []
        try:
            with self._opened() as state:
                for measure in self._measures:
                    try:
                        family = _filled(measure, measure.read(state))
                    except (LaborfedError, OSError):
                        continue
                    found.append(family)
        except LaborfedError:  # the state itself cannot be opened or left
            pass
        return found, len(self._measures) - len(found)


def _filled(measure: Measure[S], reading: Reading) -> Metric:
    family = measure.family()
    values = reading if isinstance(reading, Mapping) else {(): reading}
    for labels, value in values.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def _info() -> Metric:
    family = GaugeMetricFamily(BUILD, BUILD_TEXT, labels=("version", "python"))
    family.add_metric((version("laborfed"), platform.python_version()), 1)
    return family
