"""``python -m benchmarks.load.prober PLAN``: an honest city that looks at the head and publishes.

Lives here: calls at a steady pace, one line for each: kind, when it began (Unix seconds), how long
it took (seconds). Must not know: whether anybody floods. Prints ``ready`` after its first call.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from benchmarks.load.founding import Plan
from federation.exchange.client import ExchangeClient
from federation.terminal import say

LOOK_EVERY_S = 0.1


async def probe(plan: Plan) -> None:
    """Call until told to stop; raises what a call raises: an honest city is refused nothing."""
    async with ExchangeClient.connect(plan.endpoint, plan.members[0].identity) as client:
        await client.checkpoint(0)
        say("ready")
        async with asyncio.TaskGroup() as group:
            group.create_task(_look(client))
            group.create_task(_publish(client, plan))


async def _look(client: ExchangeClient) -> None:
    while True:
        await _timed("checkpoint", client.checkpoint(0))
        await asyncio.sleep(LOOK_EVERY_S)


async def _publish(client: ExchangeClient, plan: Plan) -> None:
    for envelope in plan.members[0].envelopes:
        await _timed("publish", client.publish(bytes.fromhex(envelope)))
        await asyncio.sleep(plan.publish_every_s)


async def _timed(kind: str, call: Awaitable[object]) -> None:
    begun, clock = time.time(), time.perf_counter()
    await call
    say(f"{kind} {begun:.3f} {time.perf_counter() - clock:.6f}")


if __name__ == "__main__":
    asyncio.run(probe(Plan.load(Path(sys.argv[1]))))
