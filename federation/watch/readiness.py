"""Whether a program can do its work now, as conditions that each either hold or say why not.

Lives here: asking them, and the sign of life of an event loop. Must not know: which conditions
there are, or over what the answer travels.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import LaborfedError

#: An answer is given again for so long, so that asking often costs no writes.
FRESH_S: Final = 1.0
#: An event loop that has not turned for so long does not live.
STUCK_S: Final = 60.0
BEAT_S: Final = 10.0


@dataclass(frozen=True)
class Condition:
    """Something that must hold: ``check`` returns nothing, or a sentence of ours that says why not.

    A :class:`LaborfedError` that it raises is told by its reason alone.
    """

    name: str
    check: Callable[[], str | None]


@dataclass(frozen=True)
class Report:
    """``faults``: why not, by condition; ``conditions``: all names; ``facts``: beside the point."""

    conditions: tuple[str, ...]
    faults: Mapping[str, str]
    facts: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Whether every condition holds."""
        return not self.faults

    def as_dict(self) -> dict[str, object]:
        """Return what is told over HTTP."""
        told = {name: self.faults.get(name, "holds") for name in self.conditions}
        return {"ready": self.ready, "conditions": told, **self.facts}


class Readiness:
    """Asks every condition, at most once in FRESH_S. Safe to share between threads.

    ``facts`` are told beside the conditions and decide nothing.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        facts: Mapping[str, Callable[[], str]] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conditions = tuple(conditions)
        self._facts = facts or {}
        self._lock = threading.Lock()
        self._kept: tuple[float, Report] | None = None
        self._clock_s = clock_s
        self._beat = clock_s()

    def report(self, fresh_s: float = FRESH_S) -> Report:
        """Return how things stand, not longer ago than ``fresh_s`` seconds."""
        with self._lock:
            if self._kept is None or self._clock_s() - self._kept[0] >= fresh_s:
                faults = {c.name: said for c in self._conditions if (said := _asked(c))}
                facts = {name: tell() for name, tell in self._facts.items()}
                names = tuple(c.name for c in self._conditions)
                self._kept = self._clock_s(), Report(names, faults, facts)
            return self._kept[1]

    def beat(self) -> None:
        """Give a sign of life."""
        self._beat = self._clock_s()

    async def keep_beating(self) -> None:
        """Give signs of life from an event loop until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_S)

    @property
    def alive(self) -> bool:
        """Whether there was a sign of life lately."""
        return self._clock_s() - self._beat < STUCK_S


def _asked(condition: Condition) -> str | None:
    try:
        return condition.check()
    except LaborfedError as error:
        return f"failed: {error.reason}"
    except OSError as error:
        return f"failed: {error.strerror}"
