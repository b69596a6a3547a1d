"""A run under fire: coordinator and nodes are killed at random moments of it and started again.

Lives here: the moments, the kills, and watching the run over them. Must not know: what is checked
afterwards.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from deploy.study.demo import founding
from deploy.study.demo.founding import Ground
from deploy.study.demo.processes import Service
from federation.control import control_client
from federation.crypto.envelope import replay_identity
from federation.errors import PeerError, Reason, Refused
from federation.wire.codec import decode_envelope
from journeys import staging
from journeys.canaries import CITIES

COORDINATOR = "coordinator"
MOST_EVENTS = 18  # of the run between two kills: about three rounds
MOST_PAUSE_S = 0.15  # after an event, about a round's length: a kill falls into any step of it


@dataclass
class Fire:
    """Kills ``left`` times at moments drawn by ``draw``; ``look`` is called after each kill, while
    what was killed is down.
    """

    ground: Ground
    draw: random.Random
    left: int
    look: Callable[[], None]
    services: dict[str, Service] = field(default_factory=dict)
    killed: list[tuple[str, ...]] = field(default_factory=list)

    def begin(self) -> None:
        """Start everything."""
        coordinator, nodes = staging.serve_all(self.ground)
        self.services = {COORDINATOR: coordinator, **nodes}

    def run(self, charter: Path) -> None:
        """Have a run conducted to its end, whatever is killed meanwhile."""
        digest = replay_identity(decode_envelope(charter.read_bytes()))
        asyncio.run(self._run(digest))

    async def _run(self, digest: bytes) -> None:
        ended = False
        while not ended:  # the coordinator was killed, and serves again
            ended = await self._watched(digest)

    async def _watched(self, digest: bytes) -> bool:
        """Watch until the run ends (True) or its coordinator is killed."""
        until = self._next()
        socket = self.ground.places.federation / "control.sock"
        async with control_client(socket) as client:
            try:
                async with aclosing(client.start_run(digest)) as events:
                    async for _ in events:
                        until -= 1
                        if until <= 0 and self.left:
                            # not to wait for anything: it moves the kill into the steps between
                            await asyncio.sleep(self.draw.uniform(0, MOST_PAUSE_S))
                            self._kill()
                            until = self._next()
            except PeerError as error:
                if error.reason is not Reason.UNREACHABLE:
                    raise
                return False
            except Refused as error:
                if error.reason is not Reason.CHARTER_CLOSED:
                    raise
        return True

    def _next(self) -> int:
        return self.draw.randint(1, MOST_EVENTS)

    def _kill(self) -> None:
        names = (COORDINATOR, self.draw.choice(CITIES).code)
        victims = self.draw.choice((names[:1], names[1:], names[1:], names))
        if self.left == 1 and COORDINATOR not in {name for one in self.killed for name in one}:
            victims = names  # by chance it was spared so far
        for name in victims:
            self.services[name].kill()
        self.killed.append(victims)
        self.left -= 1
        self.look()
        for name in victims:
            self.services[name] = self._started(name)

    def _started(self, name: str) -> Service:
        if name == COORDINATOR:
            return founding.serve_coordinator(self.ground)
        return staging.serve(self.ground, name)
