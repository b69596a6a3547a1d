"""A city's side of the meeting point: calls and streams over one mutually authenticated channel.

Knows bundles and bytes; must not know what they mean: everything returned is still to be judged by
acceptance, and reconnecting is the caller's business.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc

from federation.crypto.keys import digest
from federation.errors import PeerError, Reason, TooMany
from federation.log.bundle import Bundle
from federation.publication import ProvenHead
from federation.wire.channel import (
    ATTENDING,
    UNARY_DEADLINE_S,
    Endpoint,
    Identity,
    connect,
    translated,
)
from federation.wire.codec import bundle_from_message
from federation.wire.limits import REQUESTS_HANDLED_AT_ONCE
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc, log_pb2

Handler = Callable[[str, bytes], Awaitable[bytes]]
Reply = TypeVar("Reply")


class ExchangeClient:
    """One channel to the coordinator. Every method raises the error its service raised there.

    PeerError(UNREACHABLE | DEADLINE) when there is no answer. A call that came too often is made
    again when its refusal allows, within its deadline. Belongs to one event loop.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._stub = exchange_pb2_grpc.ExchangeStub(channel)

    @classmethod
    def connect(
        cls,
        endpoint: Endpoint,
        identity: Identity,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> "ExchangeClient":
        """Return a client; the connection is made at the first call."""
        return cls(connect(endpoint, identity, interceptors))

    async def __aenter__(self) -> "ExchangeClient":
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """Close the channel and break its streams."""
        await self._channel.close()

    async def publish(self, envelope: bytes) -> Bundle:
        """Have an envelope logged; return it with its proof."""
        request = exchange_pb2.PublishRequest(envelope=envelope)
        return bundle_from_message(await _paced(self._stub.Publish, request))

    async def checkpoint(self, kept_size: int) -> ProvenHead:
        """Return the log's present head, proved to extend the tree of ``kept_size`` leaves."""
        request = log_pb2.CheckpointRequest(kept_size=kept_size)
        reply = await _paced(self._stub.GetCheckpoint, request)
        return ProvenHead(
            checkpoint=reply.checkpoint, consistency_path=tuple(reply.consistency_path)
        )

    async def blob(self, wanted: bytes) -> bytes:
        """Return the public bytes with this SHA-256; PeerError(PROTOCOL) when others came."""
        request = exchange_pb2.BlobRequest(digest=wanted)
        reply = await _paced(self._stub.GetBlob, request)
        if digest(reply.content) != wanted:
            raise PeerError(Reason.PROTOCOL, f"blob {wanted.hex()[:16]}… came with other bytes")
        return reply.content

    async def renew(self, certificate_request: bytes) -> bytes:
        """Return a fresh PEM certificate for the key this channel is authenticated with."""
        request = exchange_pb2.RenewRequest(certificate_request=certificate_request)
        return (await _paced(self._stub.Renew, request)).certificate

    async def follow(self, start_index: int, kept_size: int) -> AsyncGenerator[Bundle, None]:
        """Yield every log entry from ``start_index`` on, then each new one as it is logged.

        ``kept_size`` is the size of the checkpoint the reader keeps, 0 for none; each bundle's
        proof begins at the checkpoint of the one before. Ends only by error or ``aclose``.
        """
        request = exchange_pb2.FollowRequest(start_index=start_index, kept_size=kept_size)
        call = self._stub.Follow(request)
        try:
            with translated():
                async for message in call:
                    yield bundle_from_message(message)
        finally:
            call.cancel()

    async def attend(self, handler: Handler, attending: Callable[[], None] = lambda: None) -> None:
        """Answer the conductor's requests with ``handler(message_type, body)`` until the end.

        ``attending`` is called once the coordinator has this city on its list. Four requests are
        handled at the same time, further ones stay unread; one whose answer was cut off comes again
        on the next stream. Returns when the coordinator ends the stream; raises what ended it
        otherwise, or what a handler raised.
        """
        call = self._stub.Attend()
        try:
            async with asyncio.TaskGroup() as group:
                await self._serve(call, handler, attending, group)
        except BaseExceptionGroup as failures:
            # one failure ends the group; the others are its cancellations
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        finally:
            call.cancel()

    async def _serve(
        self,
        call: "grpc.aio.StreamStreamCall[exchange_pb2.Answer, exchange_pb2.Request]",
        handler: Handler,
        attending: Callable[[], None],
        group: asyncio.TaskGroup,
    ) -> None:
        writing = asyncio.Lock()
        # what is not read stays at the other side: a flood of requests is not ours to hold
        room = asyncio.Semaphore(REQUESTS_HANDLED_AT_ONCE)

        async def answer(request: exchange_pb2.Request) -> None:
            body = await handler(request.message_type, request.body)
            async with writing:
                if call.done():
                    return
                with translated():
                    await call.write(exchange_pb2.Answer(request_id=request.request_id, body=body))

        answering: set[asyncio.Task[None]] = set()

        def answered(task: asyncio.Task[None]) -> None:
            answering.discard(task)
            room.release()

        with translated():
            await call.write(exchange_pb2.Answer(request_id=0))
            # a refused stream has initial metadata too, but not these
            if ATTENDING in tuple(await call.initial_metadata()):
                attending()
            await room.acquire()
            async for request in call:
                task = group.create_task(answer(request))
                answering.add(task)
                task.add_done_callback(answered)
                await room.acquire()
        for task in answering:
            task.cancel()


async def _paced(call: Callable[..., Awaitable[Reply]], request: Any) -> Reply:
    """Make a short call; one that was refused for its pace again, once it may, within the deadline.

    Raises what the service raised.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + UNARY_DEADLINE_S
    while True:
        try:
            with translated():
                return await call(request, timeout=UNARY_DEADLINE_S)
        except TooMany as refused:
            if loop.time() + refused.retry_after_s > until:
                raise
            await asyncio.sleep(refused.retry_after_s)
