"""A coordinator's home as its doctor sees it: every part opened when first asked for.

Lives here: opening. Must not know: what a good part looks like.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from federation import founding
from federation.errors import Misconfigured, Reason
from federation.home import Configuration, Home, Keys
from federation.log.store import LogStore
from federation.publication import Publisher
from federation.rounds.store import RunStore
from federation.watch.checks import LEAST_FREE


@dataclass(eq=False)
class Patient:
    """A home under examination. ``now_ms``: the time; ``least_free``: bytes a disk must have."""

    path: Path
    now_ms: int
    least_free: int = LEAST_FREE
    requirements: tuple[list[str], str] | None = None

    @property
    def home(self) -> Home:
        """The folder."""
        return Home(self.path)

    @cached_property
    def configuration(self) -> Configuration:
        """config.toml."""
        return self.home.configuration()

    @cached_property
    def keys(self) -> Keys:
        """The private keys."""
        return self.home.keys()

    @property
    def serving(self) -> bool:
        """Whether a process serves the home now."""
        return (self.path / "lock").exists() and self.home.in_use()

    @contextmanager
    def log(self) -> Iterator[LogStore]:
        """The log, to be read."""
        with closing(LogStore(self.home.log_file)) as opened:
            yield opened

    @contextmanager
    def runs(self) -> Iterator[RunStore]:
        """The runs, to be read."""
        with closing(RunStore(self.home.runs_file)) as opened:
            yield opened

    @contextmanager
    def publisher(self) -> Iterator[Publisher]:
        """The founded log, every membership verified again; Misconfigured before the founding."""
        with self.log() as log:
            found = founding.open_publisher(log, self.keys, lambda: self.now_ms)
            if found is None:
                raise Misconfigured(Reason.NO_MEMBERSHIP, "the federation is not founded yet")
            yield found
