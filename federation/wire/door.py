"""The door of a gRPC server: who calls too often is turned away before its request is read.

Lives here: keeping the limits of ``wire.limits`` for each caller, and the size of what is read.
Must not know: what a call is about, or who is a member: a caller is the TLS key it proved to hold.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from federation.crypto.certificates import tls_key_digest
from federation.errors import (
    LaborfedError,
    Malformed,
    PeerError,
    Reason,
    TooLarge,
    TooMany,
    Untrusted,
)
from federation.wire.channel import peer_certificate
from federation.wire.limits import (
    MAX_CALLERS,
    MAX_HELD,
    OTHERS,
    READ_S,
    LimitSettings,
    MethodLimits,
)
from federation.wire.pacing import Caller, Callers

Context = grpc.aio.ServicerContext[Any, Any]
KeyOf = Callable[[Context], bytes]
CityOf = Callable[[bytes], str | None]

TOLD_AGAIN_S = 60.0  # between two warnings about one caller: a flood must not fill the log


def key_of_peer(context: Context) -> bytes:
    """Return the digest of the TLS key that the caller proved to hold; Untrusted when none."""
    return tls_key_digest(peer_certificate(context))


class Door(grpc.aio.ServerInterceptor):
    """Keeps a table of limits, method by method, for each caller.

    Every call is served as a stream of gRPC's, so that the caller is judged before its request is
    read, a request is measured before it is decoded, and a reply counts until it was taken.
    ``refused`` counts refusals of any kind by method and reason; ``city_of`` says whose key it is,
    for the log.
    """

    def __init__(
        self,
        table: Mapping[str, MethodLimits],
        settings: LimitSettings,
        key_of: KeyOf = key_of_peer,
        city_of: CityOf = lambda _: None,
    ) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()
        self._table = table
        self._settings = settings
        self._key_of = key_of
        self._city_of = city_of
        self._callers = Callers(settings.pace, MAX_CALLERS)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of whichever kind."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method.rpartition("/")[2]
        limits = self._table.get(method, OTHERS)
        return grpc.stream_stream_rpc_method_handler(
            self._guarded(handler, method, limits),
            _bounded(handler.request_deserializer, method, limits.request_bytes),
            handler.response_serializer,
        )

    def _guarded(self, handler: Any, method: str, limits: MethodLimits) -> Callable[..., Any]:
        serve = _served(handler, self._settings.stalled_s)

        async def guarded(requests: AsyncIterator[Any], context: Context) -> None:
            key = self._key_of(context)
            caller = self._callers.of(key, _now_s())
            try:
                await self._callers.enter(
                    caller, method, limits, _now_s(), waits=not handler.response_streaming
                )
            except TooMany as refusal:
                self._note(key, caller, method, refusal)
                await _hold(caller)
                raise
            try:
                await serve(requests, context)
            except LaborfedError as error:
                self.refused[method, error.reason.value] += 1
                if counts_against(error):
                    caller.faults.take(_now_s())
                raise
            finally:
                self._callers.leave(caller, method)

        return guarded

    def _note(self, key: bytes, caller: Caller, method: str, refusal: TooMany) -> None:
        self.refused[method, refusal.reason.value] += 1
        now_s = _now_s()
        if caller.warned_s is None or now_s - caller.warned_s >= TOLD_AGAIN_S:
            caller.warned_s = now_s
            structlog.get_logger().warning(
                "caller_limited",
                city=self._city_of(key),
                reason=refusal.reason,
                sentence=refusal.message,
            )


async def _hold(caller: Caller) -> None:
    """Let a caller that is turned away wait for it: its next calls come no faster than this."""
    if caller.held < MAX_HELD:
        caller.held += 1
        try:
            await asyncio.sleep(caller.hold_s(_now_s()))
        finally:
            caller.held -= 1


def counts_against(error: LaborfedError) -> bool:
    """Whether nobody gets such a refusal again and again who means well: forgeries and guesses."""
    return (
        isinstance(error, Malformed | Untrusted | TooLarge) or error.reason is Reason.BAD_INVITATION
    )


async def send(context: Context, message: Any, stalled_s: float) -> None:
    """Write to a stream; PeerError(STALLED) when the reader does not take it in that many seconds.

    What gRPC has taken already stays with it until the reader takes that or is gone.
    """
    try:
        async with asyncio.timeout(stalled_s):
            await context.write(message)
    except TimeoutError:
        raise PeerError(
            Reason.STALLED, f"the reader took nothing in {stalled_s:g} s: the stream is ended"
        ) from None


def _served(handler: Any, stalled_s: float) -> Callable[[AsyncIterator[Any], Context], Any]:
    """Return the handler as one of streams on both sides."""

    async def serve(requests: AsyncIterator[Any], context: Context) -> None:
        if handler.request_streaming:
            behaviour = handler.stream_stream or handler.stream_unary
            asked: Any = requests
        else:
            behaviour = handler.unary_stream or handler.unary_unary
            asked = await _only(requests)
        reply = await behaviour(asked, context)
        if not handler.response_streaming:
            await context.send_initial_metadata(())
            await send(context, reply, stalled_s)

    return serve


async def _only(requests: AsyncIterator[Any]) -> Any:
    try:
        async with asyncio.timeout(READ_S):
            request = await anext(requests, None)
    except TimeoutError:
        raise PeerError(
            Reason.DEADLINE, f"the request did not arrive whole in {READ_S:g} s"
        ) from None
    if request is None:
        raise PeerError(Reason.PROTOCOL, "the call ended before its request came")
    return request


def _bounded(decode: Callable[[bytes], Any], method: str, most: int) -> Callable[[bytes], Any]:
    def bounded(raw: bytes) -> Any:
        if len(raw) > most:
            raise TooLarge(
                Reason.TOO_LARGE, f"{method} takes at most {most} bytes, {len(raw)} came"
            )
        try:
            return decode(raw)
        except DecodeError:
            raise Malformed(Reason.NOT_DECODABLE, f"this is no request of {method}") from None

    return bounded


def _now_s() -> float:
    return asyncio.get_running_loop().time()
