"""gRPC's two ends: TLS credentials, limits, and errors translated both ways.

Lives here: the one place where a :class:`LaborfedError` becomes a status and back. Must not know:
which services run on it, or who is a member.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import structlog
from cryptography import x509

from federation import errors
from federation.crypto.certificates import load_certificate
from federation.errors import (
    LaborfedError,
    LocalError,
    PeerError,
    Reason,
    TooLarge,
    TooMany,
    Untrusted,
)
from federation.watch import eventlog
from federation.wire.limits import (
    HANDSHAKE_S,
    IDLE_S,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    MAX_RETRY_AFTER_S,
    MAX_STREAMS,
    LimitSettings,
    reply_limits,
)

UNARY_DEADLINE_S = 30.0
MAX_DETAILS = 1000  # characters of a sentence; gRPC allows 8 KiB of trailers in all
KEEPALIVE_MS = 15_000  # a silent connection is asked for a sign of life this often
KEEPALIVE_TIMEOUT_MS = 10_000  # and given up when none comes within
# Reconnection attempts of one channel back off between these.
RECONNECT_MS = (200, 5_000)

REASON_KEY = "laborfed-reason"
FAULT_KEY = "laborfed-fault"
RETRY_KEY = "laborfed-retry-after-ms"
ATTENDING = ("laborfed-attending", "1")  # initial metadata of a stream that was let in

FAULTS: dict[str, type[LaborfedError]] = {
    cls.__name__: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, LaborfedError)
}

# What a status means when it carries no reason: it came from gRPC itself, not from our service.
_BARE: dict[grpc.StatusCode, tuple[type[LaborfedError], Reason]] = {
    grpc.StatusCode.UNAVAILABLE: (PeerError, Reason.UNREACHABLE),
    grpc.StatusCode.CANCELLED: (PeerError, Reason.UNREACHABLE),
    grpc.StatusCode.DEADLINE_EXCEEDED: (PeerError, Reason.DEADLINE),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (TooLarge, Reason.TOO_LARGE),
    grpc.StatusCode.UNAUTHENTICATED: (Untrusted, Reason.TLS_IDENTITY),
}

_COMMON_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)

Trailers = tuple[tuple[str, str], ...]
Identity = tuple[bytes, bytes]  # private key and certificate chain, PEM


def _keepalive(silence_ms: int, answer_ms: int) -> tuple[tuple[str, int], ...]:
    """Ask after so much silence for a sign of life, and give up when none comes in time."""
    return (
        ("grpc.keepalive_time_ms", silence_ms),
        ("grpc.keepalive_timeout_ms", answer_ms),
        # gRPC waits a minute for the answer to its ping, whatever the keepalive's own bound says
        ("grpc.http2.ping_timeout_ms", answer_ms),
    )


def server_options(settings: LimitSettings) -> list[tuple[str, int]]:
    """Return the coordinator's channel arguments."""
    return [
        *_COMMON_OPTIONS,
        *_keepalive(settings.keepalive_s * 1000, settings.keepalive_s * 1000),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_allowed_incoming_connections", settings.connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        # a second process must fail to bind, not share the port
        ("grpc.so_reuseport", 0),
    ]


def server_credentials(
    authority: bytes, identity: Identity, renewed: Callable[[], Identity | None]
) -> grpc.ServerCredentials:
    """Return credentials that demand a client certificate issued by ``authority`` (PEM).

    ``renewed`` is asked at every handshake, on a thread of gRPC's, and returns a new identity or
    None while the last one given serves on.
    """

    def configuration(current: Identity) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([current], authority)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        current = renewed()
        return None if current is None else configuration(current)

    # the annotation of types-grpcio leaves out None, which gRPC documents as "unchanged"
    return grpc.dynamic_ssl_server_credentials(
        configuration(identity),
        fetch,  # type: ignore[arg-type]
        require_client_authentication=True,
    )


@dataclass(frozen=True)
class Endpoint:
    """Where the coordinator is and how it is recognised.

    ``address`` is host:port; ``server_name`` the name its certificate must bear; ``authority`` the
    PEM certificate that must have issued it.
    """

    address: str
    server_name: str
    authority: bytes


def connect(
    endpoint: Endpoint,
    identity: Identity,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> grpc.aio.Channel:
    """Return a channel, connected when first used, on which both ends are authenticated."""
    key, chain = identity
    credentials = grpc.ssl_channel_credentials(endpoint.authority, key, chain)
    options: list[tuple[str, Any]] = [
        *_COMMON_OPTIONS,
        *_keepalive(KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS),
        # replies are bounded by method, before they are put together
        ("grpc.service_config", reply_limits()),
        ("grpc.ssl_target_name_override", endpoint.server_name),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        # nothing is sent twice behind the caller's back
        ("grpc.enable_retries", 0),
    ]
    if _is_loopback(endpoint.address):
        options.append(("grpc.enable_http_proxy", 0))
    return grpc.aio.secure_channel(
        endpoint.address, credentials, options=options, interceptors=list(interceptors)
    )


def peer_certificate(context: grpc.aio.ServicerContext[Any, Any]) -> x509.Certificate:
    """Return the certificate the caller proved to hold; Untrusted(TLS_IDENTITY) when none."""
    for pem in context.auth_context().get("x509_pem_cert", ()):
        return load_certificate(pem)
    raise Untrusted(Reason.TLS_IDENTITY, "the caller showed no certificate")


class ErrorTranslation(grpc.aio.ServerInterceptor):
    """Turns what a service raises into status, sentence and trailing metadata.

    A fault of this side is logged whole and told in a neutral sentence, since its own may quote
    what is stored; ``reveal`` tells it, for callers on the operator's own machine.
    """

    def __init__(self, *, reveal: bool = False) -> None:
        self._reveal = reveal

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler, whichever of the four kinds it is."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
        kind = next(kind for kind in kinds if getattr(handler, kind) is not None)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            self._guard(getattr(handler, kind)),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _guard(self, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """Wrap a coroutine; streams are written with ``context.write``, never by generators.

        A cancelled call leaves a generator suspended until it is collected, so what its ``finally``
        gives back would be given back late.
        """

        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                return await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 the boundary: what failed is logged, not told
                await self._abort(context, error)

        return guarded

    async def _abort(
        self, context: grpc.aio.ServicerContext[Any, Any], error: Exception
    ) -> NoReturn:
        code, details, metadata = to_status(error, reveal=self._reveal)
        if code is grpc.StatusCode.INTERNAL:
            structlog.get_logger().error("call_failed", **eventlog.traced(error))
        await context.abort(code, details, metadata)


def to_status(error: Exception, *, reveal: bool) -> tuple[grpc.StatusCode, str, Trailers]:
    """Return status, sentence and trailing metadata of an error."""
    if not isinstance(error, LaborfedError):
        return grpc.StatusCode.INTERNAL, "the service failed; its log says why", ()
    told = reveal or not isinstance(error, LocalError)
    sentence = error.message if told else "the service failed on its side; its log says why"
    metadata: Trailers = ((REASON_KEY, error.reason.value), (FAULT_KEY, type(error).__name__))
    if isinstance(error, TooMany):
        metadata = (*metadata, (RETRY_KEY, str(round(error.retry_after_s * 1000))))
    return error.status, sentence[:MAX_DETAILS], metadata


def from_status(
    code: grpc.StatusCode, details: str, metadata: Sequence[tuple[str, str | bytes]]
) -> LaborfedError:
    """Return the error a status stands for: the one raised there, or what gRPC's own means."""
    told = dict(metadata)
    fault = FAULTS.get(str(told.get(FAULT_KEY)))
    if fault is not None and fault.status is code and told.get(REASON_KEY) in tuple(Reason):
        raised = fault(Reason(str(told[REASON_KEY])), details)
        if isinstance(raised, TooMany):
            raised.retry_after_s = _retry_after_s(str(told.get(RETRY_KEY)))
        return raised
    bare, reason = _BARE.get(code, (PeerError, Reason.PROTOCOL))
    return bare(reason, f"{code.name.lower().replace('_', ' ')}: {details}"[:MAX_DETAILS])


def _retry_after_s(told: str) -> float:
    """What the other side asks for, within reason: at least a moment, at most a minute."""
    asked_ms = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else 1000
    return min(max(asked_ms / 1000, 0.01), MAX_RETRY_AFTER_S)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the :class:`LaborfedError` that a failed call stands for."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        metadata = tuple(error.trailing_metadata() or ())
        raise from_status(error.code(), error.details() or "", metadata) from error


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
