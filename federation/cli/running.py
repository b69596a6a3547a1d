"""Starting, watching and stopping a run through the control socket.

Lives here: what a person at the terminal sees of a run. Must not know: how a run is conducted; its
outcome is read from the log.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Protocol

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from federation.cli.common import HomeOption, console, digest_of, group, say
from federation.control import control_client
from federation.coordinator import reading
from federation.documents.runs import Closure
from federation.errors import Misconfigured, Reason
from federation.home import Home
from federation.log.store import LogStore
from federation.rounds.events import RunEvent
from federation.wire.codec import decode_document, decode_envelope

run = group("Runs of charters.")
CharterArgument = Annotated[
    str, typer.Argument(metavar="CHARTER", help="The charter's envelope file, or its digest.")
]
PAGE = 200  # log entries read at a time while looking for a run's closure


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


@run.command("start")
def start(
    charter: CharterArgument,
    home: HomeOption,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Start a charter's run, or take it up again, and watch it to its end.

    Ends with code 0 only if the run ended in a release. Leaving (Ctrl-C) does not stop the run.
    """
    digest, place = digest_of(charter), _serving(home)
    with _watcher(as_json) as watcher:
        asyncio.run(_watch(place, digest, watcher))
    closure = closure_of(place, digest)
    outcome = closure.outcome if closure else "not started"
    reason = closure.reason if closure else "the charter stays open for another start"
    if as_json:
        say(json.dumps({"outcome": outcome, "reason": reason}, ensure_ascii=False))
    else:
        say(f"outcome: {outcome}" + (f", {reason}" if reason else ""))
    if outcome != "released":
        raise typer.Exit(1)


@run.command("stop")
def stop(charter: CharterArgument, home: HomeOption) -> None:
    """Have the run that is on closed at its next step; its unused budget returns to the cities."""
    digest, place = digest_of(charter), _serving(home)

    async def call() -> None:
        async with control_client(place.socket) as client:
            await client.stop_run(digest)

    asyncio.run(call())
    say("the run closes at its next step")


def closure_of(home: Home, charter_digest: bytes) -> Closure | None:
    """Return the logged end of a charter's run, if it has ended; the newest entries come first."""
    log = LogStore(home.log_file)
    end = log.head().size
    while end > 0:
        begin = max(0, end - PAGE)
        for entry in reversed(log.entries(begin, end - begin)):
            envelope = decode_envelope(entry.envelope)
            document = decode_document(envelope.payload_type, envelope.payload)
            if isinstance(document, Closure) and document.charter_digest == charter_digest:
                return document
        end = begin
    return None


async def _watch(home: Home, charter_digest: bytes, watcher: Watcher) -> None:
    async with (
        control_client(home.socket) as client,
        aclosing(client.start_run(charter_digest)) as events,
    ):
        async for event in events:
            watcher.show(event)


@contextmanager
def _watcher(as_json: bool) -> Iterator[Watcher]:
    if as_json:
        yield JsonWatcher()
    elif not sys.stdout.isatty():
        yield LineWatcher()
    else:
        with Live(console=console, refresh_per_second=8) as live:
            yield LiveWatcher(live)


def _serving(home_path: "HomeOption") -> Home:
    home = Home(home_path)
    with reading(home):
        pass
    if not home.in_use():
        raise Misconfigured(
            Reason.CONFIGURATION, "no coordinator serves this home: labor-federation serve"
        )
    return home
