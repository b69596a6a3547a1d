"""The ServerApp of a stock SuperLink: carries messages between coordinator and Flower's grid.

Lives here: the two ends joined, and how Flower is told what the run came to. Must not know: how a
run is conducted; log, keys and contributions stay in the coordinator's process.
"""

# isort: off
import federation.rounds.offline  # noqa: F401 before Flower reads the environment

# isort: on
import asyncio
import logging
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from deploy.flower.courier import Courier
from federation.carriage import Carriage, End, Request, carriage
from federation.errors import Misconfigured, PeerError, Reason, Refused
from federation.rounds.events import RunEvent

SOCKET, CHARTER = "carrier-socket", "charter"  # their names in flwr run's --run-config
POLL_S = 0.25  # between looks at what came; Flower has no way to wait for it
PRESENCE_S = 2.0  # between looks at which nodes are online

log = logging.getLogger("flwr")  # SuperLink shows what Flower's own logger says
app = ServerApp()


@app.main()  # type: ignore[untyped-decorator]  # Flower ships no types mypy may follow
def main(grid: Grid, context: Context) -> None:
    """Carry one charter's run to its end. Raises, so that Flower says "failed", unless released."""
    charter = str(context.run_config.get(CHARTER, ""))
    if len(charter) != 64 or set(charter) - set("0123456789abcdef"):
        raise Misconfigured(
            Reason.CONFIGURATION, f"--run-config {CHARTER}='\"…\"' must be a charter's digest"
        )
    socket = Path(str(context.run_config.get(SOCKET, "")))
    end = asyncio.run(_carried(Courier(grid, log.warning), socket, bytes.fromhex(charter)))
    log.info("outcome: %s %s", end.outcome or "not started", end.reason)
    if end.outcome != "released":
        why = f"the run ended {end.outcome}: {end.reason}" if end.outcome else "it was not started"
        raise Refused(Reason.RUN_STOPPED, f"nothing was released: {why}")


@dataclass
class _Heard:
    """Requests that the coordinator made and nobody took along yet."""

    requests: list[Request] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout_s: float) -> None:
        """Wait for news, for so long at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.news.wait(), timeout_s)
        self.news.clear()

    def taken(self) -> list[Request]:
        """Return the requests, which are not here any more."""
        requests, self.requests = self.requests, []
        return requests


async def _carried(courier: Courier, socket: Path, charter: bytes) -> End:
    present = await asyncio.to_thread(courier.present)
    _say_present(present)
    heard = _Heard()
    async with carriage(socket, charter, present) as line:
        listening = asyncio.create_task(_listen(line, heard))
        listening.add_done_callback(lambda _: heard.news.set())
        try:
            await _carry(courier, line, heard, listening, present)
            return listening.result()
        finally:
            listening.cancel()


async def _carry(
    courier: Courier,
    line: Carriage,
    heard: _Heard,
    listening: "asyncio.Task[End]",
    present: list[str],
) -> None:
    look_at = time.monotonic() + PRESENCE_S
    while not listening.done():
        await heard.wait(PRESENCE_S if courier.idle else POLL_S)
        courier.take(heard.taken())
        for request, body in await asyncio.to_thread(courier.turn):
            await line.answer(request, body)
        if time.monotonic() < look_at:
            continue
        if (now := await asyncio.to_thread(courier.present)) != present:
            _say_present(now)
            await line.present(present := now)
        look_at = time.monotonic() + PRESENCE_S


async def _listen(line: Carriage, heard: _Heard) -> End:
    async with aclosing(line.hear()) as said:
        async for one in said:
            match one:
                case Request():
                    heard.requests.append(one)
                    heard.news.set()
                case RunEvent():
                    log.info("%s", _told(one))
                case End():
                    return one
    raise PeerError(Reason.PROTOCOL, "the coordinator said no end")


def _say_present(cities: list[str]) -> None:
    log.info("nodes online: %s", ", ".join(cities) or "none that is a city's")


def _told(event: RunEvent) -> str:
    took = f" {event.seconds:.3f} s" if event.seconds else ""
    return f"{event.stage} {event.round}/{event.rounds} {event.city} {event.text}{took}"
