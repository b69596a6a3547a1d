"""A run as a person at the terminal sees it: a drawing, plain lines, or JSON.

Lives here: what is shown of each event. Must not know: where events come from, or how a run is
conducted.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from federation.cli.common import console, say
from federation.rounds.events import RunEvent


class Watcher(Protocol):
    """Someone who is told each event of a run."""

    def show(self, event: RunEvent) -> None:
        """Tell it one event."""


class LineWatcher:
    """Plain lines, for files and pipes."""

    def show(self, event: RunEvent) -> None:
        """Print the event as one line."""
        where = f"round {event.round}/{event.rounds} attempt {event.attempt}"
        cost = f" ε {event.epsilon:.4g}" if event.epsilon else ""
        took = f" {event.seconds:.3f} s" if event.seconds else ""
        say(f"{event.stage:12} {where} {event.city} {event.text}{took}{cost}".rstrip())


class JsonWatcher:
    """One JSON object a line, for scripts."""

    def show(self, event: RunEvent) -> None:
        """Print the event's fields."""
        say(json.dumps(asdict(event), ensure_ascii=False))


@dataclass
class LiveWatcher:
    """A table of cities under a bar of rounds, for people."""

    live: Live
    cities: dict[str, RunEvent] = field(default_factory=dict)
    seconds: float = 0.0
    epsilon: float = 0.0

    def show(self, event: RunEvent) -> None:
        """Draw the run as it now stands."""
        if event.city:
            self.cities[event.city] = event
        self.seconds = event.seconds or self.seconds
        self.epsilon = max(self.epsilon, event.epsilon)
        self.live.update(self._drawn(event))

    def _drawn(self, event: RunEvent) -> Group:
        head = (
            f"{event.stage}  round {event.round}/{event.rounds}  attempt {event.attempt}"
            f"  {self.seconds:.3f} s/round  ε spent {self.epsilon or '…':.4}"
        )
        table = Table(box=None, pad_edge=False)
        for column in ("city", "round", "stage", ""):
            table.add_column(column, overflow="fold")
        for city, last in sorted(self.cities.items()):
            table.add_row(city, str(last.round), last.stage, Text(last.text))
        bar = ProgressBar(total=max(event.rounds, 1), completed=event.round, width=40)
        return Group(Text(head), bar, table, Text("" if event.city else event.text))


@contextmanager
def watcher(as_json: bool) -> Iterator[Watcher]:
    """Watch inside the block: JSON when asked for, a drawing on a terminal, else lines."""
    if as_json:
        yield JsonWatcher()
    elif not sys.stdout.isatty():
        yield LineWatcher()
    else:
        with Live(console=console, refresh_per_second=8) as live:
            yield LiveWatcher(live)
