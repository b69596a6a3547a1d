"""A city's participant behind a local socket, for carriers other than the exchange.

Lives here: the socket's service and the one call on it. Must not know: who carries a request, or
what it asks; the participant judges it as one that came by the exchange.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import grpc

from federation.errors import PeerError, Reason
from federation.wire.channel import translated
from federation.wire.local import LocalSocket, local_channel, local_server, start_local
from federation.wire.v1 import carrying_pb2, carrying_pb2_grpc

# Blocking: a message type and a body in, the answer's bytes out.
Answer = Callable[[str, bytes], bytes]
# Frees a carrier from a node that hangs; deadlines are the conductor's.
LONGEST_ANSWER_S = 3600.0


class ParticipantService(carrying_pb2_grpc.ParticipantServicer):
    """Hands requests to the participant, in ``threads``."""

    def __init__(self, answer: Answer, threads: Executor) -> None:
        self._answer = answer
        self._threads = threads

    async def Answer(  # noqa: N802 gRPC names its methods
        self,
        request: carrying_pb2.ParticipantRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> carrying_pb2.ParticipantAnswer:
        """Answer one request."""
        answer, asked = self._answer, (request.message_type, request.body)
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._threads, answer, *asked)
        return carrying_pb2.ParticipantAnswer(body=body)


async def serve_participant(
    socket: LocalSocket, answer: Answer, threads: Executor
) -> grpc.aio.Server:
    """Listen on ``socket``. Raises as :func:`federation.wire.local.start_local`.

    What the node fails at is told in a neutral sentence: the caller may send it on.
    """
    server = local_server(reveal=False)
    service = ParticipantService(answer, threads)
    carrying_pb2_grpc.add_ParticipantServicer_to_server(service, server)
    await start_local(server, socket)
    return server


async def ask_participant(socket: Path, message_type: str, body: bytes) -> bytes:
    """Return the answer of the node that listens on ``socket``; raises what the node raised.

    PeerError(UNREACHABLE) while no node listens there.
    """
    request = carrying_pb2.ParticipantRequest(message_type=message_type, body=body)
    async with local_channel(socket) as channel:
        stub = carrying_pb2_grpc.ParticipantStub(channel)
        try:
            with translated():
                return (await stub.Answer(request, timeout=LONGEST_ANSWER_S)).body
        except PeerError as error:
            if error.reason is not Reason.UNREACHABLE:
                raise
            raise PeerError(
                Reason.UNREACHABLE,
                f"no node answers at {socket}: is labor-node serve --participant-socket running?",
            ) from error
