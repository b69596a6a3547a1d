"""The exchange port: one gRPC server for cities and invited cities, with a truthful health answer.

Lives here: how the services are put on a port. Must not know: configuration, files or signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from federation.errors import Misconfigured, Reason
from federation.exchange.feed import HeadSignal
from federation.exchange.meeting import Meeting
from federation.exchange.service import EnrolmentService, ExchangeService
from federation.wire import channel
from federation.wire.door import Door
from federation.wire.limits import DEFAULTS, EXCHANGE, LimitSettings
from federation.wire.v1 import exchange_pb2_grpc

SERVICES = ("", "federation.wire.v1.Exchange", "federation.wire.v1.Enrolment")


@dataclass(frozen=True)
class ExchangeServer:
    """A listening server and the ``port`` it was given (it may have asked for port 0).

    ``door`` counts what was refused there.
    """

    server: grpc.aio.Server
    port: int
    health: health.aio.HealthServicer
    door: Door

    async def set_serving(self, serving: bool) -> None:
        """Tell whoever asks whether cities are served."""
        await announce(self.health, serving)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, let those in flight end within ``grace_s`` seconds, break streams."""
        await self.set_serving(False)
        await self.server.stop(grace_s)


async def start_server(
    meeting: Meeting,
    signal: HeadSignal,
    address: str,
    credentials: grpc.ServerCredentials,
    settings: LimitSettings = DEFAULTS,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> ExchangeServer:
    """Listen on ``address`` (host:port); Misconfigured when that is not possible.

    ``interceptors`` stand inside error translation: they see what the door or a service raises.
    """
    door = Door(EXCHANGE, settings, city_of=meeting.division_of)
    server = grpc.aio.server(
        interceptors=[channel.ErrorTranslation(), *interceptors, door],
        options=channel.server_options(settings),
        compression=grpc.Compression.NoCompression,
    )
    exchange = ExchangeService(meeting, signal, settings.stalled_s)
    exchange_pb2_grpc.add_ExchangeServicer_to_server(exchange, server)
    exchange_pb2_grpc.add_EnrolmentServicer_to_server(EnrolmentService(meeting), server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await announce(healthy, False)
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise Misconfigured(Reason.CONFIGURATION, f"cannot listen on {address}: {error}") from None
    await server.start()
    return ExchangeServer(server, port, healthy, door)


async def announce(servicer: health.aio.HealthServicer, serving: bool) -> None:
    """Set the health of every service here."""
    statuses = health_pb2.HealthCheckResponse.ServingStatus
    status = statuses.Value("SERVING" if serving else "NOT_SERVING")
    for service in SERVICES:
        await servicer.set(service, status)
