"""A city's side of the meeting point: calls and streams over one mutually authenticated channel.

Knows bundles and bytes; must not know what they mean: everything returned is still to be judged by
acceptance, and reconnecting is the caller's business.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import grpc

from federation.crypto.keys import digest
from federation.errors import PeerError, Reason
from federation.log.bundle import Bundle
from federation.publication import ProvenHead
from federation.wire.channel import (
    ATTENDING_KEY,
    UNARY_DEADLINE_S,
    Endpoint,
    Identity,
    connect,
    translated,
)
from federation.wire.codec import bundle_from_message
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc, log_pb2

Handler = Callable[[str, bytes], Awaitable[bytes]]


class ExchangeClient:
    """One channel to the coordinator. Every method raises the error its service raised there.

    PeerError(UNREACHABLE | DEADLINE) when there is no answer. Belongs to one event loop.
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
        with translated():
            return bundle_from_message(await self._stub.Publish(request, timeout=UNARY_DEADLINE_S))

    async def checkpoint(self, kept_size: int) -> ProvenHead:
        """Return the log's present head, proved to extend the tree of ``kept_size`` leaves."""
        request = log_pb2.CheckpointRequest(kept_size=kept_size)
        with translated():
            reply = await self._stub.GetCheckpoint(request, timeout=UNARY_DEADLINE_S)
        return ProvenHead(
            checkpoint=reply.checkpoint, consistency_path=tuple(reply.consistency_path)
        )

    async def blob(self, wanted: bytes) -> bytes:
        """Return the public bytes with this SHA-256; PeerError(PROTOCOL) when others came."""
        request = exchange_pb2.BlobRequest(digest=wanted)
        with translated():
            reply = await self._stub.GetBlob(request, timeout=UNARY_DEADLINE_S)
        if digest(reply.content) != wanted:
            raise PeerError(Reason.PROTOCOL, f"blob {wanted.hex()[:16]}… came with other bytes")
        return reply.content

    async def renew(self, certificate_request: bytes) -> bytes:
        """Return a fresh PEM certificate for the key this channel is authenticated with."""
        request = exchange_pb2.RenewRequest(certificate_request=certificate_request)
        with translated():
            return (await self._stub.Renew(request, timeout=UNARY_DEADLINE_S)).certificate

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

        ``attending`` is called once the coordinator has this city on its list. Requests are handled
        at the same time; one whose answer was cut off comes again on the next stream. Returns when
        the coordinator ends the stream; raises what ended it otherwise, or what a handler raised.
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

        async def answer(request: exchange_pb2.Request) -> None:
            body = await handler(request.message_type, request.body)
            async with writing:
                if call.done():
                    return
                with translated():
                    await call.write(exchange_pb2.Answer(request_id=request.request_id, body=body))

        answering: set[asyncio.Task[None]] = set()
        with translated():
            await call.write(exchange_pb2.Answer(request_id=0))
            # a refused stream has initial metadata too, but not these
            if dict(await call.initial_metadata()).get(ATTENDING_KEY):
                attending()
            async for request in call:
                task = group.create_task(answer(request))
                answering.add(task)
                task.add_done_callback(answering.discard)
        for task in answering:
            task.cancel()
