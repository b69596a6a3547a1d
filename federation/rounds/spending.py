"""What a run has cost so far, accounted beside it so that no round waits for a convolution.

Lives here: when to compose, and on which thread. Must not know: budgets of cities or stages.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from federation.documents.charter import Charter
from federation.privacy.accounting import compose
from federation.privacy.events import Event
from federation.rounds.terms import charter_events, round_event

# Loading the accountant and composing take a core for two seconds: at most one begins in this time,
# milliseconds, and none in a run that is over sooner, whose end tells its cost anyway.
LEAST_INTERVAL_MS = 10_000


def spent(charter: Charter, asked: int, *, evaluated: bool) -> float:
    """ε at the charter's δ of ``asked`` rounds, repeats counted, and the evaluation if it was."""
    events: list[Event] = [round_event(charter, asked)] if asked else []
    if evaluated:
        events.append(charter_events(charter)["evaluation"])
    return compose(events, charter.privacy.delta)


class Spending:
    """ε of one run for its watchers; it may lag by a few rounds while they are short."""

    def __init__(self, charter: Charter, clock_ms: Callable[[], int]) -> None:
        self._charter = charter
        self._clock_ms = clock_ms
        self._begun_ms = clock_ms()
        self._latest = 0.0
        self._running: Future[float] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spending")

    def so_far(self, asked: int) -> float:
        """ε per worker as far as it is accounted; begins to account for ``asked`` rounds."""
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        due = self._clock_ms() >= self._begun_ms + LEAST_INTERVAL_MS
        if self._running is None and due and asked:
            self._begun_ms = self._clock_ms()
            self._running = self._thread.submit(spent, self._charter, asked, evaluated=False)
        return self._latest

    def close(self) -> None:
        """Forget what is still being accounted."""
        self._thread.shutdown(wait=False, cancel_futures=True)
