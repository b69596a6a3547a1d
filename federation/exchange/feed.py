"""News of the log's growth, carried from the publishing thread to streams on the event loop.

Knows that something was logged, not what: a slow reader is told once, however much it missed, so
nothing piles up. Must not know gRPC.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class HeadSignal:
    """Wakes every listening coroutine of ``loop``; :meth:`notify` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: set[asyncio.Event] = set()

    def notify(self) -> None:
        """Wake all listeners; after the loop has closed there are none."""
        wake_on(self._loop, self._wake)

    @contextmanager
    def listening(self, event: asyncio.Event) -> Iterator[None]:
        """Have ``event`` set at every notice inside the block."""
        self._events.add(event)
        try:
            yield
        finally:
            self._events.discard(event)

    def _wake(self) -> None:
        for event in self._events:
            event.set()


def wake_on(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Run ``callback`` on ``loop`` from any thread; a closed loop has nobody left to wake."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        if not loop.is_closed():
            raise
