"""What crosses the exchange port, counted at the boundary: calls, outcomes, bytes, durations.

Lives here: one interceptor around every handler. Must not know: what a call is for, or who calls.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

from federation.errors import LaborfedError, LocalError, Reason

DONE, CANCELLED, DEFECT = "ok", "cancelled", "internal"
# The door serves every call as a stream, so that their kind does not tell which are.
STREAMS = frozenset({"Follow", "Attend", "Watch"})
TURNED_AWAY = Reason.RATE_LIMITED.value  # told late on purpose: no measure of how long calls take
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
Behaviour = Callable[..., Awaitable[Any]]


class CallMeasures(grpc.aio.ServerInterceptor):
    """Stands inside error translation, so that it sees what a service raised.

    ``on_fault`` is called, in the loop, after each call that failed by this side's own fault.
    """

    def __init__(self, registry: CollectorRegistry, on_fault: Callable[[], object]) -> None:
        self._on_fault = on_fault
        self._calls = Counter(
            "laborfed_coordinator_calls",
            "Calls that ended, by outcome: ok, cancelled, internal, or the reason of their refusal",
            ("method", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "laborfed_coordinator_call_duration_seconds",
            "How long calls took that are no streams",
            ("method",),
            registry=registry,
        )
        self._received = Counter(
            "laborfed_coordinator_received_bytes",
            "Bytes of messages that came in",
            ("method",),
            registry=registry,
        )
        self._sent = Counter(
            "laborfed_coordinator_sent_bytes",
            "Bytes of messages that went out",
            ("method",),
            registry=registry,
        )
        self._messages = Counter(
            "laborfed_coordinator_sent_messages",
            "Messages that went out; of method Follow: log entries sent to cities",
            ("method",),
            registry=registry,
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap a handler, its reader and its writer."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method.rpartition("/")[2]
        kind = next(kind for kind in KINDS if getattr(handler, kind) is not None)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            self._counted(getattr(handler, kind), method, timed=method not in STREAMS),
            self._reading(handler.request_deserializer, method),
            self._writing(handler.response_serializer, method),
        )

    def _counted(self, behaviour: Behaviour, method: str, *, timed: bool) -> Behaviour:
        async def counted(request: Any, context: Any) -> Any:
            began, outcome = time.perf_counter(), DONE
            try:
                return await behaviour(request, context)
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            except LaborfedError as error:
                outcome = error.reason.value
                if isinstance(error, LocalError):
                    self._on_fault()
                raise
            except Exception:
                outcome = DEFECT
                raise
            finally:
                self._calls.labels(method, outcome).inc()
                if timed and outcome != TURNED_AWAY:
                    self._seconds.labels(method).observe(time.perf_counter() - began)

        return counted

    def _reading(self, read: Callable[[bytes], Any] | None, method: str) -> Any:
        received = self._received.labels(method)

        def counted(raw: bytes) -> Any:
            received.inc(len(raw))
            return raw if read is None else read(raw)

        return counted

    def _writing(self, write: Callable[[Any], bytes] | None, method: str) -> Any:
        sent, messages = self._sent.labels(method), self._messages.labels(method)

        def counted(message: Any) -> bytes:
            raw: bytes = message if write is None else write(message)
            sent.inc(len(raw))
            messages.inc()
            return raw

        return counted
