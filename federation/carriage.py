"""A run whose messages something else than the exchange carries: the coordinator's socket for it.

Lives here: the stream a carrier opens, and the run that outlives it. Must not know: what carries
the messages, or how a run is conducted; bodies are opaque, cities' signatures are judged elsewhere.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from federation.acceptance import Accepted
from federation.control import (
    MAX_WAITING_EVENTS,
    event_from_message,
    event_to_message,
)
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.errors import Malformed, Misconfigured, PeerError, Reason
from federation.exchange.feed import wake_on
from federation.exchange.mailbox import Attendance, Mailbox
from federation.rounds.events import RunEvent
from federation.runner import Task
from federation.runs import Conduct, FindCharter, Runs
from federation.wire.channel import translated
from federation.wire.local import LocalSocket, local_channel, local_server, start_local
from federation.wire.v1 import carrying_pb2, carrying_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Messages = AsyncIterator[carrying_pb2.CarriedUp]
ConductOver = Callable[[Mailbox], Conduct]


@dataclass(frozen=True)
class Request:
    """A request on its way to a city; a newer one to the same city takes its place."""

    request_id: int
    city: str
    message_type: str
    body: bytes


@dataclass(frozen=True)
class End:
    """What a run came to, as in its closure; ``outcome`` is empty when it was not started."""

    outcome: str
    reason: str


@dataclass(eq=False)
class _Run:
    """A carried run. It waits out its deadlines, as any, while no stream brings its messages."""

    charter_digest: bytes
    mailbox: Mailbox = field(default_factory=Mailbox)
    lines: set["_Line"] = field(default_factory=set)
    ended: "Future[None] | None" = None
    closure: Closure | None = None

    @property
    def over(self) -> bool:
        return self.ended is not None and self.ended.done()

    def tell(self, event: RunEvent) -> None:
        """Hand an event to every stream; called in the run's thread."""
        for line in tuple(self.lines):
            line.tell(event)

    def end(self) -> End:
        """Return what an ended run came to; raises what ended it."""
        assert self.ended is not None  # noqa: S101 it is over
        self.ended.result()
        closure = self.closure
        return End(closure.outcome, closure.reason) if closure else End("", "")


class _Line:
    """One carrier's stream: the cities that attend by it, and what waits to be written to it."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.stirred = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._events: deque[RunEvent] = deque(maxlen=MAX_WAITING_EVENTS)
        self._attending: dict[str, Attendance] = {}

    def stir(self) -> None:
        """Have the stream looked after; may be called from any thread."""
        wake_on(self._loop, self.stirred.set)

    def tell(self, event: RunEvent) -> None:
        """Let an event wait; beyond what a slow carrier may miss the oldest is dropped."""
        self._events.append(event)
        self.stir()

    def attend(self, cities: Sequence[str]) -> None:
        """Have exactly these cities attend; Refused(ALREADY_ATTENDING) by another stream."""
        for city in self._attending.keys() - set(cities):
            self.run.mailbox.leave(self._attending.pop(city))
        for city in sorted(set(cities) - self._attending.keys()):
            self._attending[city] = self.run.mailbox.attend(city, self.stir)
        self.stir()

    def listened(self, message: carrying_pb2.CarriedUp) -> None:
        """Take what a carrier says after its first message."""
        match message.WhichOneof("said"):
            case "presence":
                self.attend(message.presence.cities)
            case "answer":
                answer = message.answer
                self.run.mailbox.answer(answer.city, answer.request_id, answer.body)
            case _:
                raise Malformed(Reason.PROTOCOL, "a carrier names its run once, at the beginning")

    async def hand_out(self, context: Context) -> None:
        """Write every event and request that waits."""
        while self._events:
            event = event_to_message(self._events.popleft())
            await context.write(carrying_pb2.CarriedDown(event=event))
        for attendance in tuple(self._attending.values()):
            for asked in self.run.mailbox.unsent(attendance):
                request = carrying_pb2.CarriedRequest(
                    request_id=asked.request_id,
                    city=attendance.city,
                    message_type=asked.message_type,
                    body=asked.body,
                )
                await context.write(carrying_pb2.CarriedDown(request=request))


class CarriageService(carrying_pb2_grpc.CarriageServicer):
    """Whoever opens the socket may carry a logged charter's run: no more than a network may."""

    def __init__(self, find_charter: FindCharter, runs: Runs, conduct: ConductOver) -> None:
        self._find_charter = find_charter
        self._runs = runs
        self._conduct = conduct
        self._run: _Run | None = None

    async def Carry(  # type: ignore[override]  # noqa: N802 writes by context, see ErrorTranslation
        self, messages: Messages, context: Context
    ) -> None:
        """Start a charter's run, or join the one that lost its carrier, and carry it to its end."""
        opening = await anext(messages, None)
        if opening is None or opening.WhichOneof("said") != "run":
            raise Malformed(Reason.PROTOCOL, "a carrier begins by naming its run")
        charter = await asyncio.to_thread(self._find_charter, opening.run.charter_digest)
        line = _Line(self._run_of(charter))
        try:
            line.attend(opening.run.presence.cities)
            line.run.lines.add(line)
            self._start(line.run, charter)
            await _carry(line, messages, context)
        finally:
            line.run.lines.discard(line)
            line.attend(())

    def _run_of(self, charter: Accepted[Charter]) -> _Run:
        run = self._run
        joins = run is not None and not run.over and run.charter_digest == charter.digest
        return run if run is not None and joins else _Run(charter.digest)

    def _start(self, run: _Run, charter: Accepted[Charter]) -> None:
        if run.ended is not None:
            return

        def conduct(task: Task) -> Closure | None:
            run.closure = self._conduct(run.mailbox)(task)
            return run.closure

        run.ended = self._runs.carry(charter, run.tell, conduct).ended
        self._run = run


async def _carry(line: _Line, messages: Messages, context: Context) -> None:
    """Carry until the run is over or the carrier leaves."""
    run, ended = line.run, line.run.ended
    assert ended is not None  # noqa: S101 it was started
    reader = asyncio.create_task(_listen(line, messages))
    reader.add_done_callback(lambda _: line.stir())
    ended.add_done_callback(lambda _: line.stir())
    try:
        while True:
            line.stirred.clear()
            over = run.over
            await line.hand_out(context)
            if over:
                end = run.end()
                said = carrying_pb2.CarriedEnd(outcome=end.outcome, reason=end.reason)
                await context.write(carrying_pb2.CarriedDown(end=said))
                return
            if reader.done():
                reader.result()
                return
            await line.stirred.wait()
    finally:
        reader.cancel()


async def _listen(line: _Line, messages: Messages) -> None:
    async for message in messages:
        line.listened(message)


async def start_carriage(socket: LocalSocket, service: CarriageService) -> grpc.aio.Server:
    """Listen on ``socket``. Raises as :func:`federation.wire.local.start_local`.

    What the coordinator fails at is told in a neutral sentence: a carrier may send it on.
    """
    server = local_server(reveal=False)
    carrying_pb2_grpc.add_CarriageServicer_to_server(service, server)
    await start_local(server, socket)
    return server


class Carriage:
    """A carrier's end of the stream. Methods raise what the coordinator raised."""

    def __init__(
        self,
        call: "grpc.aio.StreamStreamCall[carrying_pb2.CarriedUp, carrying_pb2.CarriedDown]",
    ) -> None:
        self._call = call

    async def hear(self) -> AsyncGenerator[Request | RunEvent | End, None]:
        """Yield what the coordinator says; an :class:`End` comes last.

        PeerError(UNREACHABLE) when the stream ends before the run does.
        """
        with translated():
            async for message in self._call:
                yield _heard(message)
                if message.HasField("end"):
                    return
        raise PeerError(Reason.UNREACHABLE, "the coordinator ended the stream before the run")

    async def answer(self, request: Request, body: bytes) -> None:
        """Hand in a city's answer."""
        said = carrying_pb2.CarriedAnswer(
            request_id=request.request_id, city=request.city, body=body
        )
        await self._write(carrying_pb2.CarriedUp(answer=said))

    async def present(self, cities: Sequence[str]) -> None:
        """Tell which cities can be reached now."""
        await self._write(carrying_pb2.CarriedUp(presence=_presence(cities)))

    async def _write(self, message: carrying_pb2.CarriedUp) -> None:
        if self._call.done():
            return  # whoever listens is told why
        with translated():
            await self._call.write(message)


@asynccontextmanager
async def carriage(
    socket: Path, charter_digest: bytes, cities: Sequence[str]
) -> AsyncIterator[Carriage]:
    """Offer to carry a charter's run to these cities, within the block.

    Misconfigured when no coordinator listens on ``socket``.
    """
    if not socket.is_socket():
        raise Misconfigured(
            Reason.CONFIGURATION,
            f"no coordinator listens on {socket}: labor-federation serve --carrier-socket",
        )
    run = carrying_pb2.CarriedRun(charter_digest=charter_digest, presence=_presence(cities))
    async with local_channel(socket) as opened:
        call = carrying_pb2_grpc.CarriageStub(opened).Carry()
        try:
            with translated():
                await call.write(carrying_pb2.CarriedUp(run=run))
            yield Carriage(call)
        finally:
            call.cancel()


def _presence(cities: Sequence[str]) -> carrying_pb2.CarriedPresence:
    return carrying_pb2.CarriedPresence(cities=cities)


def _heard(message: carrying_pb2.CarriedDown) -> Request | RunEvent | End:
    match message.WhichOneof("said"):
        case "request":
            asked = message.request
            return Request(asked.request_id, asked.city, asked.message_type, asked.body)
        case "event":
            return event_from_message(message.event)
        case "end":
            return End(message.end.outcome, message.end.reason)
        case _:
            raise PeerError(Reason.PROTOCOL, "the coordinator says something this version lacks")
