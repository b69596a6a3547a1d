"""Keeps the exchange port's health answer true: asks readiness again and again, and at each fault.

Lives here: when it is asked. Must not know: what the conditions are, or gRPC.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from federation.exchange.feed import wake_on
from federation.watch import eventlog
from federation.watch.readiness import Readiness

#: How often readiness is asked while it is given; each time costs one flush of each store.
EVERY_S: Final = 30.0
#: How often while it is not.
AGAIN_S: Final = 2.0


Announce = Callable[[bool], Awaitable[None]]


class HealthKeeper:
    """Announces whether the program is ready. Belongs to one event loop."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._announce: Announce | None = None
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._told: dict[str, str] | None = None

    def announce_to(self, announce: Announce) -> None:
        """Have ``announce`` told from the next time on."""
        self._announce = announce

    def stir(self) -> None:
        """Ask now rather than later; may be called from any thread."""
        wake_on(self._loop, self._stirred.set)

    async def refresh(self) -> bool:
        """Ask, announce, and log what has changed; return whether the program is ready."""
        report = await asyncio.to_thread(self._readiness.report, 0.0)
        if self._announce is not None:
            await self._announce(report.ready)
        before = self._told or {}
        for name in report.faults.keys() - before.keys():
            sentence = eventlog.told(report.faults[name])
            structlog.get_logger().error("condition_failed", condition=name, sentence=sentence)
        for name in before.keys() - report.faults.keys():
            structlog.get_logger().info("condition_holds", condition=name)
        self._told = dict(report.faults)
        return report.ready

    async def run(self) -> None:
        """Keep asking until cancelled."""
        while True:
            self._stirred.clear()
            ready = await self.refresh()
            try:
                await asyncio.wait_for(self._stirred.wait(), EVERY_S if ready else AGAIN_S)
            except TimeoutError:
                continue
