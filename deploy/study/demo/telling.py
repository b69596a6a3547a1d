"""What a person sees of a demonstration: sentences in order, commands as typed, tables.

Must not know: how anything is done, or what a figure must be.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from deploy.study.demo.running import Event
from deploy.study.demo.summary import MISMATCHES, RANKINGS, Summary

EVERY = 10  # rounds between two lines where no bar can be drawn

HEADS = {
    "keyword": "keyword",
    "untrained": "untrained",
    "alone": "each city alone",
    "federated": "federated",
    "pooled": "pooled, no privacy",
}


class Teller:
    """Tells one demonstration. Threads may say lines side by side."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._step = 0
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long the demonstration has taken."""
        return time.monotonic() - self._begun

    def step(self, sentence: str) -> None:
        """Begin a numbered part."""
        self._step += 1
        head = Text.assemble(
            (f"\n{self._step}. ", "bold cyan"),
            (sentence, "bold"),
            (f"  [{self.seconds:.0f} s]", "dim"),
        )
        self._print(head)

    def command(self, line: str) -> None:
        """Show a command as it was typed."""
        self._print(Text(f"   $ {line}", "dim"))

    def say(self, sentence: str) -> None:
        """Say one plain sentence."""
        self._print(Text(f"   {sentence}"))

    def quote(self, lines: Iterable[str]) -> None:
        """Show what a command printed."""
        for line in lines:
            self._print(Text(f"   │ {line}", "green"))

    def complain(self, lines: Iterable[str]) -> None:
        """Say what went wrong."""
        for line in lines:
            self._print(Text(line, "red"))

    @contextmanager
    def rounds(self) -> Iterator[Callable[[Event], None]]:
        """Show a run's rounds as they are completed: a bar on a terminal, lines elsewhere."""
        columns = (
            TextColumn("   rounds"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as p:
            bar = p.add_task("", total=None)

            def watch(event: Event) -> None:
                if "outcome" in event:
                    self.say(f"the run ended: {event['outcome']} {event['reason']}".rstrip())
                    return
                spent = f"ε {event['epsilon']:.3g} spent"
                if event["seconds"]:
                    p.update(bar, completed=event["round"], total=event["rounds"])
                    p.update(bar, description=f"{event['seconds']:.2f} s  {spent}")
                    self._line(event, spent)
                elif event["city"] and event["text"] != "answered":
                    self.say(f"{event['city']}: {event['text']}")
                elif event["stage"] in ("rostering", "dropping"):
                    self.say(event["text"])

            yield watch

    def _line(self, event: Event, spent: str) -> None:
        last = event["round"] == event["rounds"]
        if not self._console.is_terminal and (last or event["round"] % EVERY == 0):
            self.say(f"round {event['round']}/{event['rounds']}: all cities answered, {spent}")

    def table(self, summary: Summary) -> None:
        """Show the study's figures side by side."""
        table = Table(title="Held-out workers of all cities", title_justify="left")
        table.add_column("")
        for name in RANKINGS:
            table.add_column(HEADS[name], justify="right")
        ndcg, missed = summary.ndcg_at_10, summary.mismatch_rate
        table.add_row("NDCG@10", *(f"{ndcg[name]:.3f}" for name in RANKINGS))
        table.add_row(
            "skills and job mismatched",
            *(f"{missed[name]:.1%}" if name in MISMATCHES else "" for name in RANKINGS),
        )
        self._print(table)

    def _print(self, what: Text | Table) -> None:
        with self._lock:
            self._console.print(what, highlight=False, soft_wrap=isinstance(what, Text))
