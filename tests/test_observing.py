"""What docs/observing.md says is what the programs show: figures, checks, conditions, keys."""

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from prometheus_client.registry import Collector

from federation.watch import coordinator as coordinators
from federation.watch.calls import CallMeasures
from federation.watch.checks import Check
from federation.watch.coordinator import Timings
from federation.watch.doctor import CHECKS as COORDINATORS
from federation.watch.eventlog import FIELDS
from federation.watch.measures import StateCollector
from node.watch import conditions, figures
from node.watch.doctor import CHECKS as NODES

TEXT = (Path(__file__).parent.parent / "docs/observing.md").read_text(encoding="utf-8")
Row = tuple[str, ...]


def table(head: str) -> list[Row]:
    """The rows of the table that begins with this line."""
    rows = TEXT.partition(f"\n{head}\n")[2].split("\n\n")[0].splitlines()[1:]
    assert rows, head
    return [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows]


def shown() -> set[Row]:
    """Every figure of both programs: name, kind, labels, text."""
    registry = Timings().registry
    CallMeasures(registry, lambda: None)
    figures.answer_durations(registry)
    collectors: list[Collector] = list(registry._collector_to_names)
    collectors += [
        StateCollector(nullcontext, coordinators.MEASURES),
        StateCollector(nullcontext, figures.MEASURES),
    ]
    found = set()
    for collector in collectors:
        for family in collector.describe():
            labels = getattr(collector, "_labelnames", getattr(family, "_labelnames", ()))
            name = family.name + ("_total" if family.type == "counter" else "")
            found.add((name, family.type, ", ".join(labels), family.documentation))
    return found


def test_the_table_of_figures_is_the_programs() -> None:
    assert set(table("| Figure | Kind | Labels | What |")) == shown()


def test_names_follow_the_fields_conventions() -> None:
    for name, kind, _, _ in shown():
        assert re.fullmatch(r"laborfed_[a-z]+(_[a-z]+)+", name)
        assert name.endswith("_total") == (kind == "counter")
        if kind == "histogram":
            assert name.endswith("_duration_seconds")


@pytest.mark.parametrize(
    ("head", "checks"),
    [
        ("| A node's check | Holds when |", NODES),
        ("| A coordinator's check | Holds when |", COORDINATORS),
    ],
    ids=["node", "coordinator"],
)
def test_the_tables_of_checks_are_the_programs(
    head: str, checks: tuple[Check[object], ...]
) -> None:
    told = [(check.name, (check.ask.__doc__ or "").removesuffix(".")) for check in checks]
    assert table(head) == told


def test_the_table_of_conditions_is_the_programs() -> None:
    said = table("| A coordinator's condition | A node's condition |")
    names = [source_names(module) for module in (coordinators, conditions)]
    assert [row[0] for row in said] == names[0]
    assert [row[1] for row in said] == names[1]


def source_names(module: object) -> list[str]:
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    return re.findall(r'Condition\("(\w+)"', text)


def test_the_keys_of_events_are_the_programs() -> None:
    said = re.findall(r"^\s*- `(\w+)`", TEXT, re.MULTILINE)
    assert said == [*FIELDS, "level", "timestamp", "withheld"]
