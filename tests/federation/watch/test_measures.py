"""A table of figures, read at each scrape; what cannot be read is left out and counted."""

import platform
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from federation.errors import Reason, StorageFault
from federation.watch.measures import Measure, StateCollector

State = dict[str, float]


def broken(_: State) -> float:
    raise StorageFault(Reason.STORAGE, "the disk is gone")


MEASURES: tuple[Measure[State], ...] = (
    Measure("laborfed_a_now", "What is", lambda state: state["now"]),
    Measure("laborfed_a_broken", "What cannot be read", broken),
    Measure("laborfed_a_missing", "What there is not yet", lambda state: None),
    Measure(
        "laborfed_a_seen_total",
        "What was",
        lambda state: {("x", "y"): 2.0},
        labels=("one", "two"),
        counter=True,
    ),
)


def told(collector: StateCollector[State]) -> dict[str, dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    registry.register(collector)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_each_scrape_reads_the_state_anew() -> None:
    state = {"now": 1.0}

    @contextmanager
    def opened() -> Iterator[State]:
        yield state

    collector = StateCollector(opened, MEASURES)
    assert told(collector)["laborfed_a_now"] == {(): 1.0}
    state["now"] = 7.0
    found = told(collector)
    assert found["laborfed_a_now"] == {(): 7.0}
    assert found["laborfed_a_seen_total"] == {("x", "y"): 2.0}
    assert "laborfed_a_missing" not in found
    assert "laborfed_a_broken" not in found
    assert found["laborfed_measures_unreadable"] == {(): 1.0}
    ((python, version),) = found["laborfed_build_info"]
    assert python == platform.python_version()
    assert version


def test_a_state_that_cannot_be_opened_leaves_everything_out() -> None:
    @contextmanager
    def opened() -> Iterator[State]:
        try:
            raise sqlite3.OperationalError("gone")
        except sqlite3.Error as error:
            raise StorageFault(Reason.STORAGE, "the store cannot be opened") from error
        yield {}

    found = told(StateCollector(opened, MEASURES))
    assert found["laborfed_measures_unreadable"] == {(): float(len(MEASURES))}
    assert not any(name.startswith("laborfed_a_") for name in found)
