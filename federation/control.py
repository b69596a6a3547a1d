"""The operator's socket: submitting signed documents and starting runs beside a serving process.

Lives here: the service and its client, over a Unix socket that file permissions guard. Must not
know: the command line, or how documents are judged and runs conducted.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from federation.exchange.feed import wake_on
from federation.log.bundle import Bundle
from federation.rounds.desk import Stop
from federation.rounds.events import RunEvent
from federation.runs import Runs
from federation.wire import channel
from federation.wire.codec import bundle_from_message, bundle_to_message
from federation.wire.door import Door, send
from federation.wire.limits import CONTROL, DEFAULTS
from federation.wire.local import LocalSocket, local_channel, local_server, start_local
from federation.wire.v1 import control_pb2, control_pb2_grpc, log_pb2

Context = grpc.aio.ServicerContext[Any, Any]
Submit = Callable[[bytes, Sequence[bytes]], Awaitable[Bundle]]

# Events waiting for a slow watcher; beyond it the oldest are dropped, never the run delayed.
MAX_WAITING_EVENTS = 10_000
WATCHER_STALLED_S = 60.0  # after which a watcher that takes no events is let go, never the run


class ControlService(control_pb2_grpc.ControlServicer):
    """Calls of the operator; what administrators did not sign is refused where it always is."""

    def __init__(self, submit: Submit, runs: Runs) -> None:
        self._submit = submit
        self._runs = runs

    async def Submit(self, request: control_pb2.SubmitRequest, context: Context) -> log_pb2.Bundle:
        """Log a signed document and keep the public bytes it names."""
        return bundle_to_message(await self._submit(request.envelope, tuple(request.blobs)))

    async def StartRun(  # type: ignore[override]  # writes by context, see ErrorTranslation
        self, request: control_pb2.StartRunRequest, context: Context
    ) -> None:
        """Start a charter's run and send its events; the run goes on when the watcher leaves."""
        waiting: asyncio.Queue[RunEvent | None] = asyncio.Queue(MAX_WAITING_EVENTS)
        loop = asyncio.get_running_loop()

        def hand_over(event: RunEvent | None) -> None:
            wake_on(loop, partial(_put, waiting, event))

        run = await asyncio.to_thread(
            self._runs.start, request.charter_digest, hand_over, begun=request.begun
        )
        run.ended.add_done_callback(lambda _: hand_over(None))
        try:
            while (event := await waiting.get()) is not None:
                await send(context, event_to_message(event), WATCHER_STALLED_S)
        finally:
            run.leave(hand_over)
        run.ended.result()

    async def StopRun(
        self, request: control_pb2.StopRunRequest, context: Context
    ) -> control_pb2.StopRunReply:
        """Have a run paused or closed at its next step."""
        how = Stop.CLOSE if request.close else Stop.PAUSE
        await asyncio.to_thread(self._runs.stop, request.charter_digest, how)
        return control_pb2.StopRunReply()

    async def ActiveRun(
        self, request: control_pb2.ActiveRunRequest, context: Context
    ) -> control_pb2.ActiveRunReply:
        """Return which run is on and what it told last."""
        active = self._runs.active()
        if active is None:
            return control_pb2.ActiveRunReply()
        digest, last = active
        told = None if last is None else event_to_message(last)
        return control_pb2.ActiveRunReply(charter_digest=digest, last=told)


class ControlClient:
    """The operator's end of the socket. Methods raise what the service raised."""

    def __init__(self, opened: grpc.aio.Channel) -> None:
        self._stub = control_pb2_grpc.ControlStub(opened)

    async def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        """Have a signed document logged; return it with its proof."""
        request = control_pb2.SubmitRequest(envelope=envelope, blobs=blobs)
        with channel.translated():
            reply = await self._stub.Submit(request, timeout=channel.UNARY_DEADLINE_S)
        return bundle_from_message(reply)

    async def start_run(
        self, charter_digest: bytes, *, begun: bool = False
    ) -> AsyncGenerator[RunEvent, None]:
        """Start, go on with or watch a run; yield its events until it ends, pauses or fails."""
        request = control_pb2.StartRunRequest(charter_digest=charter_digest, begun=begun)
        with channel.translated():
            async for message in self._stub.StartRun(request):
                yield event_from_message(message)

    async def stop_run(self, charter_digest: bytes, how: Stop) -> None:
        """Have a run paused or closed at its next step."""
        close = how is Stop.CLOSE
        request = control_pb2.StopRunRequest(charter_digest=charter_digest, close=close)
        with channel.translated():
            await self._stub.StopRun(request, timeout=channel.UNARY_DEADLINE_S)

    async def active_run(self) -> tuple[bytes, RunEvent | None] | None:
        """Return the charter whose run is on and what it told last; None when none is."""
        with channel.translated():
            reply = await self._stub.ActiveRun(
                control_pb2.ActiveRunRequest(), timeout=channel.UNARY_DEADLINE_S
            )
        if not reply.charter_digest:
            return None
        last = event_from_message(reply.last) if reply.HasField("last") else None
        return reply.charter_digest, last


@asynccontextmanager
async def control_client(socket: Path) -> AsyncIterator[ControlClient]:
    """Connect to the control socket of a serving coordinator."""
    async with local_channel(socket) as opened:
        yield ControlClient(opened)


async def start_control(socket: Path, service: ControlService) -> grpc.aio.Server:
    """Listen on ``socket``, mode 0600; the home folder around it is closed to others anyway.

    Misconfigured when that is not possible.
    """
    # whoever may open the socket is one caller: the operator
    door = Door(CONTROL, DEFAULTS, key_of=lambda _: b"operator")
    server = local_server(door, reveal=True)
    control_pb2_grpc.add_ControlServicer_to_server(service, server)
    await start_local(server, LocalSocket(socket))
    return server


_FIELDS = tuple(field.name for field in control_pb2.RunEvent.DESCRIPTOR.fields)


def event_to_message(event: RunEvent) -> control_pb2.RunEvent:
    """Return an event as it travels: field by field, under the same names."""
    return control_pb2.RunEvent(**{name: getattr(event, name) for name in _FIELDS})


def event_from_message(message: control_pb2.RunEvent) -> RunEvent:
    """Return the event that travelled."""
    return RunEvent(**{name: getattr(message, name) for name in _FIELDS})


def _put(waiting: "asyncio.Queue[RunEvent | None]", event: RunEvent | None) -> None:
    if waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(event)
